/** Count truth and prediction in each slice of a scan, and find the worst slice. */

/** Return for each slice {truth, predicted, both}: the pixels of each class.
 *
 * A scan without annotations has no `truth`; it then counts as empty. */
export function count(truth, predicted, classes) {
  const [depth, height, width] = predicted.shape;
  const slices = [];
  for (let z = 0, at = 0; z < depth; z++) {
    const found = { truth: new Array(classes).fill(0), predicted: new Array(classes).fill(0), both: new Array(classes).fill(0) };
    for (const end = at + height * width; at < end; at++) {
      const a = truth ? truth.values[at] : 0, b = predicted.values[at];
      if (!a && !b) continue;
      for (let index = 0; index < classes; index++) {
        const inTruth = a >> index & 1, inPredicted = b >> index & 1;
        found.truth[index] += inTruth;
        found.predicted[index] += inPredicted;
        found.both[index] += inTruth & inPredicted;
      }
    }
    slices.push(found);
  }
  return slices;
}

/** Return the Dice of a class in a slice, or null where neither side has a pixel of it. */
export function dice(slice, index) {
  const sum = slice.truth[index] + slice.predicted[index];
  return sum ? 2 * slice.both[index] / sum : null;
}

/** Return the mean Dice of classes in a slice, or null where none of them has one. */
export function meanDice(slice, classes) {
  const known = classes.map((index) => dice(slice, index)).filter((value) => value !== null);
  return known.length ? known.reduce((a, b) => a + b, 0) / known.length : null;
}

/** Return the slice with the lowest mean Dice; of equal ones the one with most wrong pixels.
 *
 * If no slice has a Dice, return the one in the middle. */
export function worst(slices, classes) {
  let chosen = Math.floor(slices.length / 2), lowest = Infinity, most = -1;
  slices.forEach((slice, index) => {
    const value = meanDice(slice, classes);
    if (value === null) return;
    const wrong = classes.reduce((sum, c) => sum + slice.truth[c] + slice.predicted[c] - 2 * slice.both[c], 0);
    if (value < lowest || (value === lowest && wrong > most)) [chosen, lowest, most] = [index, value, wrong];
  });
  return chosen;
}

/** Return [row, column] of a wrong pixel near the middle of a slice's wrong pixels.
 *
 * If no class is wrong, or the truth is unknown, use the pixels of the classes instead;
 * return null if there are none. */
export function wrongPlace(truth, predicted, z, classes) {
  const [, height, width] = predicted.shape;
  const first = z * height * width, shown = classes.reduce((bits, index) => bits | 1 << index, 0);
  const wrong = [], there = [];
  for (let at = 0; at < height * width; at++) {
    const a = truth ? truth.values[first + at] & shown : 0, b = predicted.values[first + at] & shown;
    if (a !== b) wrong.push(at);
    if (a || b) there.push(at);
  }
  const pixels = (wrong.length ? wrong : there).map((at) => [Math.floor(at / width), at % width]);
  if (!pixels.length) return null;
  const middle = [0, 1].map((axis) => pixels.reduce((sum, place) => sum + place[axis], 0) / pixels.length);
  const away = ([row, column]) => Math.hypot(row - middle[0], column - middle[1]);
  return pixels.reduce((nearest, place) => (away(place) < away(nearest) ? place : nearest));
}

/** Return in words how well a class is found in a slice. */
export function verdict(slice, index, hasTruth) {
  const inTruth = slice.truth[index] > 0, inPredicted = slice.predicted[index] > 0;
  if (!hasTruth) return inPredicted ? "there" : "not there";
  if (inTruth && inPredicted) return `Dice ${dice(slice, index).toFixed(3)}`;
  const pixels = (amount) => `${amount} pixel${amount === 1 ? "" : "s"}`;
  if (inTruth) return `missed, ${pixels(slice.truth[index])}`;
  return inPredicted ? `false alarm, ${pixels(slice.predicted[index])}` : "rightly empty";
}
