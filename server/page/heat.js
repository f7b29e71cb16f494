// SPDX-License-Identifier: LGPL-2.1-or-later
// The class activation map, drawn smoothly over a preview.

const MAP = 7;    // numbers a side, as the network gives them
const FINE = 112; // points a side that are computed from them
const SHORT = 256, CROP = 224; // the picture's short side is resized to SHORT, the middle CROP is what the network sees
const LONGEST = 960; // pixels of the canvas

// From cold to hot: red, green, blue.
const COLOURS = [[30, 20, 110], [105, 20, 150], [200, 45, 105], [250, 125, 35], [255, 235, 110]];

// Weights of four neighbours at the fraction t between the second and the third (Catmull-Rom).
function weights(t) {
  return [
    ((2 - t) * t - 1) * t / 2,
    ((3 * t - 5) * t * t + 2) / 2,
    ((4 - 3 * t) * t + 1) * t / 2,
    (t - 1) * t * t / 2,
  ];
}

// `count` places along a side: the first of four neighbours (inside or clamped) and their weights. The numbers stand for
// the middles of MAP equal cells.
function places(count) {
  return Array.from({ length: count }, (_, i) => {
    const at = ((i + 0.5) / count) * MAP - 0.5;
    const first = Math.floor(at);
    return { cells: [-1, 0, 1, 2].map((d) => Math.min(MAP - 1, Math.max(0, first + d))), weights: weights(at - first) };
  });
}

// The map at FINE x FINE points, 0..1.
export function refine(map) {
  const side = places(FINE);
  const rows = side.map(({ cells, weights: w }) =>
    Array.from({ length: MAP }, (_, x) => cells.reduce((sum, y, k) => sum + w[k] * map[y * MAP + x], 0)));
  return rows.flatMap((row) => side.map(({ cells, weights: w }) =>
    Math.min(1, Math.max(0, cells.reduce((sum, x, k) => sum + w[k] * row[x], 0)))));
}

function colour(heat) {
  const at = heat * (COLOURS.length - 1);
  const i = Math.min(Math.floor(at), COLOURS.length - 2);
  return COLOURS[i].map((from, c) => from + (at - i) * (COLOURS[i + 1][c] - from));
}

function paint(map) {
  const canvas = new OffscreenCanvas(FINE, FINE);
  const context = canvas.getContext("2d");
  const image = context.createImageData(FINE, FINE);
  refine(map).forEach((heat, i) => {
    image.data.set([...colour(heat), 255 * Math.min(0.78, 0.12 + 0.8 * heat)], 4 * i);
  });
  context.putImageData(image, 0, 0);
  return canvas;
}

// Over a picture of width x height: the heat on the part that the network sees, the rest darkened, a frame between.
export function drawHeat(canvas, map, width, height) {
  const scale = Math.min(1, LONGEST / Math.max(width, height));
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const side = (Math.min(canvas.width, canvas.height) * CROP) / SHORT;
  const x = (canvas.width - side) / 2, y = (canvas.height - side) / 2;
  const context = canvas.getContext("2d");
  context.fillStyle = "rgb(0 0 0 / 45%)";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.clearRect(x, y, side, side);
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  context.drawImage(paint(map), x, y, side, side);
  context.strokeStyle = "rgb(255 255 255 / 90%)";
  context.lineWidth = Math.max(1.5, side / 200);
  context.strokeRect(x, y, side, side);
}
