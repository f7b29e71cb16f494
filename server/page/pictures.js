// SPDX-License-Identifier: LGPL-2.1-or-later
// The pictures: how they come in, the queue to the server, and a card for each.
import { classRow, fact, find, make, say } from "./dom.js";
import { drawHeat } from "./heat.js";
import { Problem, request } from "./request.js";
import { groupName, milliseconds, onLanguage, percent, text } from "./texts.js";

const AT_ONCE = 2; // requests on their way; browsers have six connections, and the live view wants some
// Uncertainty (normalised entropy) below the first is called low, below the second medium. A picture with one class at
// 90 % has about 0.06.
const LOW = 0.12, MEDIUM = 0.35;

const pictures = []; // newest batch first, in it as given
const queue = [];
let active = 0, heatEverywhere = false;

/* ---- The queue to the server ---- */

function enqueue(job) {
  queue.push(job);
  pump();
}

function pump() {
  while (active < AT_ONCE && queue.length) {
    active++;
    queue.shift()().finally(() => {
      active--;
      pump();
    });
  }
}

async function ask(picture, query) {
  const started = performance.now();
  const answer = await request(`/classify?${query}`, {
    method: "POST",
    body: picture.file,
    headers: { "Content-Type": picture.file.type || "application/octet-stream" },
    signal: picture.stop.signal,
  }, (seconds) => {
    picture.busy = Math.ceil(seconds);
    render(picture);
  });
  const result = await answer.json();
  picture.busy = 0;
  return { result, ns: 1e6 * (performance.now() - started) };
}

// Runs one question about a picture; what goes wrong is the picture's `error` or what `failed` makes of it.
async function about(picture, query, done, failed) {
  if (picture.stop.signal.aborted) return;
  try {
    done(await ask(picture, query));
  } catch (error) {
    if (picture.stop.signal.aborted) return;
    failed(error instanceof Problem ? error : new Problem("error-server", String(error)));
  }
  render(picture);
}

function classify(picture) {
  picture.state = "waiting";
  render(picture);
  enqueue(async () => {
    picture.state = "working";
    render(picture);
    await about(picture, "top_k=5&groups=1", ({ result, ns }) => {
      picture.result = result;
      picture.ns = ns;
      picture.state = "done";
      announce(picture);
    }, (problem) => {
      picture.problem = problem;
      picture.state = "failed";
      say(text("said-error", { name: picture.name, error: text(problem.key) }));
    });
    if (heatEverywhere && picture.state === "done") showHeat(picture, true);
  });
}

function announce(picture) {
  const best = picture.result.classes[0];
  if (!best) return say(text("said-error", { name: picture.name, error: text("none") }));
  say(text(picture.result.unknown ? "said-unknown" : "said", { name: picture.name, label: best.label, score: percent(best.score) }));
}

// The map is asked for when it is first wanted.
function showHeat(picture, on) {
  picture.heat = on;
  picture.heatProblem = null;
  render(picture);
  if (!on || picture.map || picture.asking) return;
  picture.asking = true;
  enqueue(() => about(picture, "top_k=1&cam=1", ({ result }) => {
    picture.asking = false;
    picture.map = result.cam;
  }, (problem) => {
    picture.asking = false;
    picture.heat = false;
    picture.heatProblem = problem;
    say(text("error-heat", { error: text(problem.key) }));
  }));
}

/* ---- Cards ---- */

function makeCard(picture) {
  const image = make("img", { class: "preview", src: picture.url, alt: text("preview", { name: picture.name }), decoding: "async" });
  image.addEventListener("load", () => {
    picture.width = image.naturalWidth;
    picture.height = image.naturalHeight;
    picture.shown = true;
    render(picture);
  });
  image.addEventListener("error", () => {
    picture.shown = false;
    render(picture);
  });
  picture.image = image;
  picture.canvas = make("canvas", { class: "heat", role: "img", hidden: true });
  picture.blank = make("p", { class: "blank quiet", hidden: true });
  picture.heatButton = make("button", { type: "button", "aria-pressed": "false", hidden: true, onclick: () => showHeat(picture, !picture.heat) });
  picture.removeButton = make("button", { type: "button", class: "remove", onclick: () => remove(picture) },
    make("span", { "aria-hidden": "true" }, "×"));
  picture.title = make("h3", { class: "card-title", id: `title-${picture.id}` }, picture.name);
  picture.body = make("div", { class: "card-body" });
  picture.card = make("li", { class: "card", "aria-labelledby": `title-${picture.id}` },
    make("figure", { class: "frame" }, image, picture.canvas, picture.blank),
    make("div", { class: "card-text" },
      make("div", { class: "card-head" }, picture.title, picture.heatButton, picture.removeButton), picture.body));
}

function unsure(uncertainty) {
  return text(uncertainty < LOW ? "certain" : uncertainty < MEDIUM ? "unsure" : "uncertain");
}

function resultBody(picture) {
  const { classes, group, uncertainty, unknown, "inference-time": network } = picture.result;
  const list = make("ol", { class: "classes", "aria-label": text("scores", { name: picture.name }) },
    ...classes.map((entry) => classRow(entry, percent(entry.score))));
  const facts = make("dl", { class: "facts" },
    group ? fact(text("group"), `${groupName(group.label)} ${percent(group.score)}`) : null,
    fact(text("uncertainty"), `${unsure(uncertainty)} (${percent(uncertainty)})`),
    fact(text("time"), text("time-network", { network: milliseconds(network), total: milliseconds(picture.ns) })));
  const json = make("details", { class: "json" }, make("summary", {}, text("answer")),
    make("pre", { tabindex: "0", "aria-label": text("answer") }, make("code", {}, JSON.stringify(picture.result, null, 2))));
  return [unknown ? make("p", { class: "notice" }, text("unknown")) : null, list, facts, json];
}

function failedBody(picture) {
  const { key, reason } = picture.problem;
  return [make("div", { class: "notice bad" },
    make("p", {}, text(key)),
    reason ? make("p", { class: "reason", lang: "en" }, reason) : null),
  make("button", { type: "button", onclick: () => classify(picture) }, text("retry"))];
}

function waitingBody(picture) {
  const words = picture.busy ? text("busy", { seconds: picture.busy }) : text(picture.state);
  return [make("p", { class: "waiting" }, words),
    make("div", { class: "skeleton", "aria-hidden": "true" }, ...Array.from({ length: 5 }, () => make("span")))];
}

function renderHeat(picture) {
  const drawn = Boolean(picture.heat && picture.map && picture.shown);
  picture.heatButton.hidden = picture.state !== "done" || picture.shown === false;
  picture.heatButton.textContent = text("heat");
  picture.heatButton.setAttribute("aria-pressed", String(Boolean(picture.heat)));
  picture.heatButton.setAttribute("aria-busy", String(Boolean(picture.asking)));
  picture.canvas.hidden = !drawn;
  if (!drawn) return;
  drawHeat(picture.canvas, picture.map, picture.width, picture.height);
  picture.canvas.setAttribute("aria-label", text("heat-of", { label: picture.result.classes[0]?.label || text("none") }));
  picture.canvas.title = picture.canvas.getAttribute("aria-label");
}

function render(picture) {
  const bodies = { done: resultBody, failed: failedBody };
  // What is open stays open when the words change.
  const open = picture.body.querySelector("details")?.open;
  picture.card.dataset.state = picture.state;
  picture.card.setAttribute("aria-busy", String(picture.state === "waiting" || picture.state === "working"));
  picture.removeButton.setAttribute("aria-label", text("remove-name", { name: picture.name }));
  picture.removeButton.title = text("remove");
  picture.image.alt = text("preview", { name: picture.name });
  picture.image.hidden = picture.shown === false;
  picture.blank.hidden = picture.shown !== false;
  picture.blank.textContent = text("no-preview");
  const parts = (bodies[picture.state] || waitingBody)(picture).filter(Boolean);
  if (picture.heatProblem)
    parts.unshift(make("p", { class: "notice bad" }, text("error-heat", { error: text(picture.heatProblem.key) })));
  picture.body.replaceChildren(...parts);
  const details = picture.body.querySelector("details");
  if (details) details.open = Boolean(open);
  renderHeat(picture);
}

function renderAll() {
  find("toolbar").hidden = pictures.length === 0;
  find("count").textContent = text("count", { n: pictures.length });
  find("cards").classList.toggle("single", pictures.length === 1);
  find("all-heat").hidden = pictures.length < 2;
  for (const picture of pictures) render(picture);
}

/* ---- In and out ---- */

let last = 0;

// `files`: File objects, whatever they hold; the server judges.
export function take(files) {
  if (!files.length) return say(text("error-nothing"));
  const batch = files.map((file) => ({
    id: ++last, file, name: file.name || text("pasted"), url: URL.createObjectURL(file), stop: new AbortController(),
    state: "waiting", busy: 0, heat: false, map: null,
  }));
  pictures.unshift(...batch);
  batch.forEach(makeCard);
  find("cards").prepend(...batch.map((picture) => picture.card));
  renderAll();
  batch.forEach(classify);
}

function forget(picture) {
  picture.stop.abort();
  URL.revokeObjectURL(picture.url);
  picture.card.remove();
}

function remove(picture) {
  const at = pictures.indexOf(picture);
  pictures.splice(at, 1);
  forget(picture);
  renderAll();
  // The focus does not fall back to the page's start.
  (pictures[Math.min(at, pictures.length - 1)]?.removeButton || find("choose")).focus();
}

function clear() {
  pictures.splice(0).forEach(forget);
  renderAll();
  find("choose").focus();
}

function heatAll() {
  heatEverywhere = !heatEverywhere;
  find("all-heat").setAttribute("aria-pressed", String(heatEverywhere));
  for (const picture of pictures) if (picture.state === "done") showHeat(picture, heatEverywhere);
}

function pastedFiles(event) {
  return [...event.clipboardData.files].map((file) =>
    // Browsers call every pasted picture image.png.
    file.name === "image.png" ? new File([file], text("pasted"), { type: file.type }) : file);
}

function watchDrops() {
  let depth = 0; // entered elements that were not left
  const zone = find("drop");
  const over = (on) => {
    zone.classList.toggle("over", on);
    find("drop-hint").textContent = text(on ? "drop-now" : "drop-hint");
  };
  addEventListener("dragenter", (event) => {
    event.preventDefault();
    if (depth++ === 0) over(true);
  });
  addEventListener("dragleave", () => {
    if (--depth <= 0) over(Boolean((depth = 0)));
  });
  addEventListener("dragover", (event) => {
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    over(Boolean((depth = 0)));
    location.hash = "#pictures";
    take([...event.dataTransfer.files]);
  });
}

export function startPictures() {
  find("choose").addEventListener("click", () => find("files").click());
  find("files").addEventListener("change", (event) => {
    take([...event.target.files]);
    event.target.value = ""; // the same file can be chosen again
  });
  find("clear").addEventListener("click", clear);
  find("all-heat").addEventListener("click", heatAll);
  addEventListener("paste", (event) => {
    if (event.target instanceof HTMLInputElement || find("token-dialog").open) return;
    const files = pastedFiles(event);
    location.hash = "#pictures";
    take(files);
  });
  watchDrops();
  onLanguage(renderAll);
}
