/** Read volumes: compressed bytes (deflate) in base64, one or two bytes a voxel. */

/** Return the bytes of a base64 text that holds deflated data. */
export async function inflate(text) {
  const packed = atob(text);
  const bytes = new Uint8Array(packed.length);
  for (let i = 0; i < packed.length; i++) bytes[i] = packed.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Add to each difference the value that its neighbours predict, in place.
 *
 * `bytes` holds planes of rows x columns. The prediction is the median of three values:
 * the left one, the upper one, and their sum minus the upper left one. */
export function undoPrediction(bytes, rows, columns) {
  for (let start = 0; start < bytes.length; start += rows * columns) {
    for (let row = 0; row < rows; row++) {
      let at = start + row * columns;
      let left = 0, corner = 0;
      for (let column = 0; column < columns; column++, at++) {
        const up = row ? bytes[at - columns] : 0;
        const low = Math.min(left, up), high = Math.max(left, up);
        const guess = Math.max(low, Math.min(high, left + up - corner));
        corner = up;
        left = bytes[at] = (bytes[at] + guess) & 255;
      }
    }
  }
  return bytes;
}

/** Return the volume of an image, {values, shape}, whose differences were packed. */
export async function image(text, shape) {
  const values = await inflate(text);
  return { values: undoPrediction(values, shape[1], shape[2]), shape };
}

/** Return the volume of mask bits, of more than 8 classes in two bytes a voxel. */
export async function masks(text, shape) {
  const bytes = await inflate(text);
  const wide = bytes.length > shape[0] * shape[1] * shape[2];
  return { values: wide ? new Uint16Array(bytes.buffer) : bytes, shape };
}

/** Return the axes of a plane's rows and columns: axis 0 is across slices, 1 across rows, 2 across columns. */
export function axesOf(axis) {
  return [[1, 2], [0, 2], [0, 1]][axis];
}

/** Return the plane of a volume at an index of an axis: {values, rows, columns}. */
export function plane({ values, shape }, axis, index) {
  const [depth, height, width] = shape;
  const size = height * width;
  if (axis === 0) {
    return { values: values.subarray(index * size, (index + 1) * size), rows: height, columns: width };
  }
  const columns = axis === 1 ? width : height;
  const step = axis === 1 ? 1 : width;
  const first = axis === 1 ? index * width : index;
  const taken = new values.constructor(depth * columns);
  for (let z = 0, to = 0; z < depth; z++) {
    for (let column = 0, from = z * size + first; column < columns; column++, from += step) {
      taken[to++] = values[from];
    }
  }
  return { values: taken, rows: depth, columns };
}

/** Return the value of a volume at [z, y, x]. */
export function voxel({ values, shape }, [z, y, x]) {
  return values[(z * shape[1] + y) * shape[2] + x];
}
