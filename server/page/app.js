// SPDX-License-Identifier: LGPL-2.1-or-later
// The start of the page: language, the two views, the footer.
import { startCamera } from "./camera.js";
import { find } from "./dom.js";
import { showLive, startLive } from "./live.js";
import { startPictures, take } from "./pictures.js";
import { onLanguage, startLanguage, text } from "./texts.js";

const VIEWS = ["pictures", "live"];
let shown = "";
let model = "";

// The view named by the address.
function show() {
  const view = VIEWS.includes(location.hash.slice(1)) ? location.hash.slice(1) : "pictures";
  if (view === shown) return;
  const first = shown === "";
  shown = view;
  for (const name of VIEWS) {
    find(name).hidden = name !== view;
    if (name === view) find(`to-${name}`).setAttribute("aria-current", "page");
    else find(`to-${name}`).removeAttribute("aria-current");
  }
  showLive(view === "live");
  if (first) return;
  scrollTo(0, 0);
  find("main").focus({ preventScroll: true });
}

async function nameModel() {
  try {
    const answer = await fetch("/v2/models/resnet18");
    if (answer.ok) model = (await answer.json()).parameters?.source ?? "";
  } catch {
    // The footer says nothing then.
  }
  sayModel();
}

function sayModel() {
  find("model").textContent = model ? text("model", { model }) : "";
}

onLanguage(sayModel);
startPictures();
startCamera(take);
startLive();
await startLanguage(find("language"));
addEventListener("hashchange", show);
show();
nameModel();
document.documentElement.dataset.ready = "";
