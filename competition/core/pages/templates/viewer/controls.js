/** Keys, pointers, lists and boxes of the viewer. */

const KEYS = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1, PageUp: -10, PageDown: 10 };

/** Let a viewer follow its controls. */
export function listen(viewer) {
  const { part, root } = viewer;
  const on = (name, kind, act) => part(name)?.addEventListener(kind, act);
  on("slice", "input", (event) => viewer.go(Number(event.target.value)));
  on("stage", "change", (event) => viewer.stage(Number(event.target.value)));
  on("heat", "change", (event) => viewer.heatMap(Number(event.target.value)));
  on("worst", "click", () => viewer.goToWorst());
  on("in", "click", () => zoom(viewer, 1.4));
  on("out", "click", () => zoom(viewer, 1 / 1.4));
  on("reset", "click", () => {
    viewer.resetWindow();
    for (const view of viewer.views) view.reset();
    viewer.draw();
  });
  for (const box of root.querySelectorAll("input[data-line], input[data-class]")) {
    box.addEventListener("change", () => choose(viewer));
  }
  root.addEventListener("keydown", (event) => press(viewer, event));
  // Before anything is chosen on the page, arrows move the slice as well.
  document.addEventListener("keydown", (event) => {
    if (event.target === document.body && !event.key.endsWith("Up") && !event.key.endsWith("Down")) press(viewer, event);
  });
  for (const view of viewer.views) followPointer(viewer, view);
  followStrip(viewer);
}

function choose(viewer) {
  const boxes = (kind) => [...viewer.root.querySelectorAll(`input[data-${kind}]:checked`)].map((box) => box.dataset[kind]);
  viewer.lines = new Set(boxes("line"));
  viewer.classes = boxes("class").map(Number);
  viewer.draw();
}

function press(viewer, event) {
  if (event.target.matches("select, input[type=radio]") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key in KEYS) viewer.go(viewer.at[0] + KEYS[event.key]);
  else if (event.key === "Home") viewer.go(0);
  else if (event.key === "End") viewer.go(Infinity);
  else if (event.key === "+") zoom(viewer, 1.4);
  else if (event.key === "-") zoom(viewer, 1 / 1.4);
  else if (event.key === "w") viewer.goToWorst();
  else if (event.key === "t") toggle(viewer, "line", "truth");
  else if (event.key === "p") toggle(viewer, "line", "prediction");
  else if (/^[1-9]$/.test(event.key)) toggle(viewer, "class", String(Number(event.key) - 1));
  else return;
  event.preventDefault();
}

function toggle(viewer, kind, name) {
  const box = viewer.root.querySelector(`input[data-${kind}="${name}"]`);
  if (!box) return;
  box.checked = !box.checked;
  choose(viewer);
}

function zoom(viewer, factor) {
  for (const view of viewer.views) {
    view.zoom = Math.max(1, Math.min(16, view.zoom * factor));
    view.moved = view.zoom === 1 ? [0, 0] : view.moved.map((part) => part * factor);
  }
  viewer.draw();
}

/** Let a plane follow the pointer: it moves the cross-hair, the window or the picture. */
function followPointer(viewer, view) {
  const { canvas } = view;
  const tool = (event) =>
    event.button === 2 || event.buttons === 2 ? "window" : event.shiftKey ? "pan" : viewer.root.querySelector("input[name=drag]:checked").value;
  const point = (event) => {
    viewer.at = view.voxelAt(event, { ...viewer.scan, at: viewer.at });
    viewer.draw();
  };
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    if (tool(event) === "point") point(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!event.buttons) return;
    const chosen = tool(event);
    if (chosen === "point") point(event);
    else if (chosen === "window") viewer.changeWindow(event.movementX / 300, event.movementY / -300);
    else {
      const ratio = window.devicePixelRatio || 1;
      view.moved = [view.moved[0] + event.movementX * ratio, view.moved[1] + event.movementY * ratio];
      viewer.draw();
    }
  });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (event.ctrlKey) return zoom(viewer, event.deltaY < 0 ? 1.15 : 1 / 1.15);
    viewer.at = viewer.at.map((value, axis) =>
      axis === view.axis ? Math.max(0, Math.min(viewer.scan.shape[axis] - 1, value + Math.sign(event.deltaY))) : value);
    viewer.draw();
  }, { passive: false });
}

function followStrip(viewer) {
  const { canvas } = viewer.strip;
  const go = (event) => viewer.go(viewer.strip.sliceAt(event, viewer.slices.length));
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    go(event);
  });
  canvas.addEventListener("pointermove", (event) => event.buttons && go(event));
}
