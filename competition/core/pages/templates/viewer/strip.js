/** The strip under the slider: Dice by slice, and where truth and prediction have a class. */

import { meanDice } from "./slices.js";

const ROW = 5, GAP = 2, BARS = 46;

export class Strip {
  constructor(canvas) {
    this.canvas = canvas;
  }

  /** Draw the `slices` of a scan, as `slices.count` finds them, and mark the one at `at`.
   *
   * `presence` has the probability of each class in each slice, if it is known. Without
   * truth, `hasTruth`, there is no Dice. */
  draw({ slices, hasTruth, presence, classes, colours, at }) {
    const ratio = window.devicePixelRatio || 1;
    const width = this.canvas.clientWidth;
    const bars = hasTruth || presence ? BARS : 0;
    const height = bars + GAP + classes.length * 2 * (ROW + 1);
    this.canvas.height = Math.round(height * ratio);
    this.canvas.width = Math.round(width * ratio);
    // In CSS, so that a Content-Security-Policy without inline styles holds.
    this.canvas.style.height = `${height}px`;
    const context = this.canvas.getContext("2d");
    context.scale(ratio, ratio);
    const style = getComputedStyle(this.canvas);
    const colour = (name) => style.getPropertyValue(name);
    const step = width / slices.length;
    slices.forEach((slice, index) => {
      const left = index * step, wide = Math.max(step - (step > 4 ? 1 : 0), 0.5);
      const dice = hasTruth ? meanDice(slice, classes) : null;
      if (dice !== null) {
        context.fillStyle = colour("--track");
        context.fillRect(left, 0, wide, BARS);
        context.fillStyle = dice < 0.5 ? colour("--bad") : colour("--accent");
        context.fillRect(left, BARS * (1 - dice), wide, Math.max(BARS * dice, 1.5));
      }
      classes.forEach((name, row) => {
        const top = bars + GAP + row * 2 * (ROW + 1);
        context.fillStyle = colours[name];
        if (slice.truth[name]) context.fillRect(left, top, wide, ROW);
        context.globalAlpha = 0.6;
        if (slice.predicted[name]) context.fillRect(left, top + ROW, wide, ROW);
        context.globalAlpha = 1;
      });
    });
    if (presence) this.#presence(context, presence, classes, colours, step);
    context.strokeStyle = colour("--ink");
    context.lineWidth = 1.5;
    context.strokeRect(at * step, 0.75, Math.max(step, 2), height - 1.5);
  }

  #presence(context, presence, classes, colours, step) {
    context.lineWidth = 1.2;
    for (const index of classes) {
      context.strokeStyle = colours[index];
      context.beginPath();
      presence.forEach((slice, at) => {
        context.lineTo((at + 0.5) * step, 1 + (BARS - 2) * (1 - slice[index] / 255));
      });
      context.stroke();
    }
  }

  /** Return the slice under a pointer event. */
  sliceAt(event, count) {
    const box = this.canvas.getBoundingClientRect();
    const place = Math.floor((event.clientX - box.left) / box.width * count);
    return Math.max(0, Math.min(count - 1, place));
  }
}
