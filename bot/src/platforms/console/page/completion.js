// Completion as one types: the suggestions to pick from, and the command's arguments with the current one's help.
import { ApiError } from "./api.js";
import { el, icon, sentences } from "./dom.js";

const DEBOUNCE_MS = 60;

export class Completion {
  #turn = 0;
  #timer = 0;
  #suggestions = [];
  #chosen = -1;
  #explained = "";

  /**
   * @param {HTMLTextAreaElement} box
   * @param {HTMLElement} panel with the list and the usage in it
   * @param {function(string, number): Promise<Object>} ask for the suggestions at a caret
   */
  constructor(box, panel, ask) {
    Object.assign(this, { box, panel, ask });
    this.list = panel.querySelector(".choices");
    this.usage = panel.querySelector(".usage");
    this.list.id = `${box.id}-choices`;
    this.usage.id = `${box.id}-usage`;
    box.setAttribute("aria-controls", this.list.id);
    box.setAttribute("aria-describedby", this.usage.id);
    // A press in the panel must not take the focus, and with it a phone's keyboard, from the box.
    panel.addEventListener("mousedown", (event) => event.preventDefault());
    box.addEventListener("blur", () => this.close());
  }

  /** Asks anew, because the line or the caret has moved. */
  refresh() {
    clearTimeout(this.#timer);
    const turn = ++this.#turn;
    if (!this.box.value.startsWith("/")) return this.close();
    this.#timer = setTimeout(async () => {
      try {
        const answer = await this.ask(this.box.value, this.box.selectionStart);
        if (turn === this.#turn) this.#show(answer);
      } catch (error) {
        // The line can be sent without suggestions; the banner tells of a lost connection.
        if (!(error instanceof ApiError)) throw error;
        if (turn === this.#turn) this.close();
      }
    }, DEBOUNCE_MS);
  }

  close() {
    clearTimeout(this.#timer);
    this.#turn++;
    this.#offer([]);
    this.panel.hidden = true;
  }

  /** Deals with a key that is the list's. @returns {boolean} whether it was */
  takes({ key, shiftKey }) {
    const count = this.#suggestions.length;
    if (!count || shiftKey) return false;
    if (key === "ArrowDown") this.#choose((this.#chosen + 1) % count);
    else if (key === "ArrowUp") this.#choose(this.#chosen <= 0 ? count - 1 : this.#chosen - 1);
    else if (key === "Escape") this.#offer([]);
    else if (key === "Tab") this.#accept(Math.max(this.#chosen, 0));
    else if (key === "Enter" && this.#chosen >= 0) this.#accept(this.#chosen);
    else return false;
    return true;
  }

  #show({ suggestions, usage, about, problem }) {
    this.#offer(suggestions);
    this.#explain(usage, about, problem);
    this.panel.hidden = !suggestions.length && !this.usage.hasChildNodes();
  }

  /** Redraws the usage only where it has changed, because a screen reader reads each change aloud. */
  #explain(usage, about, problem) {
    const state = JSON.stringify([usage, about, problem]);
    if (state === this.#explained) return;
    this.#explained = state;
    const current = usage.find((each) => each.current);
    this.usage.replaceChildren(...[
      about && el("p.about", {}, ...sentences(about)),
      usage.length ? el("p.arguments", {}, ...usage.map(argument)) : null,
      current && el("p.current", {}, el("b", {}, current.text), current.required ? ": " : " (optional): ", ...sentences(current.about)),
      problem && el("p.problem", {}, icon("warn"), el("span", {}, ...sentences(problem))),
    ].filter(Boolean));
  }

  #offer(suggestions) {
    this.#suggestions = suggestions;
    this.#chosen = -1;
    this.list.replaceChildren(...suggestions.map(({ label, about }, i) =>
      el("li", { role: "option", id: `${this.list.id}-${i}`, "aria-selected": "false", onclick: () => this.#accept(i) },
        el("bdi.label", {}, label), el("span.about", {}, about ?? ""))));
    this.list.hidden = !suggestions.length;
    this.box.setAttribute("aria-expanded", String(suggestions.length > 0));
    this.box.removeAttribute("aria-activedescendant");
    this.list.scrollTop = 0;
  }

  #choose(index) {
    this.list.children[this.#chosen]?.setAttribute("aria-selected", "false");
    this.#chosen = index;
    const option = this.list.children[index];
    option.setAttribute("aria-selected", "true");
    option.scrollIntoView({ block: "nearest" });
    this.box.setAttribute("aria-activedescendant", option.id);
  }

  #accept(index) {
    const { line, cursor } = this.#suggestions[index];
    this.box.value = line;
    this.box.setSelectionRange(cursor, cursor);
    this.box.focus();
    this.box.dispatchEvent(new Event("input"));
  }
}

/** One argument of the usage: what is given is ticked, what may be left out stands in brackets. */
function argument({ text, about, required, given, current }) {
  const ticked = given && !current;
  const state = ticked ? "given" : required ? "missing" : "optional";
  return el(`span.argument.${state}`, { title: about, "aria-current": current ? "true" : null },
    ticked ? icon("good") : null, required || given ? text : `[${text}]`);
}
