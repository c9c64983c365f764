// One reply of Deckhand: a card, facts, a table, output, files, buttons. A newer state redraws only what has changed.
import { advice } from "./advice.js";
import { el, icon, sentences, visible } from "./dom.js";

/** What each tone is called where there are no colours. */
const TONES = { working: "Under way", good: "Done", warn: "Attention", bad: "Failed", refused: "Nothing changed" };
const PICTURE = /\.(png|svg|jpe?g|webp|gif)$/i;
/** How long a pressed button rests, so that a second tap of a nervous thumb is no second press. */
const REST_MS = 1500;

/** What a reply is like, in one word; the stylesheet has a colour for each. */
function toneOf({ card, state, outcome }) {
  if (state === "progress") return "working";
  if (card && card.tone !== "plain") return card.tone;
  if (outcome === "refused") return "refused";
  return outcome === "broken" ? "bad" : "plain";
}

/** The parts of a reply in the order in which they stand: what each is drawn from, and how. */
const PARTS = [
  {
    name: "head",
    of: (reply) => [toneOf(reply), reply.card?.title],
    draw: ([tone, title]) => [
      title && el("h3", {}, title),
      TONES[tone] && el("span.tone", {}, icon(tone), TONES[tone]),
    ],
  },
  { name: "text", of: (reply) => reply.text, draw: sentences },
  {
    name: "calls",
    of: (reply) => reply.calls,
    draw: (names) => names.map((name) => el("span.call", {}, `@${name}`)),
  },
  {
    name: "fields",
    of: (reply) => reply.fields,
    draw: (fields) => [
      el("dl", {}, ...fields.map(({ name, value }) => el("div", {}, el("dt", {}, name), el("dd", {}, ...sentences(value))))),
    ],
  },
  { name: "grid", of: (reply) => reply.table && [reply.table], draw: ([table]) => [grid(table)] },
  {
    name: "output",
    of: (reply) => reply.output,
    draw: (output, slot) => {
      const box = slot.firstElementChild ?? el("div.output", { tabindex: "0", role: "region", "aria-label": "Output" }, el("pre"));
      box.firstElementChild.textContent = visible(output.trimEnd());
      return [box];
    },
  },
  { name: "files", of: (reply) => reply.files, draw: (files) => files.map(file) },
  { name: "buttons", of: (reply) => reply.buttons, draw: (buttons, _, at) => buttons.flatMap((each) => (each.form ? asking(each, at) : button(each, at))) },
];

/** The roles are spelled out because the stylesheet stacks the cells where there is no room for columns. */
function grid({ head, rows }) {
  const cell = (text, column) =>
    el("td", { role: "cell" }, el("span.column", { "aria-hidden": "true" }, head[column]), el("span", {}, ...sentences(text)));
  return el("table", { role: "table" },
    el("thead", { role: "rowgroup" },
      el("tr", { role: "row" }, ...head.map((text) => el("th", { role: "columnheader", scope: "col" }, text)))),
    el("tbody", { role: "rowgroup" }, ...rows.map((row) => el("tr", { role: "row" }, ...row.map(cell)))));
}

function file({ title, name }) {
  const link = { href: `/files/${name.split("/").map(encodeURIComponent).join("/")}`, target: "_blank", rel: "noopener" };
  if (PICTURE.test(name)) return el("a.picture", link, el("img", { src: link.href, alt: title, title }));
  return el("a.file", link, icon("file"), el("bdi", {}, title));
}

function button({ id, label, line, look }, { press }) {
  const element = el(`button.${look ?? "plain"}`, { type: "button", "data-press": id, title: line, "aria-description": line }, label);
  // Not `disabled`, which would take the keyboard's focus away.
  const rest = (on) => element.setAttribute("aria-disabled", String(on));
  element.addEventListener("click", async () => {
    if (element.getAttribute("aria-disabled") === "true") return;
    rest(true);
    if (await press(id)) setTimeout(rest, REST_MS, false);
    else rest(false);
  });
  return element;
}

/** A button that wants something filled in first: a press shows what, below it. */
function asking({ id, label, line, look, form }, { press, advise }) {
  const button = el(`button.${look ?? "plain"}`, { type: "button", title: line, "aria-expanded": "false" }, label);
  const send = el("button.main", { type: "submit", "data-press": id }, label);
  const box = el("form.asks", { hidden: true }, el("strong", {}, form.title), ...form.inputs.flatMap((each) => input(each, (text) => advise(line, each.name, text))), send);
  const show = (on) => {
    box.hidden = !on;
    button.setAttribute("aria-expanded", String(on));
    if (on) box.querySelector("[name]").focus();
  };
  button.addEventListener("click", () => show(box.hidden));
  box.addEventListener("keydown", (event) => event.key === "Escape" && show(false));
  box.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (send.disabled) return;
    send.disabled = true;
    // What was right is used up, and what was wrong is typed anew.
    if (await press(id, Object.fromEntries(new FormData(box)))) {
      box.reset();
      show(false);
    }
    send.disabled = false;
  });
  return [button, box];
}

/** One thing that a form asks for; what is long is looked at while it is written. */
function input({ name, label, hint, value, secret, long, most }, advise) {
  const shared = { name, maxlength: most, placeholder: hint, required: secret, autocomplete: secret ? "one-time-code" : "off" };
  const field = long ? el("textarea", { ...shared, rows: 4 }, value) : el("input", { ...shared, value, type: secret ? "password" : "text" });
  const labelled = el("label", {}, label, field);
  return long ? [labelled, advice(field, advise)] : [labelled];
}

export class ReplyView {
  #drawn = new Map();
  #slots = PARTS.map(({ name }) => el(`div.${name}`));
  element = el("div.reply", {}, ...this.#slots);

  /**
   * @param {{press: function(string, Object=): Promise<boolean>, advise: function(string, string, string): Promise}} at `press` presses
   *   the button of this id, with what its form was filled with, and says whether it arrived; `advise` takes the line of a form's
   *   button, the name of an input and its text
   */
  constructor(at) {
    this.at = at;
  }

  update(reply) {
    this.element.dataset.tone = toneOf(reply);
    this.element.classList.toggle("card", Boolean(reply.card));
    PARTS.forEach(({ name, of, draw }, i) => {
      const data = of(reply);
      const state = JSON.stringify(data ?? "");
      if (this.#drawn.get(name) === state) return;
      this.#drawn.set(name, state);
      const nodes = data?.length ? draw(data, this.#slots[i], this.at) : [];
      this.#slots[i].replaceChildren(...nodes.filter(Boolean));
    });
  }
}
