// SPDX-License-Identifier: LGPL-2.1-or-later
// The live view: a card for each camera, what came and went, and the state of each. Nothing is fetched while it is hidden.
import { classRow, fact, find, make } from "./dom.js";
import { follow, hasToken, pause, Problem, request } from "./request.js";
import { clock, milliseconds, number, onLanguage, percent, text } from "./texts.js";

const REFRESH = 2;       // seconds between two looks at the list of cameras
const STREAMS = 3;       // MJPEG streams at once: browsers have six connections to a server
const SLOW = 1;          // seconds between two pictures of the other cameras
const MINUTES = 5;       // of the lanes
const EVENTS = 200;      // kept in the list
const SHOWN = 3;         // classes of a camera

const cameras = new Map(); // id -> what is known of it
const events = [];         // newest first: { at (ms), id, type, label, score, previous }
let stop = null, connected = false, problem = null, loaded = false;

/* ---- What the server says ---- */

async function refresh(signal) {
  while (!signal.aborted) {
    try {
      const list = await (await request("/live", { signal, cache: "no-store" })).json();
      problem = null;
      update(list.streams);
    } catch (error) {
      if (signal.aborted) return;
      problem = error instanceof Problem ? error : new Problem("error-server", String(error));
      // Who has no token is not asked again and again.
      if (problem.status === 401) return render();
    }
    render();
    await pause(REFRESH, signal).catch(() => {});
  }
}

function update(streams) {
  loaded = true;
  const known = new Set(streams.map((stream) => stream.id));
  for (const [id, camera] of cameras)
    if (!known.has(id)) {
      camera.card.remove();
      cameras.delete(id);
    }
  for (const stream of streams) {
    if (!cameras.has(stream.id)) add(stream);
    const camera = cameras.get(stream.id);
    // What is shown ended with the camera's last try.
    if (camera.state.restarts !== stream.restarts) setPicture(camera, "none");
    camera.state = stream;
    if (stream.result) camera.result = stream.result;
  }
  assignPictures();
}

function onEvent(name, data) {
  let message;
  try {
    message = JSON.parse(data);
  } catch {
    return;
  }
  const camera = cameras.get(message.stream);
  if (!camera) return;
  if (name === "state") {
    camera.state = { ...camera.state, ...message };
    assignPictures();
    renderSummary();
  } else if (name === "result") {
    camera.result = message;
    if (message.event) remember(message);
  }
  renderCamera(camera);
}

function remember(message) {
  const best = message.classes[0];
  events.unshift({
    at: message.time ? Date.parse(message.time) : Date.now(), id: message.stream, type: message.event,
    label: message.event === "left" ? message.previous?.label : best?.label,
    score: message.event === "left" ? message.previous?.score : best?.score,
    previous: message.previous?.label,
  });
  events.length = Math.min(events.length, EVENTS);
  renderHistory();
}

/* ---- The pictures ---- */

// The first STREAMS visible cameras are streams, the others a picture a second.
function assignPictures() {
  let streams = hasToken() ? 0 : STREAMS; // an <img> cannot send a token
  for (const camera of cameras.values()) {
    const runs = stop && camera.visible && !document.hidden && camera.state.state === "playing";
    setPicture(camera, !runs ? "none" : streams-- > 0 ? "stream" : "slow");
  }
}

function setPicture(camera, kind) {
  if (camera.kind === kind) return;
  camera.kind = kind;
  camera.slow?.abort();
  camera.slow = null;
  if (kind === "stream") camera.image.src = `/live/${camera.id}/stream?t=${Date.now()}`;
  // The last picture stays; a stream's connection must end.
  if (kind !== "stream") freeze(camera);
  if (kind === "slow") {
    camera.slow = new AbortController();
    takePictures(camera, camera.slow.signal);
  }
}

function freeze(camera) {
  if (!camera.image.src || camera.image.src.startsWith("blob:")) return;
  if (camera.image.naturalWidth) {
    const canvas = make("canvas", { width: camera.image.naturalWidth, height: camera.image.naturalHeight });
    canvas.getContext("2d").drawImage(camera.image, 0, 0);
    canvas.toBlob((blob) => blob && camera.kind !== "stream" && showBlob(camera, blob), "image/jpeg", 0.85);
  }
  camera.image.removeAttribute("src");
}

function showBlob(camera, blob) {
  const old = camera.image.src;
  camera.image.src = URL.createObjectURL(blob);
  if (old.startsWith("blob:")) URL.revokeObjectURL(old);
}

async function takePictures(camera, signal) {
  while (!signal.aborted) {
    try {
      const blob = await (await request(`/live/${camera.id}/snapshot`, { signal, cache: "no-store" })).blob();
      if (!signal.aborted) showBlob(camera, blob);
    } catch {
      // The state in the card says why there is none.
    }
    await pause(SLOW, signal).catch(() => {});
  }
}

const watch = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const camera = cameras.get(Number(entry.target.dataset.id));
    if (camera) camera.visible = entry.isIntersecting;
  }
  assignPictures();
}, { rootMargin: "100px" });

/* ---- Cards ---- */

function add(stream) {
  const camera = { id: stream.id, state: stream, result: null, kind: "none", visible: false };
  camera.image = make("img", { alt: "" });
  // Streams end when the camera does; the list says when there is another.
  camera.image.addEventListener("error", () => (camera.kind = "none"));
  camera.title = make("h2", { class: "camera-name", id: `camera-${stream.id}` }, stream.name);
  camera.badge = make("span", { class: "badge" });
  camera.reason = make("p", { class: "notice bad reason", lang: "en", hidden: true });
  camera.now = make("div", { class: "camera-now" });
  camera.facts = make("dl", { class: "facts" });
  camera.card = make("li", { class: "camera", "data-id": stream.id, "aria-labelledby": `camera-${stream.id}` },
    make("div", { class: "screen" }, camera.image),
    make("div", { class: "camera-text" },
      make("div", { class: "camera-head" }, camera.title, camera.badge), camera.reason, camera.now, camera.facts));
  cameras.set(stream.id, camera);
  find("cameras").append(camera.card);
  watch.observe(camera.card);
}

const BADGES = { playing: "good", failed: "bad", waiting: "bad", ended: "idle", stopped: "idle" };

function renderNow(camera) {
  const classes = camera.result?.classes.slice(0, SHOWN) ?? [];
  if (!classes.length) return camera.now.replaceChildren(make("p", { class: "quiet" }, text("nothing-yet")));
  camera.now.replaceChildren(make("ol", { class: "classes", "aria-label": text("scores", { name: camera.state.name }) },
    ...classes.map((entry) => classRow(entry, percent(entry.score)))));
}

function renderFacts(camera) {
  const { stats, rate, restarts } = camera.state;
  const rows = [];
  if (rate !== undefined) rows.push(fact(text("rate"), number(rate, 1)));
  if (stats) {
    for (const name of ["frames", "classified", "skipped", "dropped"])
      if (stats[name] !== undefined) rows.push(fact(text(name), number(stats[name])));
    if (stats["latency-p50"]) rows.push(fact(text("latency"), `${milliseconds(stats["latency-p50"])} / ${milliseconds(stats["latency-p99"])}`));
  }
  if (restarts !== undefined) rows.push(fact(text("restarts"), number(restarts)));
  for (const { name, delivered, waiting, dropped } of camera.state.targets ?? [])
    rows.push(fact(text("target", { name }), text("target-counts",
      { delivered: number(delivered), waiting: number(waiting), dropped: number(dropped) })));
  camera.facts.replaceChildren(...rows);
}

function renderCamera(camera) {
  const { name, state, reason } = camera.state;
  camera.title.textContent = name;
  camera.title.title = name;
  camera.image.alt = text("stream-of", { name });
  camera.badge.textContent = text(`state-${state}`);
  camera.badge.className = `badge ${BADGES[state] || ""}`;
  camera.reason.textContent = reason || "";
  camera.reason.hidden = !reason;
  renderNow(camera);
  renderFacts(camera);
}

/* ---- What came and went ---- */

function hue(label) {
  let sum = 0;
  for (const c of label) sum = (sum * 31 + c.codePointAt(0)) % 360;
  return sum;
}

// From oldest to newest, the times in which a camera saw a class.
function spans(id, now) {
  const made = [];
  for (const event of events.filter((e) => e.id === id).reverse()) {
    const open = made.at(-1);
    if (open && open.to === null) open.to = event.at;
    if (event.type !== "left") made.push({ label: event.label, from: event.at, to: null });
  }
  return made.map((span) => ({ ...span, to: span.to ?? now }));
}

function lane(camera, now) {
  const length = MINUTES * 60e3, from = now - length;
  const track = make("div", { class: "lane-track" });
  for (const span of spans(camera.id, now).filter((s) => s.to > from && s.label)) {
    const block = make("span", { class: "span", title: span.label }, span.label);
    const start = Math.max(from, span.from);
    block.style.left = `${(100 * (start - from)) / length}%`;
    block.style.width = `${(100 * (span.to - start)) / length}%`;
    block.style.background = `hsl(${hue(span.label)} 55% 28%)`; // white is readable on each
    track.append(block);
  }
  return make("div", { class: "lane" }, make("span", { class: "lane-name" }, camera.state.name), track);
}

function renderLanes() {
  const now = Date.now();
  const scale = make("div", { class: "lane" }, make("span"),
    make("div", { class: "lane-scale" }, make("span", {}, text("minutes", { n: MINUTES })), make("span", {}, text("now"))));
  find("lanes").replaceChildren(...[...cameras.values()].map((camera) => lane(camera, now)), scale);
}

function eventRow(event) {
  const name = cameras.get(event.id)?.state.name ?? String(event.id);
  return make("li", { class: "event" },
    make("time", { datetime: new Date(event.at).toISOString() }, clock(event.at)),
    make("span", { class: "event-camera", title: name }, name),
    make("span", {}, text(`event-${event.type}`, { label: event.label ?? text("none"), previous: event.previous ?? text("none") })),
    make("span", { class: "event-score" }, event.score === undefined ? "" : percent(event.score)));
}

function renderHistory() {
  find("history-empty").hidden = events.length > 0;
  find("events").hidden = events.length === 0;
  find("events").replaceChildren(...events.map(eventRow));
  renderLanes();
}

// How many cameras are in which state, where there are several.
function renderSummary() {
  const counts = new Map();
  for (const { state } of cameras.values()) counts.set(state.state, (counts.get(state.state) ?? 0) + 1);
  const words = Object.keys(BADGES).concat("starting").filter((state) => counts.has(state))
    .map((state) => `${text(`state-${state}`)}: ${number(counts.get(state))}`).join(" · ");
  find("live-summary").hidden = cameras.size < 2;
  if (find("live-summary").textContent !== words) find("live-summary").textContent = words; // a reader speaks it each time
}

function render() {
  find("live-empty").hidden = !loaded || cameras.size > 0;
  find("history").hidden = cameras.size === 0;
  find("live-problem").hidden = !problem;
  if (problem) find("live-problem").textContent = [text(problem.key), problem.reason].filter(Boolean).join(" ");
  find("connection").textContent = text(connected ? "connected" : "reconnecting");
  find("connection").classList.toggle("good", connected);
  for (const camera of cameras.values()) renderCamera(camera);
  renderSummary();
  renderLanes();
}

/* ---- Shown and hidden ---- */

export function showLive(on) {
  if (!on) {
    stop?.abort();
    stop = null;
    connected = false;
    assignPictures();
    return;
  }
  stop = new AbortController();
  refresh(stop.signal);
  follow("/events", stop.signal, onEvent, (state) => {
    connected = state;
    render();
  }).catch((error) => {
    problem = error;
    render();
  });
}

export function startLive() {
  document.addEventListener("visibilitychange", assignPictures);
  onLanguage(() => {
    render();
    renderHistory();
  });
}
