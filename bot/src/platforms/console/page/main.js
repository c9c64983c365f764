// The page as a whole: who is here, which channel and thread the address names, and the stream that keeps them fresh.
import { Api, ApiError } from "./api.js";
import { Conversation } from "./conversation.js";
import { el, icon, template } from "./dom.js";
import { Help } from "./help.js";
import { showPeople } from "./people.js";

const $ = (id) => document.getElementById(id);
/** After this long out of sight the stream is opened anew, because a phone may have dropped it without a word. */
const STALE_MS = 30_000;

const api = new Api();
const help = new Help($("commands"), api);
let session;
let main = null;
let thread = null;
let unseen = 0;

/** Shows this instead of everything else. */
function fill(name) {
  if (!$(name)) return;
  document.body.replaceChildren(template(name));
}

function showLinks() {
  for (const { title, url } of session.links) {
    $("links").append(el("a.nav", { href: url, target: "_blank", rel: "noopener" }, el("span", {}, title), icon("out")));
  }
  $("links").hidden = !session.links.length;
}

/** The address is `#channel` or `#channel/message`, which is also how the API names a thread. */
function route() {
  const address = decodeURIComponent(location.hash.slice(1));
  const [channel, message] = address.split("/");
  const known = session.channels.includes(channel);
  return known ? { channel, message } : { channel: session.channels[0], message: undefined };
}

async function show() {
  const { channel, message } = route();
  if (main?.channel !== channel) {
    const threadOf = ({ id, only }) => (only ? null : `#${encodeURIComponent(channel)}/${id}`);
    main = new Conversation($("main"), { api, channel, threadOf, help: (composer) => help.open(composer) });
    $("title").textContent = `# ${channel}`;
    await main.log.load();
    if (main.channel !== channel) return;
  }
  for (const link of $("channels").querySelectorAll("a")) {
    if (link.dataset.channel === channel) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  $("thread-close").href = `#${encodeURIComponent(channel)}`;
  showThread(message ? `${channel}/${message}` : null, message);
  countUnseen(0);
}

function showThread(address, message) {
  if (address === (thread?.channel ?? null)) return;
  $("side-thread").hidden = !address;
  if (address) {
    const options = { api, channel: address, root: main.log.find(message), prefix: "thread-", threadOf: () => null };
    thread = new Conversation($("thread"), { ...options, help: (composer) => help.open(composer) });
    thread.log.load();
  } else {
    thread = null;
  }
  takeFocus();
}

/** On a phone the focus would bring up the keyboard over what one came to read. */
function takeFocus() {
  if (!matchMedia("(pointer: coarse)").matches) (thread ?? main).composer.focus();
}

function follow() {
  api.follow({
    open: async () => {
      tell("");
      main.log.load();
      thread?.log.load();
      const { build } = await api.session().catch(() => session);
      const reload = el("button", { type: "button", onclick: () => location.reload() }, "Reload the page");
      if (build !== session.build) tell("Deckhand has been updated.", reload);
    },
    lost: () => tell("Connection lost; trying again"),
    message: (message) => {
      main.log.put(message);
      thread?.log.put(message);
      if (document.hidden && message.from !== api.as) countUnseen(unseen + 1);
    },
  });
}

/** Tells something about the whole page; an empty sentence takes it back. */
function tell(sentence, action = "") {
  $("banner").replaceChildren(sentence, action);
}

function countUnseen(count) {
  unseen = count;
  document.title = `${count ? `(${count}) ` : ""}#${main.channel} · Deckhand`;
}

function speakAs(name) {
  api.as = name;
  main.restart();
  thread?.restart();
  follow();
}

function listen() {
  let hiddenAt = 0;
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) hiddenAt = Date.now();
    else if (Date.now() - hiddenAt > STALE_MS) follow();
    countUnseen(0);
  });
  window.addEventListener("hashchange", show);
  $("help").addEventListener("click", () => help.open(main.composer));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && thread && !$("commands").open) location.hash = $("thread-close").hash;
    if (event.target.matches("input, textarea") || event.ctrlKey || event.metaKey || event.altKey || $("commands").open) return;
    if (event.key === "?") help.open(main.composer);
    else if (event.key === "/") (thread ?? main).composer.put("/");
    else return;
    event.preventDefault();
  });
}

async function start() {
  api.onSignedOut = () => fill("signed-out");
  try {
    session = await api.session();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (!$("app")) return;
    fill("unreachable");
    document.querySelector(".why").textContent = error.message;
    document.querySelector("button").addEventListener("click", () => location.reload());
    return;
  }
  $("version").textContent = session.version;
  $("version").title = `Build ${session.build}`;
  $("app").hidden = false;
  for (const name of session.channels) {
    $("channels").append(el("a.nav", { href: `#${encodeURIComponent(name)}`, "data-channel": name }, `# ${name}`));
  }
  api.as = showPeople($("people"), session, speakAs);
  showLinks();
  await show();
  listen();
  follow();
  takeFocus();
}

start();
