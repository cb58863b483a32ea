/** One plane of a scan on a canvas: the image, a heat map, outlines and the cross-hair. */

import { axesOf, plane } from "./volume.js";
import { loops, path } from "./outline.js";

const MOST_ZOOM = 16;
const LINES = { truth: [], prediction: [5, 3], other: [1.5, 3] };
// From unlikely to certain: black, violet, red, orange, yellow.
const HEAT = [[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]];

/** Return the colour of a heat of 0 to 1, between the five of the scale. */
export function heatColour(value) {
  const place = Math.min(value, 1) * (HEAT.length - 1);
  const low = Math.min(Math.floor(place), HEAT.length - 2);
  return HEAT[low].map((part, i) => Math.round(part + (place - low) * (HEAT[low + 1][i] - part)));
}

/** Return the grey of 0 to 255 that a window {low, high} gives to a level. */
export function greyOf(level, { low, high }) {
  return Math.max(0, Math.min(255, Math.round((level - low) / Math.max(high - low, 1e-6) * 255)));
}

export class PlaneView {
  constructor(canvas, axis) {
    this.canvas = canvas;
    this.axis = axis;
    this.buffer = document.createElement("canvas");
    this.reset();
  }

  /** Show the whole plane. `moved` are the mm from the canvas' middle to the plane's. */
  reset() {
    this.zoom = 1;
    this.moved = [0, 0];
  }

  /** Move the picture by pixels of the page; its plane stays under the canvas' middle. */
  move(x, y, { shape, spacing }) {
    const { scale, ratio, high, wide } = this.#size(shape, spacing);
    this.#moveTo([this.moved[0] + x * ratio / scale, this.moved[1] + y * ratio / scale], [wide, high]);
  }

  /** Zoom about a place of the page, {clientX, clientY}, or about the voxel `at`. */
  zoomBy(factor, { shape, spacing }, at, pointer) {
    const before = this.#size(shape, spacing);
    const box = this.canvas.getBoundingClientRect();
    const [down, across] = axesOf(this.axis);
    const { left, top, scaleX, scaleY } = this.place(shape, spacing);
    const [x, y] = pointer
      ? [(pointer.clientX - box.left) * before.ratio, (pointer.clientY - box.top) * before.ratio]
      : [left + (at[across] + 0.5) * scaleX, top + (at[down] + 0.5) * scaleY];
    this.zoom = Math.max(1, Math.min(MOST_ZOOM, this.zoom * factor));
    if (this.zoom === 1) return this.reset();
    // The point at this place must stay there.
    const nearer = 1 / this.#size(shape, spacing).scale - 1 / before.scale;
    const { width, height } = this.canvas;
    this.#moveTo(
      [this.moved[0] + (x - width / 2) * nearer, this.moved[1] + (y - height / 2) * nearer],
      [before.wide, before.high],
    );
  }

  #moveTo(moved, sides) {
    this.moved = moved.map((mm, i) => Math.max(-sides[i] / 2, Math.min(sides[i] / 2, mm)));
  }

  /** Return the plane's sides in mm, and how many of the canvas' pixels a mm has. */
  #size(shape, spacing) {
    const [down, across] = axesOf(this.axis);
    const high = shape[down] * spacing[down], wide = shape[across] * spacing[across];
    const scale = Math.min(this.canvas.width / wide, this.canvas.height / high) * this.zoom;
    return { high, wide, scale, ratio: this.canvas.width / this.canvas.clientWidth };
  }

  /** Fit the canvas to its place on the page, in the screen's own pixels. */
  resize() {
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(this.canvas.clientWidth * ratio);
    this.canvas.height = Math.round(this.canvas.clientHeight * ratio);
  }

  /** Return where voxels lie on the canvas: {left, top, scaleX, scaleY}. */
  place(shape, spacing) {
    const [down, across] = axesOf(this.axis);
    const { high, wide, scale } = this.#size(shape, spacing);
    return {
      left: this.canvas.width / 2 + (this.moved[0] - wide / 2) * scale,
      top: this.canvas.height / 2 + (this.moved[1] - high / 2) * scale,
      scaleX: scale * spacing[across],
      scaleY: scale * spacing[down],
    };
  }

  /** Return the voxel [z, y, x] under a pointer event; the axis' own index is that of `at`. */
  voxelAt(event, { shape, spacing }, at) {
    const box = this.canvas.getBoundingClientRect();
    const ratio = this.canvas.width / box.width;
    const { left, top, scaleX, scaleY } = this.place(shape, spacing);
    const [down, across] = axesOf(this.axis);
    const found = [...at];
    found[down] = Math.floor(((event.clientY - box.top) * ratio - top) / scaleY);
    found[across] = Math.floor(((event.clientX - box.left) * ratio - left) / scaleX);
    return found.map((value, i) => Math.max(0, Math.min(shape[i] - 1, value)));
  }

  /** Draw the plane through `at` of what is shown; see `Viewer.scene`. */
  draw(scene) {
    const context = this.canvas.getContext("2d");
    const { width, height } = this.canvas;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, width, height);
    if (!width || !scene.image) return;
    const where = this.place(scene.shape, scene.spacing);
    this.#image(context, scene, where);
    for (const drawn of scene.outlines) this.#outlines(context, scene, drawn, where);
    this.#crossHair(context, scene, where);
  }

  #image(context, scene, where) {
    const index = scene.at[this.axis];
    const grey = plane(scene.image, this.axis, index);
    const heat = scene.heat && plane(scene.heat.volume, this.axis, index);
    const pixels = new ImageData(grey.columns, grey.rows);
    const greys = Array.from({ length: 256 }, (_, level) => greyOf(level, scene.window));
    const colours = Array.from({ length: 256 }, (_, i) => heatColour(i / (scene.heat?.levels ?? 256)));
    for (let i = 0, to = 0; i < grey.values.length; i++, to += 4) {
      const base = greys[grey.values[i]];
      const warm = heat ? Math.min(heat.values[i] / scene.heat.levels, 1) * 0.75 : 0;
      const colour = heat ? colours[heat.values[i]] : [0, 0, 0];
      for (let part = 0; part < 3; part++) {
        pixels.data[to + part] = base * (1 - warm) + colour[part] * warm;
      }
      pixels.data[to + 3] = 255;
    }
    this.buffer.width = grey.columns;
    this.buffer.height = grey.rows;
    this.buffer.getContext("2d").putImageData(pixels, 0, 0);
    // Large pixels are drawn with sharp edges.
    context.imageSmoothingEnabled = where.scaleX < 12;
    context.imageSmoothingQuality = "high";
    context.drawImage(this.buffer, where.left, where.top, grey.columns * where.scaleX, grey.rows * where.scaleY);
  }

  #outlines(context, scene, { volume, line, colours }, where) {
    const shown = plane(volume, this.axis, scene.at[this.axis]);
    const ratio = window.devicePixelRatio || 1;
    context.lineWidth = 1.6 * ratio;
    context.setLineDash(LINES[line].map((part) => part * ratio));
    for (const index of scene.classes) {
      context.strokeStyle = colours[index];
      context.stroke(path(loops(shown, index), where));
    }
    context.setLineDash([]);
  }

  #crossHair(context, scene, { left, top, scaleX, scaleY }) {
    if (scene.shape[0] === 1) return;
    const [down, across] = axesOf(this.axis);
    const x = left + (scene.at[across] + 0.5) * scaleX, y = top + (scene.at[down] + 0.5) * scaleY;
    context.strokeStyle = "rgb(255 255 255 / 45%)";
    context.lineWidth = 1;
    context.beginPath();
    // The cross-hair is open in the middle, so that it does not hide its pixel.
    const gap = 12 * (window.devicePixelRatio || 1);
    for (const [from, to] of [[0, x - gap], [x + gap, this.canvas.width]]) {
      context.moveTo(from, y);
      context.lineTo(to, y);
    }
    for (const [from, to] of [[0, y - gap], [y + gap, this.canvas.height]]) {
      context.moveTo(x, from);
      context.lineTo(x, to);
    }
    context.stroke();
  }
}
