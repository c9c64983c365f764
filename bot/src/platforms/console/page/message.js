// One message of the log: who said it and when, the line or the reply, and the way into its thread.
import { avatar, el, icon, sentences, visible } from "./dom.js";
import { ReplyView } from "./reply.js";

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long", year: "numeric" });
/** From this many characters on a line is folded. */
const LONG = 1200;

function timeOf(at) {
  const utc = `${at.slice(0, 10)} ${at.slice(11, 19)} UTC`;
  return el("time", { datetime: at, title: utc }, clock.format(new Date(at)));
}

export class MessageView {
  /**
   * @param {Object} message
   * @param {{press: function(string, string, Object=): Promise<boolean>, advise: function, thread: ?string, me: string}} context
   *   `press` takes a channel, a button's id and what its form was filled with; `advise` a channel and what is written there;
   *   `thread` is the address of this message's thread, where it may have one
   */
  constructor(message, context) {
    this.context = context;
    this.day = el("div.day", { hidden: true }, el("span", {}, day.format(new Date(message.at))));
    this.answers = el("p.answers", { hidden: true });
    this.body = el("div.body");
    this.note = el("span.note");
    this.replies = context.thread && el("a.replies", { href: context.thread, hidden: true });
    const bot = Boolean(message.reply);
    this.article = el("article", {},
      bot ? el("img.avatar", { src: "icon.svg", alt: "", width: 36, height: 36 }) : avatar(message.from),
      el("div.meta", {}, el("bdi.from", {}, bot ? "Deckhand" : message.from), timeOf(message.at), this.note),
      this.answers, this.body, this.replies,
      context.thread && el("a.square.open-thread",
        { href: context.thread, "aria-label": "Reply in thread", title: "Reply in thread" }, icon("thread")));
    this.element = el("li", { "data-message": message.id }, this.day, this.article);
    this.update(message);
  }

  /** Shows a newer state of the message. */
  update(message) {
    this.message = message;
    const { reply, thread, only, edited } = message;
    // While work is under way a screen reader waits for the end rather than reading every step.
    this.article.setAttribute("aria-busy", String(reply?.state === "progress"));
    this.article.classList.toggle("calls-me", Boolean(reply?.calls?.includes(this.context.me)));
    if (only || reply?.only_you) this.note.replaceChildren(icon("only"), "only you see this");
    else this.note.textContent = edited && !reply ? "edited" : "";
    if (reply) this.#showReply(reply);
    else this.#showLine(message.text);
    if (this.replies) {
      this.replies.hidden = !thread?.replies;
      this.replies.textContent = thread?.replies === 1 ? "1 reply" : `${thread?.replies} replies`;
    }
  }

  /** Draws what depends on the message before: a new day, a head of its own, and what it answers if that is elsewhere. */
  follow(before, answered) {
    const { message } = this;
    const at = new Date(message.at);
    const last = before && new Date(before.message.at);
    const newDay = !last || day.format(last) !== day.format(at);
    const answersAfar = Boolean(answered && answered !== before);
    this.day.hidden = !newDay;
    this.element.classList.toggle("grouped", !newDay && !answersAfar && before.message.from === message.from &&
      before.message.only === message.only && Math.floor(last / 60_000) === Math.floor(at / 60_000));
    this.answers.hidden = !answersAfar;
    if (answersAfar) this.answers.textContent = visible(`↳ ${answered.message.from}: ${answered.message.text}`);
  }

  #showReply(reply) {
    if (!this.reply) {
      const { press, advise } = this.context;
      this.reply = new ReplyView({
        press: (id, filled) => press(this.message.channel, id, filled),
        advise: (line, name, text) => advise(this.message.channel, line, name, text),
      });
      this.body.replaceChildren(this.reply.element);
    }
    this.reply.update(reply);
  }

  #showLine(text) {
    const command = text.startsWith("/");
    const line = el(command ? "p.line.command" : "p.line", { dir: "auto" }, ...(command ? [text] : sentences(text)));
    this.body.replaceChildren(line);
    if (text.length <= LONG) return;
    line.classList.add("folded");
    const unfold = el("button.plain", { type: "button" }, `Show all ${text.length} characters`);
    unfold.addEventListener("click", () => {
      line.classList.remove("folded");
      unfold.remove();
    });
    this.body.append(unfold);
  }
}
