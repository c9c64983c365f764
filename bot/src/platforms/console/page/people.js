// Whom one speaks as: always in view where there is a choice, and kept for this tab.
import { avatar, el } from "./dom.js";

/**
 * @param {HTMLElement} host
 * @param {{person: string, people: {name: string, roles: string[]}[]}} session
 * @param {function(string)} changed hears who was chosen
 * @returns {string} whom one speaks as at first
 */
export function showPeople(host, { person, people }, changed) {
  const kept = sessionStorage.getItem("as");
  const first = people.some(({ name }) => name === kept) ? kept : person;
  const buttons = people.map(({ name, roles }) =>
    el("button.person", { type: "button", "data-person": name, onclick: () => choose(name) },
      avatar(name), el("span", {}, el("b", {}, name), el("small", {}, roles.join(", ") || "no role"))));
  const mark = (chosen) => buttons.forEach((each) => each.setAttribute("aria-pressed", String(each.dataset.person === chosen)));
  let current = first;
  const choose = (name) => {
    if (name === current) return;
    current = name;
    sessionStorage.setItem("as", name);
    mark(name);
    changed(name);
  };
  mark(first);
  host.append(...buttons);
  host.hidden = people.length < 2;
  return first;
}
