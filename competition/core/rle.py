"""Run-length encoding as the competition writes it: row-major, 1-based."""

import functools

import numpy as np


def encode(mask: np.ndarray) -> str:
    """Encode a mask (H, W) as "start length start length"; "" where it is empty."""
    if mask.ndim != 2:
        raise ValueError(
            f"A mask to encode has two dimensions, (height, width). "
            f"Received: shape {mask.shape}. Encode slice by slice."
        )
    pixels = mask.ravel() if mask.dtype == bool else mask.ravel() != 0
    # Searching bytes is the fastest way to the few rows that an organ covers.
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

    Runs may touch, an empty text is an empty mask.
    """
    size = shape[0] * shape[1]
    if not text:
        return np.zeros(shape, bool)
    ends, lengths = _parse(text, size)
    # A pixel is the number of its place among all pixels of runs, plus all gaps before.
    pixels = (ends - np.add.accumulate(lengths)).repeat(lengths)
    pixels += _ramp(size)[: pixels.size]
    mask = np.zeros(shape, bool)
    mask.ravel()[pixels] = True
    return mask


def fault(text: str, size: int | None = None) -> str | None:
    """Say what is illegal in `text`, or None; without `size` runs may end anywhere."""
    numbers: list[int] = []
    for position, word in enumerate(text.split()):
        if not (word.isascii() and word.isdigit()):
            return (
                f"{_place(position)} must be a whole number. Received: {word[:40]!r}."
            )
        numbers.append(int(word[:40]))
    if len(numbers) % 2:
        return (
            "starts and lengths must come in pairs. "
            f"Received: {len(numbers)} numbers, the last start without a length."
        )
    end = 0
    for run, (start, length) in enumerate(
        zip(numbers[::2], numbers[1::2], strict=True), start=1
    ):
        if start < 1 or length < 1:
            return (
                f"run {run}: start and length must be positive. "
                f"Received: '{start} {length}'."
            )
        if start <= end:
            before = f"run {run} starts at {start}, but run {run - 1}"
            if start < numbers[2 * run - 4]:
                return f"{before} at {numbers[2 * run - 4]}: runs must be sorted."
            return f"{before} ends at {end}: runs must not overlap."
        end = start + length - 1
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

    None where the text does not say for certain which mask is meant.
    """
    words = text.split()
    # Longer numbers are none of a pixel, and slow to read.
    if len(words) % 2 or not all(w.isdecimal() and len(w) < 18 for w in words):
        return None
    numbers = [int(word) for word in words]
    if not text.isascii() or 0 in numbers:
        return None
    merged: list[list[int]] = []
    for start, length in sorted(zip(numbers[::2], numbers[1::2], strict=True)):
        end = start + length
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    if size is not None and merged and merged[-1][1] > size + 1:
        return None
    return " ".join(f"{start} {end - start}" for start, end in merged)


def _parse(text: str, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return, of checked runs, where the next pixel would be, 1-based, and the lengths.

    The checks are few and cover all; `fault` finds the words once one fails.
    """
    raw = text.encode()
    spaces = raw.translate(None, b"0123456789")
    # No zero may lead: then every number is positive, and need not be compared.
    if spaces.strip(b" ") or b" 0" in raw or raw.startswith(b"0"):
        raise _error(text, size)
    edges = np.fromstring(raw, np.int64, sep=" ")
    # One space between two numbers, and pairs of these.
    if edges.size != len(spaces) + 1 or edges.size & 1:
        raise _error(text, size)
    ends = edges[1::2]
    ends += edges[::2]
    steps = edges[1:] - edges[:-1]
    # As unsigned numbers, negative gaps are too large; saturated ones are as well.
    far = steps.view(np.uint64)
    if far[far.argmax()] > size or edges.view(np.uint64)[-1] > size + 1:
        raise _error(text, size)
    return ends, steps[::2]


def _error(text: str, size: int) -> ValueError:
    return ValueError(
        f"the RLE is not legal: {fault(text, size)} Expected 'start length' pairs, "
        "1-based, row-major, sorted. Correct the row."
    )


def _place(position: int) -> str:
    return f"the {'length' if position % 2 else 'start'} of run {position // 2 + 1}"


@functools.cache
def _ramp(size: int) -> np.ndarray:
    return np.arange(-1, size - 1)
