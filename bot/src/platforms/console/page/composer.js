// The box that one types into: it grows, completes, recalls earlier lines, and keeps what could not be sent.
import { ApiError } from "./api.js";
import { Completion } from "./completion.js";

const RECALLED = 50;

export class Composer {
  #lines = JSON.parse(sessionStorage.getItem("lines") ?? "[]");
  #recalled = null;
  #sending = false;
  #caret = 0;

  /**
   * @param {HTMLFormElement} form
   * @param {{api: Api, channel: string, prefix: string, help: function(Composer), sent: function()}} options `prefix` goes before ids
   */
  constructor(form, { api, channel, prefix, help, sent }) {
    Object.assign(this, { form, api, channel, sent });
    this.box = form.querySelector("textarea");
    this.error = form.querySelector(".error");
    this.box.id = `${prefix}line`;
    form.querySelector(".send").id = `${prefix}send`;
    this.completion = new Completion(this.box, form.querySelector(".assist"), (line, cursor) => api.complete(channel, line, cursor));
    form.querySelector(".slash").addEventListener("click", () => help(this));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    this.box.addEventListener("input", () => this.#changed());
    this.box.addEventListener("keydown", (event) => this.#key(event));
    for (const moved of ["keyup", "click"]) this.box.addEventListener(moved, () => this.#moved());
    this.invite();
  }

  /** Says whose words these will be. */
  invite() {
    const where = this.channel.includes("/") ? "the thread" : `#${this.channel}`;
    this.box.setAttribute("aria-label", `Message to ${where} as ${this.api.as}`);
    this.box.placeholder = `Message or /command, as ${this.api.as}`;
  }

  /** Puts a line into the box, ready to be sent or changed. */
  put(line) {
    this.box.value = line;
    this.box.focus();
    this.box.setSelectionRange(line.length, line.length);
    this.#changed();
  }

  focus() {
    this.box.focus();
  }

  /** Says why something did not work; an empty sentence takes it back. */
  tell(sentence) {
    this.error.textContent = sentence;
  }

  async #send() {
    const line = this.box.value;
    if (this.#sending || !line.trim()) return;
    this.#sending = true;
    this.completion.close();
    this.tell("");
    try {
      await this.api.ask(this.channel, line);
      this.#remember(line);
      if (this.box.value === line) this.#fill("");
      this.sent();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.tell(error.message);
    } finally {
      this.#sending = false;
    }
  }

  #key(event) {
    // While an input method composes (Korean, Japanese, Chinese), keys are its own.
    if (event.isComposing) return;
    const plainEnter = event.key === "Enter" && !event.shiftKey;
    if (this.completion.takes(event)) event.stopPropagation();
    else if (plainEnter) this.#send();
    else if (!(event.key === "ArrowUp" && this.#recall(-1)) && !(event.key === "ArrowDown" && this.#recall(1))) return;
    event.preventDefault();
  }

  /** Goes through the lines sent before, as long as the box is empty or shows one of them. */
  #recall(step) {
    const untouched = this.#recalled !== null && this.box.value === this.#lines[this.#recalled];
    if (this.box.value !== "" && !untouched) return false;
    const next = (untouched ? this.#recalled : this.#lines.length) + step;
    if (next < 0 || next > this.#lines.length) return true;
    this.#fill(this.#lines[next] ?? "");
    this.#recalled = next;
    return true;
  }

  #remember(line) {
    this.#lines = [...this.#lines.filter((each) => each !== line), line].slice(-RECALLED);
    sessionStorage.setItem("lines", JSON.stringify(this.#lines));
  }

  #fill(line) {
    this.#recalled = null;
    this.box.value = line;
    this.#caret = line.length;
    this.#grow();
    this.completion.close();
  }

  #changed() {
    this.tell("");
    this.#recalled = null;
    this.#caret = this.box.selectionStart;
    this.#grow();
    this.completion.refresh();
  }

  #moved() {
    if (this.box.selectionStart === this.#caret) return;
    this.#caret = this.box.selectionStart;
    this.completion.refresh();
  }

  #grow() {
    this.box.style.height = "auto";
    this.box.style.height = `${this.box.scrollHeight}px`;
  }
}
