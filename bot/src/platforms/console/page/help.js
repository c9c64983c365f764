// The panel of all commands: what each does and takes, and examples that one press puts into the box.
import { ApiError } from "./api.js";
import { el, sentences } from "./dom.js";

export class Help {
  /** @param {HTMLDialogElement} dialog @param {Api} api */
  constructor(dialog, api) {
    Object.assign(this, { dialog, api });
    this.list = dialog.querySelector(".list");
    // A press beside the panel closes it.
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  }

  /** Opens the panel; what is picked goes into this composer. */
  async open(composer) {
    this.list.replaceChildren(el("p.quiet", {}, "Loading…"));
    this.dialog.showModal();
    try {
      const { commands } = await this.api.commands();
      const none = el("p.quiet", {}, `There is no command that ${this.api.as} may say.`);
      this.list.replaceChildren(...(commands.length ? commands.map((command) => this.#entry(command, composer)) : [none]));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.list.replaceChildren(el("p.quiet", {}, error.message));
    }
  }

  #entry({ name, about, args, examples }, composer) {
    const pick = (line) => () => {
      this.dialog.close();
      composer.put(line);
    };
    return el("section.entry", {},
      el("h3", {}, `/${name}`),
      el("p", {}, ...sentences(about)),
      args.length ? el("dl", {}, ...args.map((arg) =>
        el("div", {}, el("dt", {}, arg.required ? arg.name : `[${arg.name}]`), el("dd", {}, ...sentences(arg.about))))) : null,
      ...examples.map((example) => {
        const line = example.startsWith("/") ? example : `/${example}`;
        return el("button.step", { type: "button", onclick: pick(line) }, el("code", {}, line));
      }));
  }
}
