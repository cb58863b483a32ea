"""Compare preparing and decoding with the bare work and the code everyone copies."""

import concurrent.futures
import contextlib
import io
import itertools
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from bench import clock, folders
from competition import pipeline
from competition.core import rle
from competition.core.data import images


def main() -> None:
    """Print the ratios of prepare, its repetition, its memory, and of the RLE."""
    with (
        tempfile.TemporaryDirectory() as name,
        contextlib.redirect_stderr(io.StringIO()),
    ):
        root = pathlib.Path(name)
        prepare_against_imread(root)
        prepare_again(root)
        memory(root)
    run_lengths()


def prepare_against_imread(root: pathlib.Path) -> None:
    """Compare on twelve scans, by as many threads, with the files in the cache."""
    data = folders.write(root / "twelve", scans=12)
    paths = [str(data / image.path) for image in images.find(data, "train")]

    def read() -> None:
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for _ in pool.map(lambda p: cv2.imread(p, cv2.IMREAD_UNCHANGED), paths):
                pass

    fresh = (root / f"work{number}" for number in itertools.count())
    read()
    ratio = clock.alternate(lambda: pipeline.prepare(data, work=next(fresh)), read)
    clock.say("prepare / threaded `cv2.imread` of the same files", ratio, "<= 1.3")


def prepare_again(root: pathlib.Path) -> None:
    """Time as many slices as the competition's; small ones, since they are not read."""
    data = folders.write(root / "many", scans=267, size=(32, 32))
    pipeline.prepare(data, work=root / "work")
    again = clock.seconds(lambda: pipeline.prepare(data, work=root / "work"))
    clock.say("prepare again, 38,448 slices, nothing changed", again, "<= 1 s", "s")


def memory(root: pathlib.Path) -> None:
    """Compare the peak memory of processes that prepare scans and 10 times as many."""
    peaks = []
    for scans in (8, 80):
        data = folders.write(root / f"scans{scans}", scans=scans)
        code = (
            "from competition import pipeline; import pathlib; "
            f"pipeline.prepare(pathlib.Path({str(data)!r}), "
            f"work=pathlib.Path({str(root / 'memory')!r}))"
        )
        peaks.append(clock.peak_mib(code))
        shutil.rmtree(root / "memory")
        shutil.rmtree(data)
    clock.say("memory of prepare, 80 scans / 8 scans", peaks[1] / peaks[0], "<= 1.1")


def run_lengths() -> None:
    """Time encoding and decoding of organ-like masks, including validation."""
    masks = [organ(seed) for seed in range(300)]
    texts = [rle.encode(mask) for mask in masks]
    shape = masks[0].shape
    ratio = clock.alternate(each(usual_encode, masks), each(rle.encode, masks))
    clock.say("RLE encode, the notebooks' way / ours", ratio, ">= 2.5")
    usual = each(lambda text: usual_decode(text, shape), texts)
    ours = each(lambda text: rle.decode(text, shape), texts)
    clock.say(
        "RLE decode, the notebooks' way / ours", clock.alternate(usual, ours), ">= 3"
    )


def each(work: Callable[[Any], object], items: list[Any]) -> Callable[[], None]:
    """Return a function that does the work on every item and keeps no result."""

    def run() -> None:
        for item in items:
            work(item)

    return run


def organ(seed: int) -> np.ndarray:
    """Two lobed shapes: 65 runs and 1,400 pixels, as the competition's have."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:266, :266]
    found = np.zeros((266, 266), bool)
    for _ in range(2):
        cy, cx = random.uniform(60, 200, 2)
        angle = np.arctan2(y - cy, x - cx)
        lobes = random.uniform(0, 0.4) * np.sin(random.integers(2, 6) * angle)
        found |= np.hypot(y - cy, x - cx) < random.uniform(9, 20) * (1 + lobes)
    return found


def usual_encode(mask: np.ndarray) -> str:
    """Flatten, add frame, compare: what the competition's notebooks do."""
    pixels = np.concatenate([[0], mask.flatten(), [0]])
    runs = np.where(pixels[1:] != pixels[:-1])[0] + 1
    runs[1::2] -= runs[::2]
    return " ".join(str(x) for x in runs)


def usual_decode(text: str, shape: tuple[int, int]) -> np.ndarray:
    """Split, then fill a slice for each run: what the competition's notebooks do."""
    words = text.split()
    starts, lengths = (
        np.asarray(numbers, dtype=int) for numbers in (words[0:][::2], words[1:][::2])
    )
    starts -= 1
    mask = np.zeros(shape[0] * shape[1], dtype=np.uint8)
    for start, end in zip(starts, starts + lengths, strict=True):
        mask[start:end] = 1
    return mask.reshape(shape)
