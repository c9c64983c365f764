// A question beside a text that somebody is writing: for them alone, at most one at a time, and never in the way.
import { el } from "./dom.js";

/** How long nobody has to type before the text is looked at, and the shortest text that is. */
const PAUSE_MS = 600;
const SHORTEST = 12;

/**
 * Looks at a text while it is written.
 * @param {HTMLTextAreaElement} box
 * @param {function(string): Promise<?{asks: string, reads: string, instead: ?string, whole: ?string}>} ask
 * @returns {HTMLElement} where the question stands
 */
export function advice(box, ask) {
  const place = el("aside.advice", { "aria-live": "polite", hidden: true });
  let timer;
  const show = (found) => {
    place.hidden = !found;
    place.replaceChildren(...(found ? [el("strong", {}, found.asks), el("q", {}, found.reads)] : []));
    if (!found?.whole) return;
    place.append(el("p", {}, "Could read: ", el("q", {}, found.instead)),
      el("button.plain", { type: "button", onclick: () => put(found.whole) }, "Use this wording"));
  };
  const look = async () => {
    const text = box.value;
    if (text.length < SHORTEST) return show(null);
    // What is no longer there is not asked about; a question that can not be had is none.
    const found = await ask(text).catch(() => null);
    if (box.value === text) show(found);
  };
  const put = (text) => {
    box.value = text;
    box.focus();
    look();
  };
  box.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(look, PAUSE_MS);
  });
  box.addEventListener("focus", look);
  return place;
}
