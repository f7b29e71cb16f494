// SPDX-License-Identifier: LGPL-2.1-or-later
// The page's words in one language, from /page/LANGUAGE.json. Elements name theirs: data-text for the content, data-label
// for aria-label.

const LANGUAGES = { en: "en", de: "de", zh: "zh-Hans" };
const KEY = "language";
const listeners = [];
let words = {};

export let language = "en";

// localStorage throws where the browser keeps nothing for this page.
function remembered() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

function remember(name) {
  try {
    localStorage.setItem(KEY, name);
  } catch {
    // The choice holds until the page is left.
  }
}

function preferred() {
  const wanted = [remembered(), ...(navigator.languages || [navigator.language])];
  for (const name of wanted) {
    const base = (name || "").toLowerCase().split("-")[0];
    if (Object.hasOwn(LANGUAGES, base)) return base;
  }
  return "en";
}

// The text `key`, with {name} replaced by values[name]; the key itself where there is no text.
export function text(key, values = {}) {
  const pattern = Object.hasOwn(words, key) ? words[key] : key;
  return pattern.replace(/\{(\w+)\}/g, (whole, name) => (Object.hasOwn(values, name) ? String(values[name]) : whole));
}

// Groups come in English; the language may have its own word.
export function groupName(group) {
  const groups = words.groups || {};
  return Object.hasOwn(groups, group) ? groups[group] : group;
}

export function percent(part) {
  return new Intl.NumberFormat(LANGUAGES[language], {
    style: "percent",
    minimumFractionDigits: part < 0.1 ? 1 : 0,
    maximumFractionDigits: part < 0.1 ? 1 : 0,
  }).format(part);
}

export function number(value, digits = 0) {
  return new Intl.NumberFormat(LANGUAGES[language], { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
}

// Nanoseconds as milliseconds with three figures.
export function milliseconds(ns) {
  const ms = ns / 1e6;
  return number(ms, ms < 10 ? 1 : 0) + " ms";
}

export function clock(date) {
  return new Intl.DateTimeFormat(LANGUAGES[language], { hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(date);
}

function apply() {
  document.documentElement.lang = LANGUAGES[language];
  document.title = text("pictures-title") + " · resnet18";
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text);
  for (const element of document.querySelectorAll("[data-label]")) element.setAttribute("aria-label", text(element.dataset.label));
  for (const listener of listeners) listener();
}

// Called now and after each change of the language.
export function onLanguage(listener) {
  listeners.push(listener);
}

export async function speak(name) {
  const answer = await fetch(`/page/${name}.json`);
  if (!answer.ok) throw new Error(`/page/${name}.json: ${answer.status}`);
  words = await answer.json();
  language = name;
  apply();
}

export async function startLanguage(select) {
  select.addEventListener("change", async () => {
    remember(select.value);
    await speak(select.value);
  });
  select.value = preferred();
  await speak(select.value);
}
