"""Run-length encoding as the competition writes it: row-major, 1-based."""

import functools

import numpy as np


def encode(mask: np.ndarray) -> str:
    """Encode a mask (H, W) as "start length start length"; "" if it is empty."""
    if mask.ndim != 2:
        raise ValueError(
            f"A mask to encode has two dimensions, (height, width). "
            f"Received: shape {mask.shape}. Encode slice by slice."
        )
    pixels = mask.ravel() if mask.dtype == bool else mask.ravel() != 0
    # Searching bytes is the fastest way to find the few rows that an organ covers.
    raw = pixels.tobytes()
    first = raw.find(1)
    if first < 0:
        return ""
    last = raw.rfind(1)
    framed = np.zeros(last - first + 3, bool)
    framed[1:-1] = pixels[first : last + 1]
    edges = (framed[1:] ^ framed[:-1]).nonzero()[0]
    edges[1::2] -= edges[::2]
    edges[::2] += first + 1
    return ("%d " * edges.size % tuple(edges.tolist()))[:-1]


def decode(text: str, shape: tuple[int, int]) -> np.ndarray:
    """Decode into a boolean mask (H, W); an illegal text is an error that says why.

    Runs may touch. An empty text is an empty mask.
    """
    size = shape[0] * shape[1]
    mask = np.zeros(shape, bool)
    if not text:
        return mask
    runs = _parse(text, size)
    if runs is None:
        raise ValueError(
            f"the RLE is not legal: {fault(text, size)} Expected 'start length' "
            "pairs, 1-based, row-major, sorted. Correct the row."
        )
    ends, lengths = runs
    # The index of the n-th pixel of all runs is n plus the lengths of all gaps before.
    pixels = (ends - np.add.accumulate(lengths)).repeat(lengths)
    pixels += _ramp(size)[: pixels.size]
    mask.ravel()[pixels] = True
    return mask


def _parse(text: str, size: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the end of each run, exclusive and 1-based, and its length.

    Return None for a faulty text. `fault` describes the fault; it is too slow to call
    for each row.
    """
    raw = text.encode()
    spaces = raw.translate(None, b"0123456789")
    # Without leading zeros every number is positive and needs no comparison.
    if spaces.strip(b" ") or b" 0" in raw or raw.startswith(b"0"):
        return None
    edges = np.fromstring(raw, np.int64, sep=" ")
    # There must be one space between two numbers, and an even count of numbers.
    if edges.size != len(spaces) + 1 or edges.size & 1:
        return None
    ends = edges[1::2]
    ends += edges[::2]
    steps = edges[1:] - edges[:-1]
    # As unsigned numbers, negative gaps and overflown ends are too large as well.
    far = steps.view(np.uint64)
    if far[far.argmax()] > size or edges.view(np.uint64)[-1] > size + 1:
        return None
    return ends, steps[::2]


@functools.cache
def _ramp(size: int) -> np.ndarray:
    return np.arange(-1, size - 1)


def fault(text: str, size: int | None = None) -> str | None:
    """Return the fault of a text, or None; without `size` an RLE may end anywhere."""
    words = text.split()
    for place, word in enumerate(words):
        if not (word.isascii() and word.isdigit()):
            name = "length" if place % 2 else "start"
            subject = f"the {name} of run {place // 2 + 1}"
            return f"{subject} must be a whole number. Received: {word[:40]!r}."
    if len(words) % 2:
        return (
            "starts and lengths must come in pairs. "
            f"Received: {len(words)} numbers, the last start without a length."
        )
    # Python refuses to read thousands of digits.
    numbers = [int(word[:40]) for word in words]
    previous = end = 0
    for run, (start, length) in enumerate(
        zip(numbers[::2], numbers[1::2], strict=True), start=1
    ):
        if start < 1 or length < 1:
            return (
                f"run {run}: start and length must be positive. "
                f"Received: '{start} {length}'."
            )
        before = f"run {run} starts at {start}, but run {run - 1}"
        if start < previous:
            return f"{before} at {previous}: runs must be sorted."
        if start <= end:
            return f"{before} ends at {end}: runs must not overlap."
        previous, end = start, start + length - 1
        if size is not None and end > size:
            return f"run {run} ends at {end}, outside the image of {size} pixels."
    if text != " ".join(map(str, numbers)):
        return (
            "numbers must be separated by single spaces, without leading zeros. "
            f"Received: {text[:40]!r}."
        )
    return None


def mend(text: str, size: int | None = None) -> str | None:
    """Write the same mask as legal text: runs sorted and merged, single spaces.

    Return None if it is not certain which mask the text means.
    """
    words = text.split()
    # No pixel has a number of 18 digits, and longer numbers are slow to read.
    if not all(word.isdecimal() and len(word) < 18 for word in words):
        return None
    numbers = [int(word) for word in words]
    if len(numbers) % 2 or not text.isascii() or 0 in numbers:
        return None
    merged: list[list[int]] = []
    for start, length in sorted(zip(numbers[::2], numbers[1::2], strict=True)):
        if not merged or start > merged[-1][1]:
            merged.append([start, start])
        merged[-1][1] = max(merged[-1][1], start + length)
    if size is not None and merged and merged[-1][1] > size + 1:
        return None
    return " ".join(f"{start} {end - start}" for start, end in merged)
