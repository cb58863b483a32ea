/** Keys, lists and boxes of the viewer. */

import { followPointers, followStrip } from "./pointers.js";

const KEYS = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity };
// While no element of the page has the focus, these keys scroll the page.
const SCROLLING = ["ArrowUp", "ArrowDown", "PageUp", "PageDown", "Home", "End"];
const LINE_KEYS = { t: "truth", p: "prediction", o: "other" };

/** Connect a viewer to its controls, once it shows a scan. */
export function listen(viewer) {
  const { part, root } = viewer;
  const on = (target, kind, act) => target.addEventListener(kind, (event) => viewer.scan && act(event));
  on(part("slice"), "input", (event) => viewer.go(Number(event.target.value)));
  on(part("stage"), "change", (event) => viewer.stage(Number(event.target.value)));
  on(part("heat"), "change", (event) => viewer.heatMap(Number(event.target.value)));
  on(part("worst"), "click", () => viewer.goToWorst());
  on(part("in"), "click", () => viewer.zoom(1.4));
  on(part("out"), "click", () => viewer.zoom(1 / 1.4));
  on(part("reset"), "click", () => viewer.reset());
  for (const box of root.querySelectorAll("input[data-line], input[data-class]")) {
    box.addEventListener("change", () => choose(viewer));
  }
  on(root, "keydown", (event) => press(viewer, event));
  on(document, "keydown", (event) => {
    // While another tab of the page is shown, the viewer is hidden.
    const isSeen = root.offsetParent !== null;
    if (isSeen && event.target === document.body && !SCROLLING.includes(event.key)) press(viewer, event);
  });
  for (const view of viewer.views) followPointers(viewer, view);
  followStrip(viewer);
}

function choose(viewer) {
  const boxes = (kind) => [...viewer.root.querySelectorAll(`input[data-${kind}]:checked`)].map((box) => box.dataset[kind]);
  viewer.lines = new Set(boxes("line"));
  viewer.classes = boxes("class").map(Number);
  viewer.draw();
}

function press(viewer, event) {
  const { key, target } = event;
  if (target.matches("select, input[type=radio]") || event.ctrlKey || event.metaKey || event.altKey) return;
  // On a plane the keys change the slices of that plane.
  const axis = Number(target.dataset.axis ?? 0);
  if (key in KEYS) viewer.go(viewer.at[axis] + KEYS[key], axis);
  else if (key === "+") viewer.zoom(1.4);
  else if (key === "-") viewer.zoom(1 / 1.4);
  else if (key === "w") viewer.goToWorst();
  else if (key in LINE_KEYS) toggle(viewer, "line", LINE_KEYS[key]);
  else if (/^[1-9]$/.test(key)) toggle(viewer, "class", String(Number(key) - 1));
  else return;
  event.preventDefault();
}

function toggle(viewer, kind, name) {
  const box = viewer.root.querySelector(`input[data-${kind}="${name}"]`);
  if (!box) return;
  box.checked = !box.checked;
  choose(viewer);
}
