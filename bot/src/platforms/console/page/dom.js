// Builds elements from data: text only ever becomes text, and what would be invisible in it is shown.

/** Control, bidirectional and zero-width characters, with which a line could look like another one. */
const INVISIBLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b\u2060\ufeff\u202a-\u202e\u2066-\u2069]/g;

/** @param {string} text @returns {string} the same, with invisible characters spelled out */
export function visible(text) {
  return text.replaceAll("\r\n", "\n").replace(INVISIBLE, (c) => `⟨U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
}

/**
 * A new element: `el("button.main", { type: "button", onclick: press }, "Ship")`.
 * Attributes that are null or false are left out; children are nodes, or strings, which become text.
 * @param {string} kind a tag and its classes, as in a selector
 * @param {Object<string, *>} [attributes]
 * @param {...(Node|string|null|undefined)} children
 */
export function el(kind, attributes = {}, ...children) {
  const [tag, ...classes] = kind.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : typeof value === "string" ? visible(value) : value);
  }
  for (const child of children) {
    if (child !== null && child !== undefined) element.append(typeof child === "string" ? visible(child) : child);
  }
  return element;
}

/** An icon of the page's sprite; the words beside it, or its button's label, say what it means. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", `icon icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** @returns {Node} what stands in the page's template of this name */
export function template(id) {
  return document.getElementById(id).content.cloneNode(true);
}

/** Deckhand's sentences as nodes: paired backticks are code, all else is plain. */
export function sentences(text) {
  return text.split(/(`[^`\n]+`)/).filter(Boolean).map((part) =>
    part.length > 2 && part.startsWith("`") && part.endsWith("`") ? el("code", {}, part.slice(1, -1)) : visible(part),
  );
}

/** The first letter on a colour that is the person's own. */
export function avatar(name) {
  const circle = el("span.avatar", { "aria-hidden": "true" }, [...name][0]?.toUpperCase() ?? "?");
  let hash = 0;
  for (const c of name) hash = (hash * 31 + c.codePointAt(0)) % 65_521;
  // The golden angle keeps like names apart.
  circle.style.setProperty("--hue", String(Math.round(hash * 137.508) % 360));
  return circle;
}
