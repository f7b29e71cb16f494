// SPDX-License-Identifier: LGPL-2.1-or-later
// Requests to the server: the token, errors with a text of the page, and another try when the server is busy.
import { find } from "./dom.js";

const KEY = "token";
const TRIES = 6;
const LONGEST_WAIT = 15; // seconds, whatever Retry-After says

let token = null;
try {
  token = sessionStorage.getItem(KEY);
} catch {
  // Then it is asked for after each reload.
}

// `key`: the text of the page that says it; `reason`: the server's own sentence, in English, or "".
export class Problem extends Error {
  constructor(key, reason = "", status = 0) {
    super(reason || key);
    this.key = key;
    this.reason = reason;
    this.status = status;
  }
}

const KEYS = { 400: "error-bad", 401: "error-token", 413: "error-large", 415: "error-type", 422: "error-bad", 429: "error-busy", 503: "error-busy" };

export function hasToken() {
  return token !== null;
}

let asking = null;

// Shows the dialog once, however many requests wait for it. True if there is a token now.
function askToken() {
  asking ??= new Promise((done) => {
    const dialog = find("token-dialog");
    find("token").value = "";
    dialog.returnValue = "cancel";
    dialog.addEventListener("close", () => {
      asking = null;
      const given = dialog.returnValue === "ok" && find("token").value.trim();
      if (given) {
        token = given;
        try {
          sessionStorage.setItem(KEY, token);
        } catch {
          // Kept in this variable alone.
        }
      }
      done(Boolean(given));
    }, { once: true });
    dialog.showModal();
  });
  return asking;
}

function withToken(options) {
  const headers = new Headers(options.headers);
  if (token) headers.set("Authorization", `Bearer ${token}`);
  return { ...options, headers };
}

async function reasonOf(answer) {
  try {
    const reason = (await answer.json()).error;
    return typeof reason === "string" ? reason : "";
  } catch {
    return "";
  }
}

export function pause(seconds, signal) {
  return new Promise((done, failed) => {
    const stop = () => {
      clearTimeout(timer);
      failed(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      done();
    }, 1000 * seconds);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}

// A file that cannot be read and a server that cannot be reached are the same TypeError.
async function unreachable(body) {
  if (body instanceof Blob)
    try {
      await body.slice(0, 1).arrayBuffer();
    } catch {
      return new Problem("error-file");
    }
  return new Problem("error-network");
}

// fetch, until the answer is neither "busy" nor "no token"; throws a Problem for all but success. `onBusy(seconds)` is
// told of each wait.
export async function request(path, options = {}, onBusy = () => {}) {
  for (let tries = 1; ; tries++) {
    let answer;
    const used = token;
    try {
      answer = await fetch(path, withToken(options));
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw await unreachable(options.body);
    }
    if (answer.ok) return answer;
    const problem = new Problem(KEYS[answer.status] || "error-server", await reasonOf(answer), answer.status);
    if (answer.status === 401 && (token !== used || (await askToken()))) continue;
    if (problem.key !== "error-busy" || tries === TRIES) throw problem;
    const seconds = Math.min(Number.parseFloat(answer.headers.get("Retry-After")) || 1, LONGEST_WAIT);
    onBusy(seconds);
    // Those who were refused together do not come back together.
    await pause(seconds + Math.random() * seconds / 2, options.signal);
  }
}

// The server's events, over and over until `signal`: onEvent(name, data) for each, onState(connected) when the connection
// is made or lost. EventSource cannot send a token.
export async function follow(path, signal, onEvent, onState) {
  const place = { id: null }; // where to go on
  for (let wait = 1; !signal.aborted; wait = Math.min(2 * wait, LONGEST_WAIT)) {
    try {
      const headers = { Accept: "text/event-stream", ...(place.id === null ? {} : { "Last-Event-ID": place.id }) };
      const answer = await request(path, { signal, headers, cache: "no-store" });
      onState(true);
      wait = 1;
      await readEvents(answer.body, onEvent, place);
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem && error.status === 401) throw error;
    }
    onState(false);
    await pause(wait, signal).catch(() => {});
  }
}

async function readEvents(body, onEvent, place) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "", name = "message", data = [];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (data.length) onEvent(name, data.join("\n"));
        [name, data] = ["message", []];
      } else if (line.startsWith("id:")) place.id = line.slice(3).trim();
      else if (line.startsWith("event:")) name = line.slice(6).trim();
      else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
    }
  }
}
