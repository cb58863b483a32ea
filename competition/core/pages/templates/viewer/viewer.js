/** The viewer: a scan in three linked planes, with outlines of truth and prediction. */

import { image, inflate, masks, voxel } from "./volume.js";
import { PlaneView } from "./plane_view.js";
import { Strip } from "./strip.js";
import { count, meanDice, verdict, worst, wrongPlace } from "./slices.js";
import { listen } from "./controls.js";

export class Viewer {
  /** `root` is the element of viewer.html; each of its scans is a JSON text within it. */
  constructor(root) {
    this.root = root;
    this.part = (name) => root.querySelector(`[data-part="${name}"]`);
    this.about = JSON.parse(this.part("about").textContent);
    this.views = [...root.querySelectorAll("canvas[data-axis]")]
      .map((canvas) => new PlaneView(canvas, Number(canvas.dataset.axis)));
    this.strip = new Strip(this.part("strip"));
    this.classes = this.about.classes.map((_, index) => index);
    this.lines = new Set(Object.keys(this.about.lines));
    listen(this);
    new ResizeObserver(() => this.draw()).observe(root);
  }

  /** Open a scan by its number, at its worst slice. */
  async open(number) {
    const turn = this.turn = (this.turn ?? 0) + 1;
    this.root.dataset.state = "loading";
    const text = this.root.querySelectorAll("script.scan")[number].textContent;
    const scan = JSON.parse(text);
    const { shape } = scan;
    scan.image.volume = await image(scan.image.data, shape);
    const volumes = new Map();
    for (const line of ["truth", "other"]) {
      if (scan[line]) volumes.set(line, await masks(scan[line], shape));
    }
    volumes.set("prediction", await masks(scan.stages.at(-1).data, shape));
    // Another scan may have been asked for meanwhile.
    if (turn !== this.turn) return;
    Object.assign(this, { scan, volumes, heat: null });
    this.#count();
    const words = scan.stages.map(({ name }) => name);
    this.#offer("stage", [...words.slice(0, -1), `${words.at(-1)} (final)`], words.length - 1);
    this.#offer("heat", ["none", ...scan.heats.map(({ name }) => name)], 0);
    this.part("scan").value = String(number);
    this.part("slice").max = shape[0] - 1;
    this.part("along").hidden = shape[0] === 1;
    for (const view of this.views) {
      view.reset();
      view.canvas.closest("figure").hidden = shape[0] === 1 && view.axis > 0;
    }
    this.resetWindow();
    this.at = [0, Math.floor(shape[1] / 2), Math.floor(shape[2] / 2)];
    this.goToWorst();
    this.root.dataset.state = "ready";
  }

  /** Show the masks as they are after a part of the decision rule. */
  async stage(index) {
    const { scan } = this;
    const volume = await masks(scan.stages[index].data, scan.shape);
    // Another scan or part may have been chosen meanwhile.
    if (scan !== this.scan || this.part("stage").value !== String(index)) return;
    this.volumes.set("prediction", volume);
    this.#count();
    this.draw();
  }

  /** Show a heat map over the image; 0 is none. */
  async heatMap(index) {
    const { scan } = this;
    const chosen = scan.heats[index - 1];
    const values = chosen && await inflate(chosen.data);
    if (scan !== this.scan || this.part("heat").value !== String(index)) return;
    this.heat = chosen ? { volume: { values, shape: scan.shape }, levels: chosen.levels } : null;
    this.draw();
  }

  #count() {
    this.slices = count(this.volumes.get("truth"), this.volumes.get("prediction"), this.about.classes.length);
  }

  #offer(name, words, chosen) {
    const list = this.part(name);
    list.replaceChildren(...words.map((word, index) => new Option(word, String(index))));
    list.value = String(chosen);
    list.closest("label").hidden = words.length < 2;
  }

  /** Go to a slice across an axis, by default across the slices of the scan. */
  go(index, axis = 0) {
    this.at[axis] = Math.max(0, Math.min(this.scan.shape[axis] - 1, index));
    this.draw();
  }

  /** Go to the slice with the lowest Dice of the shown classes, or the one that holds most.
   *
   * The cross-hair points at a wrong pixel there, or at a pixel of a class. */
  goToWorst() {
    const z = worst(this.slices, this.classes);
    const place = wrongPlace(this.volumes.get("truth"), this.volumes.get("prediction"), z, this.classes);
    this.at = [z, ...(place ?? this.at.slice(1))];
    this.draw();
  }

  /** Zoom all planes: `view` about a place of the page, the others about the cross-hair. */
  zoom(factor, view, pointer) {
    for (const each of this.views) each.zoomBy(factor, this.scan, this.at, each === view ? pointer : null);
    this.draw();
  }

  /** Reset the window and show all planes whole. */
  reset() {
    this.resetWindow();
    for (const view of this.views) view.reset();
    this.draw();
  }

  resetWindow() {
    const [low, high] = this.scan.image.window;
    this.window = { low, high };
  }

  /** Make the window wider or narrower, and move it, by shares of all levels. */
  changeWindow(wider, brighter) {
    const all = this.scan.image.levels - 1;
    const width = Math.max(all / 64, this.window.high - this.window.low + wider * all);
    const centre = (this.window.low + this.window.high) / 2 - brighter * all;
    this.window = { low: centre - width / 2, high: centre + width / 2 };
    this.draw();
  }

  /** Return what a plane draws. */
  scene() {
    const outlines = ["truth", "prediction", "other"]
      .filter((line) => this.lines.has(line) && this.volumes.has(line))
      .map((line) => ({
        volume: this.volumes.get(line),
        // Without a truth, outlines are drawn like it: solid, in the classes' own colours.
        line: this.volumes.has("truth") ? line : "truth",
        colours: line === "truth" || !this.volumes.has("truth") ? this.about.colours : this.about.tints,
      }));
    return {
      shape: this.scan.shape, spacing: this.scan.spacing, at: this.at, image: this.scan.image.volume,
      window: this.window, heat: this.heat, classes: this.classes, outlines,
    };
  }

  draw() {
    if (!this.slices) return;
    const scene = this.scene();
    for (const view of this.views) {
      view.resize();
      view.draw(scene);
    }
    this.strip.draw({
      slices: this.slices, hasTruth: this.volumes.has("truth"), presence: this.scan.presence, classes: this.classes,
      colours: this.about.colours, at: this.at[0],
    });
    this.#say();
  }

  /** Write the value under the cross-hair, and how well the slice is predicted. */
  #say() {
    const [z, y, x] = this.at, number = this.scan.numbers[z];
    const hasTruth = this.volumes.has("truth"), slice = this.slices[z];
    const words = this.classes.map((c) => `${this.about.classes[c]}: ${verdict(slice, c, hasTruth)}`);
    const mean = hasTruth ? meanDice(slice, this.classes) : null;
    const dice = mean === null ? "" : ` · mean Dice ${mean.toFixed(3)}`;
    this.part("slice").value = String(z);
    this.part("slice").setAttribute("aria-valuetext", `slice ${number}. ${words.join(", ")}`);
    this.part("number").textContent = `slice ${number}${dice}`;
    this.part("verdicts").textContent = words.join(" · ");
    this.part("readout").textContent =
      `row ${y}, column ${x}: value ${this.isBeyond() ? "at least " : this.isExact() ? "" : "about "}${this.value()}` + this.#labels("truth") + this.#labels("prediction") + this.#heatHere();
  }

  /** Return the image's value at the cross-hair, as exactly as its levels tell. */
  value() {
    const { low, high, levels, volume } = this.scan.image;
    return Math.round(low + voxel(volume, this.at) / (levels - 1) * (high - low));
  }

  /** Say whether every value of the scan has a level of its own. */
  isExact() {
    const { low, high, levels } = this.scan.image;
    return levels > high - low;
  }

  /** Say whether the cross-hair is on the last level, which higher values share. */
  isBeyond() {
    const { levels, volume, beyond } = this.scan.image;
    return Boolean(beyond) && voxel(volume, this.at) === levels - 1;
  }

  /** Return the names of the classes that truth or prediction have at the cross-hair. */
  labels(line) {
    const volume = this.volumes.get(line);
    const bits = volume ? voxel(volume, this.at) : 0;
    return this.about.classes.filter((_, index) => bits >> index & 1);
  }

  #labels(line) {
    return this.volumes.has(line) ? ` · ${this.about.lines[line]}: ${this.labels(line).join(" and ") || "nothing"}` : "";
  }

  #heatHere() {
    return this.heat ? ` · heat ${(voxel(this.heat.volume, this.at) / this.heat.levels).toFixed(2)}` : "";
  }
}
