// SPDX-License-Identifier: LGPL-2.1-or-later
// Taking a photo: the phone's own camera where there is one, else a window with what the webcam sees.
import { find } from "./dom.js";
import { text } from "./texts.js";

let stream = null, cameras = [], current = 0;

function complain(error) {
  const keys = { NotAllowedError: "camera-denied", SecurityError: "camera-denied", NotFoundError: "camera-missing", OverconstrainedError: "camera-missing" };
  const problem = find("camera-problem");
  problem.textContent = text(keys[error.name] || "camera-broken", { error: error.message });
  problem.hidden = false;
  find("shoot").disabled = true;
}

function stop() {
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
  find("viewfinder").srcObject = null;
}

async function start(constraints) {
  stop();
  find("camera-problem").hidden = true;
  find("shoot").disabled = true;
  try {
    const made = await navigator.mediaDevices.getUserMedia({ audio: false, video: constraints });
    // Closed while the browser asked.
    if (!find("camera").open) return made.getTracks().forEach((track) => track.stop());
    stream = made;
    find("viewfinder").srcObject = stream;
    await find("viewfinder").play();
    find("shoot").disabled = false;
    cameras = (await navigator.mediaDevices.enumerateDevices()).filter((device) => device.kind === "videoinput");
    current = Math.max(0, cameras.findIndex((device) => device.deviceId === stream?.getVideoTracks()[0].getSettings().deviceId));
    find("turn").hidden = cameras.length < 2;
  } catch (error) {
    if (find("camera").open) complain(error);
  }
}

function turn() {
  current = (current + 1) % cameras.length;
  start({ deviceId: { exact: cameras[current].deviceId } });
}

function shoot(take) {
  const video = find("viewfinder");
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  canvas.toBlob((blob) => {
    find("camera").close();
    if (blob) take([new File([blob], text("photo") + ".jpg", { type: "image/jpeg" })]);
  }, "image/jpeg", 0.92);
}

// `take`: called with the files of each photo.
export function startCamera(take) {
  find("capture").addEventListener("change", (event) => {
    take([...event.target.files]);
    event.target.value = "";
  });
  find("photograph").addEventListener("click", () => {
    // Browsers give the webcam to secure pages only; a phone's file chooser opens its camera everywhere.
    if (matchMedia("(pointer: coarse)").matches || !navigator.mediaDevices?.getUserMedia) return find("capture").click();
    find("turn").hidden = true;
    find("camera").showModal();
    start({ facingMode: "environment", width: { ideal: 1280 }, height: { ideal: 960 } });
  });
  find("turn").addEventListener("click", turn);
  find("shoot").addEventListener("click", () => shoot(take));
  find("camera-close").addEventListener("click", () => find("camera").close());
  find("camera").addEventListener("close", stop);
}
