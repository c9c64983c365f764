// The log of one channel: messages in order, older ones on the way up, newer states in place, and the scroll position kept.
import { ApiError } from "./api.js";
import { MessageView } from "./message.js";

const PAGE = 50;
/** Above this many the oldest leave the page; scrolling up brings them back. */
const KEPT = 400;
/** Nearer to the end than this, the reader follows the conversation. */
const NEAR_PX = 60;

export class Log {
  /** @type {Map<string, MessageView>} by id */
  #views = new Map();
  #turn = 0;
  #waiting = null;
  #more = false;
  #loading = false;
  #follows = true;

  /**
   * @param {HTMLElement} host a conversation
   * @param {{api: Api, channel: string, root: ?Object, press: function, threadOf: function(Object): ?string, changed: function(number)}} options
   *   `root` is the message that a thread hangs from; `changed` hears how many messages there are
   */
  constructor(host, options) {
    Object.assign(this, options);
    this.scroller = host.querySelector(".log");
    this.list = host.querySelector(".messages");
    this.earlierButton = host.querySelector(".earlier");
    this.newer = host.querySelector(".newer");
    this.earlierButton.addEventListener("click", () => (this.#views.size ? this.#earlier() : this.load()));
    this.newer.addEventListener("click", () => this.toEnd());
    this.scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    const sizes = new ResizeObserver(() => this.#follows && this.toEnd());
    sizes.observe(this.scroller);
    sizes.observe(this.list);
  }

  /** Loads the newest page. What arrives meanwhile is newer than the page, and goes after it. */
  async load() {
    const turn = ++this.#turn;
    this.#waiting ??= [];
    const loaded = await this.#quietly(async () => {
      const { messages } = await this.api.messages(this.channel, null, PAGE);
      if (turn !== this.#turn) return;
      const newest = this.list.lastElementChild?.dataset.message;
      if (!newest || !messages.length || messages[0].id > newest) {
        this.#clear();
        this.#more = messages.length === PAGE;
      }
      if (this.root) this.#place(this.root);
      messages.forEach((message) => this.#place(message));
    });
    if (turn !== this.#turn) return;
    const waiting = this.#waiting ?? [];
    this.#waiting = null;
    waiting.forEach((message) => this.put(message));
    if (loaded) this.changed(this.#views.size);
    if (this.#follows) this.toEnd();
  }

  /** Shows a message that has just been said, or the newer state of one that stands here. */
  put(message) {
    if (message.channel !== this.channel && message.id !== this.root?.id) return;
    if (message.id === this.root?.id) this.root = message;
    if (this.#waiting) return void this.#waiting.push(message);
    const isNew = !this.#views.has(message.id);
    // The newer state of a message further up than this page reaches is not for here.
    if (isNew && this.#more && message.id < this.list.firstElementChild?.dataset.message) return;
    this.#place(message);
    if (!isNew) return;
    this.changed(this.#views.size);
    this.newer.hidden = this.#follows;
    if (this.#follows) {
      this.toEnd();
      this.#trim();
    }
  }

  /** Starts over for another person, to whom nothing that is shown or waits may be left. */
  restart() {
    this.#waiting = null;
    this.#clear();
    return this.load();
  }

  #clear() {
    this.#views.clear();
    this.list.replaceChildren();
    this.#follows = true;
  }

  find(id) {
    return this.#views.get(id)?.message;
  }

  toEnd() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.#follows = true;
    this.newer.hidden = true;
  }

  async #earlier() {
    if (this.#loading || !this.#more) return;
    this.#loading = true;
    const turn = this.#turn;
    await this.#quietly(async () => {
      const before = this.list.firstElementChild?.dataset.message;
      const { messages } = await this.api.messages(this.channel, before, PAGE);
      if (turn !== this.#turn) return;
      const fromEnd = this.scroller.scrollHeight - this.scroller.scrollTop;
      messages.reverse().forEach((message) => this.#place(message));
      this.#more = messages.length === PAGE;
      this.scroller.scrollTop = this.scroller.scrollHeight - fromEnd;
    });
    this.#loading = false;
  }

  /** Loads without having a screen reader read old messages aloud, and says so if it does not work. */
  async #quietly(load) {
    this.scroller.setAttribute("aria-live", "off");
    let problem = null;
    try {
      await load();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      problem = error.message;
    } finally {
      setTimeout(() => this.scroller.setAttribute("aria-live", "polite"), 100);
    }
    this.earlierButton.hidden = !problem && !this.#more;
    this.earlierButton.textContent = problem ? `${problem} Press to load the messages.` : "Earlier messages";
    return !problem;
  }

  #place(message) {
    const known = this.#views.get(message.id);
    if (known) return known.update(message);
    const { press, api } = this;
    const view = new MessageView(message, { press, advise: (...written) => api.advise(...written), thread: this.threadOf(message), me: api.as });
    this.#views.set(message.id, view);
    let after = this.list.lastElementChild;
    while (after && after.dataset.message > message.id) after = after.previousElementSibling;
    if (after) after.after(view.element);
    else this.list.prepend(view.element);
    this.#frame(view.element);
    this.#frame(view.element.nextElementSibling);
  }

  #frame(element) {
    if (!element) return;
    const view = this.#views.get(element.dataset.message);
    view.follow(this.#views.get(element.previousElementSibling?.dataset.message), this.#views.get(view.message.answers));
  }

  #trim() {
    while (this.#views.size > KEPT) {
      const oldest = this.list.firstElementChild;
      this.#views.delete(oldest.dataset.message);
      oldest.remove();
      this.#more = true;
    }
    this.earlierButton.hidden = !this.#more;
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    this.#follows = scrollHeight - scrollTop - clientHeight < NEAR_PX;
    if (this.#follows) this.newer.hidden = true;
    if (scrollTop < clientHeight / 2) this.#earlier();
  }
}
