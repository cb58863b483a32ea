"""Measure `submit`: what it adds to bare forward passes, its rate, and its memory.

The scans have 48 slices of 266 x 266. A small U-Net takes 160 x 192, in batches of 16.
"""

import contextlib
import io
import pathlib
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable

import numpy as np

from bench import clock, folders
from competition import submit
from competition.core import files, rules
from competition.core.experiment import configs, layout, runs
from competition.submit import partial

SLICES, SCANS, REPEATS = 48, 5, 5
SMALL = (
    "geometry.height=160",
    "geometry.width=192",
    "model.widths=[16, 32, 64, 128]",
    "submit.tta=[]",
)
# 50 cases, 3 days each, 144 slices a day.
HIDDEN = 50 * 3 * 144


def main() -> None:
    """Print the ratios, slices a second of one network and of five, and the memory."""
    with (
        tempfile.TemporaryDirectory() as name,
        contextlib.redirect_stderr(io.StringIO()),
    ):
        root = pathlib.Path(name)
        five = write_run(root / "five")
        one = runs.read(layout.RunFiles(shutil.copytree(five.files.root, root / "one")))
        for fold in one.config.folds[1:]:
            shutil.rmtree(one.files.fold(fold))
        data = write_test(root / "data", scans=SCANS, slices=SLICES)
        for run, count in ((one, 1), (five, 5)):
            against_passes(run, data, out=root / f"{count}.csv", count=count)
        peaks = [
            memory(one, write_test(root / f"{scans}", scans=scans, slices=16))
            for scans in (4, 40)
        ]
        ratio = peaks[1] / peaks[0]
        clock.say("memory of submit, ten times the scans / once", ratio, "<= 1.1")


def write_run(root: pathlib.Path) -> runs.Run:
    """Write a run of five folds that were not trained."""
    from competition.net.networks import build

    place = layout.RunFiles(root)
    wanted = configs.load("base", SMALL)
    about = {"name": "bench", "classes": folders.CLASSES, "fingerprint": "0"}
    files.write_json(place.config, about | {"config": wanted.model_dump(mode="json")})
    for fold in wanted.folds:
        place.fold(fold).mkdir()
        build.build(wanted, len(folders.CLASSES)).save_weights(place.weights(fold))
    # A network that has learned nothing would fill the slices with noise.
    decided = [rules.Rule(threshold=0.99)] * len(folders.CLASSES)
    files.write_json(place.decision, rules.to_json(decided, folders.CLASSES))
    return runs.read(place)


def write_test(root: pathlib.Path, *, scans: int, slices: int) -> pathlib.Path:
    """Write a folder whose slices are all of the test."""
    folders.write(root, scans=scans, slices=slices)
    (root / "train").rename(root / "test")
    return root


def against_passes(
    run: runs.Run, data: pathlib.Path, *, out: pathlib.Path, count: int
) -> None:
    """Compare the median time from scan to RLE with that of the bare passes."""
    bare = passes(run, list(range(count)))
    rates = [
        (per_scan(run, data, out.with_stem(f"{out.stem}_{repeat}")), bare())
        for repeat in range(REPEATS)
    ]
    each = statistics.median(ours for ours, _ in rates)
    ratio = statistics.median(ours / theirs for ours, theirs in rates)
    name = f"{count} network{'s' if count > 1 else ''}"
    clock.say(f"submit / the bare forward passes, {name}", ratio, "<= 1.1")
    clock.say(f"slices a second, {name}", SLICES / each, "", "")
    hours = HIDDEN / SLICES * each / 3600
    clock.say(f"the hidden test of 50 cases, {name}", hours, "<= 8.5", "h")


def per_scan(run: runs.Run, data: pathlib.Path, out: pathlib.Path) -> float:
    """Return the median seconds of a scan, without the first, which compiles."""
    finished = []
    add = partial.PartialSubmission.add

    def timed(
        self: partial.PartialSubmission, scan: str, rows: partial.EncodedMasks
    ) -> None:
        add(self, scan, rows)
        finished.append(time.perf_counter())

    partial.PartialSubmission.add = timed  # type: ignore[method-assign]
    try:
        submit.run(run, data=data, out=out)
    finally:
        partial.PartialSubmission.add = add  # type: ignore[method-assign]
    return float(np.median(np.diff(finished)))


def passes(run: runs.Run, folds: list[int]) -> Callable[[], float]:
    """Return a function that measures the seconds of one scan's batches in memory."""
    from competition.net.inference import ensemble, forward_pass, trained_network

    settings = run.config
    networks = [trained_network.load(run, fold) for fold in folds]
    chosen = [ensemble.Networks(networks, settings)]
    compiled = forward_pass.ForwardPasses()

    def bare() -> None:
        ensemble.predict_on_batch(batch, chosen, compiled)

    size = settings.geometry.height, settings.geometry.width
    shape = settings.training.batch, *size, len(settings.slices)
    batch = {
        "stack": np.random.default_rng(0).integers(0, 3000, shape).astype(np.uint16),
        "window": np.tile(np.float32([0, 3000]), (settings.training.batch, 1)),
    }
    bare()
    batches = SLICES // settings.training.batch
    return lambda: batches * clock.seconds(bare)


def memory(run: runs.Run, data: pathlib.Path) -> float:
    """Return the most memory of a process that submits."""
    paths = str(run.files.root), str(data), str(data / "submission.csv")
    return clock.peak_mib(
        "from competition import pipeline; "
        "pipeline.submit({!r}, data={!r}, out={!r})".format(*paths)
    )
