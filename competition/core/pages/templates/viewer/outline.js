/** The outlines of a mask: closed lines through the middles of its pixels' edges. */

/** Return the loops around the pixels of a plane that have the bit, as lists of [x, y].
 *
 * Pixel (row, column) covers the square from (column, row) to (column + 1, row + 1). */
export function loops({ values, rows, columns }, bit) {
  const inside = (row, column) =>
    row >= 0 && row < rows && column >= 0 && column < columns &&
    (values[row * columns + column] >> bit & 1) === 1;
  // Edges from corner to corner, with the mask at their right-hand side.
  const edges = new Map();
  const add = (x0, y0, x1, y1) => {
    const key = y0 * (columns + 1) + x0;
    if (!edges.has(key)) edges.set(key, []);
    edges.get(key).push([x1, y1]);
  };
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      if (!inside(row, column)) continue;
      if (!inside(row - 1, column)) add(column, row, column + 1, row);
      if (!inside(row, column + 1)) add(column + 1, row, column + 1, row + 1);
      if (!inside(row + 1, column)) add(column + 1, row + 1, column, row + 1);
      if (!inside(row, column - 1)) add(column, row + 1, column, row);
    }
  }
  const found = [];
  for (const key of edges.keys()) {
    while (edges.get(key).length) found.push(followEdges(edges, key, columns));
  }
  return found;
}

function followEdges(edges, key, columns) {
  const points = [];
  let [x, y] = [key % (columns + 1), Math.floor(key / (columns + 1))];
  for (;;) {
    const out = edges.get(y * (columns + 1) + x);
    if (!out || !out.length) return points;
    const [nextX, nextY] = out.pop();
    points.push([(x + nextX) / 2, (y + nextY) / 2]);
    [x, y] = [nextX, nextY];
  }
}

/** Return a Path2D of loops, each point scaled and moved to the canvas. */
export function path(found, { left, top, scaleX, scaleY }) {
  const line = new Path2D();
  for (const points of found) {
    points.forEach(([x, y], i) => {
      const at = [left + x * scaleX, top + y * scaleY];
      if (i) line.lineTo(...at);
      else line.moveTo(...at);
    });
    line.closePath();
  }
  return line;
}
