"""A synthetic competition folder, to run everything without the real data.

It has the layout and the sizes of the competition, and good models score better on it:
shape and texture identify its organs, position and grey value alone do not.
"""

import dataclasses
import math
import pathlib
from typing import Any

import numpy as np

from competition.core import files, rle
from competition.core.data import faulty, images, mask_csv
from competition.sources.phantom import anatomy, scanner
from competition.sources.phantom import faults as faulting

# The sizes of the real scans, and how often each occurs.
_GRIDS = (
    anatomy.Grid(144, 266, 266, 1.5),
    anatomy.Grid(144, 310, 360, 1.5),
    anatomy.Grid(80, 276, 276, 1.63),
    anatomy.Grid(144, 234, 234, 1.5),
)
_FREQUENCIES = (0.6, 0.25, 0.1, 0.05)


@dataclasses.dataclass(frozen=True, slots=True)
class PlannedScan:
    """A scan to draw: its case and day, its part of the data, size and turn."""

    case: int
    day: int
    part: str
    grid: anatomy.Grid
    turn: float

    @property
    def name(self) -> str:
        """The scan's name, as in the ids of its slices."""
        return f"case{self.case}_day{self.day}"


def write(
    out: pathlib.Path,
    *,
    cases: int = 10,
    days: int = 3,
    slices: int | None = None,
    small: bool = False,
    public: bool = False,
    faults: bool = False,
    seed: int = 0,
) -> dict[str, Any]:
    """Write `out`/competition and `out`/solution.csv; return what they hold.

    `days` is the most days a case has, `slices` replaces the slices of every scan.
    `small` means 8 cases, 3 days and, unless given, 24 slices. `public` leaves the test
    out, as Kaggle's download does. `faults` plants faults in training masks, named in
    `out`/faults.csv. If `out` already holds this phantom, nothing is written.
    """
    if small:
        cases, days, slices = 8, 3, slices or 24
    parameters: dict[str, Any] = dict(
        cases=cases, days=days, slices=slices, public=public, faults=faults, seed=seed
    )
    _check(parameters)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        return _existing(out, parameters)
    scans = plan(cases=cases, days=days, slices=slices, seed=seed)
    if public:
        scans = [scan for scan in scans if scan.part == "train"]
    held: dict[str, Any] = {"parameters": parameters}
    for part in ("train", "test"):
        chosen = [scan for scan in scans if scan.part == part]
        held[part] = {
            "scans": sorted(scan.name for scan in chosen),
            "slices": sum(scan.grid.depth for scan in chosen),
        }
    with files.replacing(out) as folder:
        _write_scans(folder, scans, seed, faults)
        files.write_json(folder / "phantom.json", held)
    return held


def _check(parameters: dict[str, Any]) -> None:
    bounds = (
        ("cases", 2, 150, "One case at least is for training, one for testing"),
        ("days", 1, 20, "Days lie between 0 and 30"),
        ("slices", 6, 9999, "Organs need a few slices, names have four digits"),
        ("seed", 0, 2**32 - 1, "A seed is a natural number"),
    )
    for name, least, most, reason in bounds:
        value = parameters[name]
        if value is not None and not least <= value <= most:
            raise ValueError(
                f"`{name}` must lie between {least} and {most}. {reason}. "
                f"Received: {name}={value}. Choose another number."
            )


def _existing(out: pathlib.Path, parameters: dict[str, Any]) -> dict[str, Any]:
    """Return what the phantom in `out` holds; anything else there is an error."""
    record = out / "phantom.json"
    if not record.is_file():
        raise ValueError(
            f"{out} exists and is not a phantom (it has no phantom.json). "
            "Name a new folder, or remove this one."
        )
    held: dict[str, dict[str, Any]] = files.read_json(
        record,
        dict[str, dict[str, Any]],
        remedy="Remove the folder, or name a new one.",
    )
    existing = held.get("parameters", {})
    differing = [key for key in parameters if existing.get(key) != parameters[key]]
    if differing:
        expected = ", ".join(f"{key}={parameters[key]}" for key in differing)
        received = ", ".join(f"{key}={existing.get(key)}" for key in differing)
        raise ValueError(
            f"{out} holds another phantom: expected {expected}, found {received}. "
            "Name a new folder, or remove this one."
        )
    return held


def plan(*, cases: int, days: int, slices: int | None, seed: int) -> list[PlannedScan]:
    """Draw cases, days and sizes; a quarter of the cases is new in the test.

    The other cases have `days` - 1 training days, and every third one a later day in
    the test. The first training cases have one of each size.
    """
    rng = np.random.default_rng([seed, cases, days])
    numbers = rng.permutation(np.arange(1, 157))[:cases].tolist()
    new = math.ceil(cases / 4)
    later = max(1, (cases - new) // 3) if days > 1 else 0
    first_turn = rng.uniform(0, 2 * math.pi)
    scans = []
    for index, case in enumerate(numbers):
        every_size = index < len(_GRIDS)
        grid = _GRIDS[index if every_size else rng.choice(4, p=_FREQUENCIES)]
        if slices is not None:
            grid = dataclasses.replace(grid, depth=slices)
        # The golden angle spreads any number of cases evenly around the middle.
        turn = first_turn + index * math.pi * (3 - math.sqrt(5))
        # `prepare` would leave out scans with the names of real ones known as faulty.
        allowed = [d for d in range(31) if f"case{case}_day{d}" not in faulty.HOST]
        drawn = sorted(rng.choice(allowed, days, replace=False).tolist())
        if index >= cases - new:
            parts = ["test"]
        else:
            parts = ["train"] * max(1, days - 1) + ["test"] * (index < later)
        pairs = zip(drawn, parts, strict=False)
        scans += [PlannedScan(case, day, part, grid, turn) for day, part in pairs]
    # As in the real train.csv, the scans are in no order, and slices ascend.
    return [scans[index] for index in rng.permutation(len(scans))]


def _write_scans(
    folder: pathlib.Path, scans: list[PlannedScan], seed: int, faults: bool
) -> None:
    """Write images scan by scan, then the tables of train, test and faults."""
    data = folder / "competition"
    rows: dict[str, list[mask_csv.Row]] = {"train": [], "test": []}
    lines = ["scan,first_slice,last_slice,class,fault\n"]
    names = [scan.name for scan in scans if scan.part == "train"]
    kinds = faulting.assign(names, np.random.default_rng(seed)) if faults else {}
    for scan in scans:
        masks = _write_scan(data, scan, seed)
        if scan.part == "train" and scan.name in kinds:
            rng = np.random.default_rng([seed, scan.case, scan.day + 1, 1])
            masks, planted = faulting.plant(masks, kinds[scan.name], rng)
            lines += faulting.lines(scan.name, planted, anatomy.CLASSES)
        rows[scan.part] += [
            mask_csv.Row(0, f"{scan.name}_slice_{number:04d}", name, rle.encode(mask))
            for number, planes in enumerate(np.moveaxis(masks, -1, 1), start=1)
            for name, mask in zip(anatomy.CLASSES, planes, strict=True)
        ]
    if faults:
        files.write_text(folder / "faults.csv", "".join(lines))
    empty = [dataclasses.replace(row, rle="") for row in rows["test"]]
    mask_csv.write(data / "train.csv", rows["train"], column="segmentation")
    mask_csv.write(data / "sample_submission.csv", empty)
    if rows["test"]:
        mask_csv.write(folder / "solution.csv", rows["test"])


def _write_scan(data: pathlib.Path, scan: PlannedScan, seed: int) -> np.ndarray:
    """Write the PNGs of a scan and return its masks (D, H, W, C)."""
    grid = scan.grid
    rng = np.random.default_rng([seed, scan.case])
    case = anatomy.draw_body(rng, grid.height * grid.spacing_mm, scan.turn)
    rng = np.random.default_rng([seed, scan.case, scan.day + 1])
    body = anatomy.another_day(case, rng)
    distances = anatomy.distances(body, grid)
    masks = anatomy.masks(body, grid, distances)
    folder = data / scan.part / f"case{scan.case}" / scan.name / "scans"
    slices = scanner.slices(body, grid, (distances, masks), rng)
    images.write_scan(folder, slices, [grid.spacing_mm] * 2)
    return masks
