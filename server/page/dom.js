// SPDX-License-Identifier: LGPL-2.1-or-later
// Making and finding elements.

export function find(id) {
  return document.getElementById(id);
}

// make("button", { class: "x", type: "button", onclick: f }, "text", element, null ...). Values that are functions are
// listeners, true and false are set as attributes are: present or absent.
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// One sentence for screen readers. The same sentence twice is read twice.
export function say(sentence) {
  const status = find("says");
  status.textContent = "";
  setTimeout(() => (status.textContent = sentence), 50);
}

// A row of a result: the name, the score as number and as bar.
export function classRow(entry, score) {
  const bar = make("span", { class: "bar-fill" });
  bar.style.width = `${Math.max(0.5, 100 * entry.score)}%`;
  return make("li", { class: "class" },
    make("span", { class: "class-name", lang: "en", title: entry.wnid || null }, entry.label),
    make("span", { class: "class-score" }, score),
    make("span", { class: "bar", "aria-hidden": "true" }, bar));
}

// Name and value, for a <dl>.
export function fact(name, value, attributes = {}) {
  return make("div", { class: "fact" }, make("dt", {}, name), make("dd", attributes, value));
}
