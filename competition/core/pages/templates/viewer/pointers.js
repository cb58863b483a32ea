/** Pointers of the viewer: a mouse, a pen, one finger or two; and the wheel. */

// A finger that moves this many pixels sideways drags the cross-hair; up or down it scrolls.
const ACROSS = 10;
// This many pixels of a smooth wheel are one slice.
const WHEEL_STEP = 40;

/** Connect a plane to the pointers: they move the cross-hair, the window or the picture.
 *
 * Two fingers zoom the picture and move it, whatever one of them would do. */
export function followPointers(viewer, view) {
  const { canvas } = view;
  const down = new Map();
  // After a gesture of two fingers, the one that stays does nothing, also when it lifts.
  let pinched = false;
  // The place where a finger began that has not moved across yet.
  let resting = null;
  const point = (event) => {
    viewer.at = view.voxelAt(event, viewer.scan, viewer.at);
    viewer.draw();
  };
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("pointerdown", (event) => {
    if (!viewer.scan || event.button === 1) return;
    canvas.setPointerCapture(event.pointerId);
    down.set(event.pointerId, event);
    pinched = down.size > 1;
    resting = event.pointerType === "touch" ? event : null;
    if (!resting && toolOf(viewer, event) === "point") point(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = down.get(event.pointerId);
    if (!before) return;
    const fingers = [...down.values()];
    down.set(event.pointerId, event);
    if (down.size > 1) pinch(viewer, view, fingers, [...down.values()]);
    if (pinched) return;
    const tool = toolOf(viewer, event);
    const [x, y] = [event.clientX - before.clientX, event.clientY - before.clientY];
    if (resting && Math.abs(event.clientX - resting.clientX) > ACROSS) resting = null;
    if (tool === "point" && !resting) point(event);
    else if (tool === "window") viewer.changeWindow(x / 300, y / -300);
    else if (tool === "pan") {
      view.move(x, y, viewer.scan);
      viewer.draw();
    }
  });
  canvas.addEventListener("pointerup", (event) => {
    // A tap: this event does not come if the finger scrolled the page.
    if (down.has(event.pointerId) && resting && !pinched && toolOf(viewer, event) === "point") point(event);
  });
  for (const kind of ["pointerup", "pointercancel", "lostpointercapture"]) {
    canvas.addEventListener(kind, (event) => down.delete(event.pointerId));
  }
  followWheel(viewer, view);
}

function toolOf(viewer, event) {
  if (event.button === 2 || event.buttons === 2) return "window";
  return event.shiftKey ? "pan" : viewer.root.querySelector("input[name=drag]:checked").value;
}

/** Move and zoom the picture as the first two fingers did. */
function pinch(viewer, view, [a, b], [c, d]) {
  const middle = (one, other) => [(one.clientX + other.clientX) / 2, (one.clientY + other.clientY) / 2];
  const apart = (one, other) => Math.max(1, Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY));
  const [was, is] = [middle(a, b), middle(c, d)];
  view.move(is[0] - was[0], is[1] - was[1], viewer.scan);
  viewer.zoom(apart(c, d) / apart(a, b), view, { clientX: is[0], clientY: is[1] });
}

function followWheel(viewer, view) {
  let travelled = 0;
  view.canvas.addEventListener("wheel", (event) => {
    if (!viewer.scan) return;
    if (event.ctrlKey) {
      event.preventDefault();
      return viewer.zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15, view, event);
    }
    const step = Math.sign(event.deltaY);
    const next = viewer.at[view.axis] + step;
    // Beyond the last slice, and sideways, the page scrolls.
    if (!step || next < 0 || next >= viewer.scan.shape[view.axis]) return;
    event.preventDefault();
    travelled += event.deltaMode ? step * WHEEL_STEP : event.deltaY;
    if (Math.abs(travelled) < WHEEL_STEP) return;
    travelled = 0;
    viewer.go(next, view.axis);
  }, { passive: false });
}

/** Let a pointer on the strip choose the slice. */
export function followStrip(viewer) {
  const { canvas } = viewer.strip;
  const go = (event) => viewer.scan && viewer.go(viewer.strip.sliceAt(event, viewer.slices.length));
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    go(event);
  });
  canvas.addEventListener("pointermove", (event) => event.buttons && go(event));
}
