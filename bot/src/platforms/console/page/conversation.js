// One channel on the screen: its log above, its box below, and first steps where nothing has been said yet.
import { ApiError } from "./api.js";
import { Composer } from "./composer.js";
import { el, template } from "./dom.js";
import { Log } from "./log.js";

const FIRST_STEPS = [
  ["/deploy ship service:hello env:staging ref:v2", "ship version 2 to staging, and watch it happen"],
  ["/audit", "see who changed what, and when"],
  ["/help", "see all that you can ask for"],
];

export class Conversation {
  /**
   * @param {HTMLElement} host whose place it takes
   * @param {{api: Api, channel: string, root: ?Object, prefix: string, threadOf: function(Object): ?string, help: function(Composer)}} options
   */
  constructor(host, { api, channel, root = null, prefix = "", threadOf, help }) {
    this.channel = channel;
    host.replaceChildren(template("conversation"));
    this.hello = host.querySelector(".hello");
    this.isThread = channel.includes("/");
    const press = (where, id, filled) => this.#press(api, where, id, filled);
    const changed = (count) => this.#welcome(count);
    this.log = new Log(host, { api, channel, root, press, threadOf, changed });
    this.composer = new Composer(host.querySelector(".composer"), { api, channel, prefix, help, sent: () => this.log.toEnd() });
  }

  /** Starts over for another person. */
  restart() {
    this.composer.invite();
    return this.log.restart();
  }

  async #press(api, channel, id, filled) {
    this.composer.tell("");
    try {
      await api.press(channel, id, filled);
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.composer.tell(error.message);
      return false;
    }
  }

  #welcome(count) {
    if (this.isThread) return this.hello.replaceChildren(...(count > 1 ? [] : [el("p.quiet", {}, "No replies yet.")]));
    if (count) return this.hello.replaceChildren();
    if (this.hello.hasChildNodes()) return;
    this.hello.append(el("section.first-steps", { "aria-label": "First steps" },
      el("h2", {}, "Welcome aboard"),
      el("p", {}, "Deckhand ships, shows and remembers. Press a line to put it into the box, then Enter to send it."),
      ...FIRST_STEPS.map(([line, about]) =>
        el("button.step", { type: "button", onclick: () => this.composer.put(line) }, el("code", {}, line), el("span", {}, about)))));
  }
}
