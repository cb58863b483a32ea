"""Time the score: beside SciPy, other libraries and an epoch, and in worst cases."""

import contextlib
import functools
import importlib.util
import io
import pathlib
import re
import tempfile
import time
from collections.abc import Callable

import numpy as np

from bench import clock, folders
from competition.core import metric
from competition.core.experiment import configs
from competition.core.regions import cropped_masks, distance

SHAPE = (144, 266, 266)
Distance = Callable[[np.ndarray, np.ndarray], float]
# The training slices of a fold: four fifths of the competition's.
SLICES = 38_496 * 4 // 5
SCANS = 55


def main() -> None:
    """Print the ratios, the share of an epoch, the worst cases and the memory."""
    against_scipy()
    for name, theirs in {"surface_distance": surface, "monai": monai}.items():
        if importlib.util.find_spec(name):
            against(name, theirs)
    a_fold()
    worst_cases()
    with (
        tempfile.TemporaryDirectory() as name,
        contextlib.redirect_stderr(io.StringIO()),
    ):
        memory(pathlib.Path(name))


def against_scipy() -> None:
    """Compare with SciPy on all voxels; only once, since it takes half a minute.

    SciPy stops looking once a voxel is near enough. That is soon if the organs are
    farther apart, as in the second pair.
    """
    from scipy.spatial.distance import directed_hausdorff

    one = organ()
    for moved, target in ((0.7, ">= 500"), (2.0, "")):
        other = organ(shift=moved)
        first, second = np.argwhere(one), np.argwhere(other)
        began = time.perf_counter()
        there, back = (
            directed_hausdorff(*pair)[0] for pair in ((first, second), (second, first))
        )
        theirs = time.perf_counter() - began
        found = hausdorff(one, other)
        if abs(found - max(there, back)) > 1e-9:
            raise ValueError(f"ours is {found}, SciPy's {max(there, back)}")
        ours = clock.seconds(functools.partial(hausdorff, one, other))
        what = f"{len(first):,} voxels, {found:.2f} apart: SciPy {theirs:.1f} s / ours"
        clock.say(what, theirs / ours, target)


def against(name: str, theirs: Distance) -> None:
    """Compare with another library, which measures from surface to surface."""
    one, other = organ(), organ(shift=0.7)
    theirs(one, other)
    ratio = clock.alternate(lambda: theirs(one, other), lambda: hausdorff(one, other))
    clock.say(f"the same: {name} / ours", ratio, ">= 3")
    pairs = {"the same": (one, other), "a shell, filled": (shell(60, 50), shell(60))}
    for what, pair in pairs.items():
        values = f"{theirs(*pair):.3f}, ours {hausdorff(*pair):.3f}"
        print(f"| {what}: the value of {name} is {values} | | |")


def hausdorff(one: np.ndarray, other: np.ndarray) -> float:
    """Return the distance in voxels of two masks, as the score measures it."""
    organs = [cropped_masks.cut(mask.view(np.uint8), 1)[1] for mask in (one, other)]
    return distance.hausdorff(*organs, distance.VOXELS)


def surface(one: np.ndarray, other: np.ndarray) -> float:
    """Return the distance by DeepMind's surface-distance."""
    import surface_distance

    found = surface_distance.compute_surface_distances(one, other, (1, 1, 1))
    return surface_distance.compute_robust_hausdorff(found, 100)


def monai(one: np.ndarray, other: np.ndarray) -> float:
    """Return the distance by MONAI, on the CPU."""
    import torch
    from monai import metrics

    tensors = [torch.from_numpy(mask)[None, None] for mask in (one, other)]
    found = metrics.compute_hausdorff_distance(*tensors, include_background=True)
    return float(found.item())


def a_fold() -> None:
    """Compare scoring a fold's scans, of 3 organs each, with the time of an epoch.

    The epoch is that of the experiment `unet`: its slices times a training step's time
    for a slice, with a batch that is already in memory.
    """
    pairs = [scan(seed) for seed in range(5)]

    def score() -> None:
        for number in range(SCANS):
            metric.measure(*pairs[number % len(pairs)], classes=3)

    scoring = clock.seconds(score, repeats=3)
    clock.say(f"scoring a fold, {SCANS} scans x 3 classes", scoring, "", "s")
    epoch = SLICES * seconds_a_slice()
    clock.say(f"an epoch of `unet`, {SLICES:,} slices", epoch / 60, "", "minutes")
    clock.say("scoring a fold / an epoch", 100 * scoring / epoch, "< 10", "%")


def seconds_a_slice() -> float:
    """Return the time of a training step of `unet` for each slice of its batch."""
    from competition.net import devices
    from competition.net.networks import build
    from competition.net.training import losses, step

    settings, batch = configs.load("unet"), 4
    size = settings.geometry.height, settings.geometry.width
    inputs = {
        "stack": np.full((batch, *size, len(settings.slices)), 500, np.uint16),
        "window": np.full((batch, 2), (0, 1000), np.float32),
        "bits": np.ones((batch, *size), np.uint8),
    }
    model = step.TrainingStep(
        build.build(settings, classes=3), losses.build(settings.loss)
    )
    xla = devices.xla("auto", devices.find())
    model.compile(optimizer="adamw", jit_compile=xla)
    model.train_on_batch(inputs)
    return clock.seconds(lambda: model.train_on_batch(inputs), repeats=3) / batch


def worst_cases() -> None:
    """Time the worst cases: voxels far from the other organ, and borders everywhere."""
    random = np.random.default_rng(0)
    outer, inner = shell(120, 110), shell(60, 50)
    noise = [random.random(SHAPE) < 0.01 for _ in range(2)]
    cases = {
        "concentric shells apart": (outer, inner),
        "a shell and what fills it": (outer, shell(120)),
        "a ball and a voxel in its middle": (shell(120), shell(0.5)),
        "the full volume and a shell": (np.ones(SHAPE, bool), outer),
        "noise of 1 % and other noise": (noise[0], noise[1]),
        "noise of 1 % and an organ": (noise[0], organ()),
        "noise of 50 % and its inverse": (half := random.random(SHAPE) < 0.5, ~half),
    }
    for name, (one, other) in cases.items():
        taken = clock.seconds(lambda o=one, p=other: hausdorff(o, p), repeats=3)
        clock.say(f"worst case: {name}", taken, "", "s")


def memory(root: pathlib.Path) -> None:
    """Compare the peak memory of processes that score scans and 10 times as many."""
    peaks = []
    for scans in (27, 274):
        data = listed(root / f"scans{scans}", scans=scans)
        code = (
            "from competition import score; import pathlib; "
            f"data = pathlib.Path({str(data)!r}); score.of_submission("
            "data / 'train.csv', data / 'submission.csv', data=data)"
        )
        peaks.append(clock.peak_mib(code))
        clock.say(f"memory of score, {scans} scans", peaks[-1], "", "MiB")
    clock.say("memory of score, 274 scans / 27 scans", peaks[1] / peaks[0], "<= 1.1")


def listed(out: pathlib.Path, *, scans: int) -> pathlib.Path:
    """Write a competition folder whose PNGs are headers: the score reads no more."""
    folders.write(out, scans=scans, pixels=False)
    truth = (out / "train.csv").read_text().replace("segmentation", "predicted")
    # Every run is moved by two pixels. This leaves as much to compare as a good
    # prediction does.
    text = re.sub(r"(?<=[, ])(\d+) (\d+)", lambda m: f"{int(m[1]) + 2} {m[2]}", truth)
    (out / "submission.csv").write_text(text)
    return out


def organ(shift: float = 0.0, seed: int | None = None) -> np.ndarray:
    """Return a lobed shape of about 140,000 voxels, moved by `shift` columns."""
    random = np.random.default_rng(seed)
    centre = np.array(SHAPE) / 2
    turn = 0.0
    if seed is not None:
        centre += random.uniform(-20, 20, 3)
        turn = random.uniform(0, 2 * np.pi)
    z, y, x = np.ogrid[tuple(map(slice, SHAPE))]
    z, y, x = z - centre[0], y - centre[1], x - centre[2] - shift
    lobes = 1 + 0.15 * np.sin(3 * np.arctan2(y, x) + turn) + 0.1 * np.sin(z / 4)
    return (z / 20) ** 2 + (y / 36) ** 2 + (x / 43) ** 2 < lobes**2


def shell(radius: float, hollow: float = -1.0) -> np.ndarray:
    """Return a ball around the middle that the volume's ends cut, hollow inside."""
    z, y, x = (
        axis - (size - 1) / 2
        for axis, size in zip(np.ogrid[tuple(map(slice, SHAPE))], SHAPE, strict=True)
    )
    distance = np.sqrt(z**2 + y**2 + x**2)
    # The middle lies between voxels: the nearest are less than 0.9 away.
    return (distance <= max(radius, 0.9)) & (distance > hollow)


def scan(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return truth and prediction of a scan: mask bits of 3 organs, one deformed."""
    truth, predicted = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    for index in range(3):
        mask = organ(seed=3 * seed + index)
        truth |= mask * np.uint8(1 << index)
        predicted |= deformed(mask, seed) * np.uint8(1 << index)
    return truth, predicted


def deformed(mask: np.ndarray, seed: int) -> np.ndarray:
    """Return the mask with every slice moved by up to 2 pixels in rows and columns."""
    random = np.random.default_rng(seed)
    moves = random.integers(-2, 3, (len(mask), 2))
    pairs = zip(mask, moves, strict=True)
    return np.stack([np.roll(slice, move, axis=(0, 1)) for slice, move in pairs])
