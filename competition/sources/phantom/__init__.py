"""A synthetic competition folder, to run everything without the real data.

It has the competition's layout, sizes and habits, and it tells good models from bad:
position and grey value alone do not find its organs, shape and texture do.
"""

import dataclasses
import math
import pathlib
from typing import Any

import numpy as np

from competition.core import files, rle
from competition.core.data import faulty
from competition.sources.phantom import anatomy, scanner
from competition.sources.phantom import faults as faulting


@dataclasses.dataclass(frozen=True, slots=True)
class _Format:
    width: int
    height: int
    spacing_mm: float
    slices: int


_FORMATS = (
    _Format(266, 266, 1.5, 144),
    _Format(360, 310, 1.5, 144),
    _Format(276, 276, 1.63, 80),
    _Format(234, 234, 1.5, 144),
)
_FREQUENCIES = (0.6, 0.25, 0.1, 0.05)


@dataclasses.dataclass(frozen=True, slots=True)
class _PlannedScan:
    case: int
    day: int
    part: str
    format: _Format
    turn: float

    @property
    def name(self) -> str:
        return f"case{self.case}_day{self.day}"

    @property
    def folder(self) -> pathlib.Path:
        return pathlib.Path(self.part, f"case{self.case}", self.name, "scans")


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
    `out`/faults.csv. Where `out` already holds this phantom, nothing is written.
    """
    if small:
        cases, days, slices = 8, 3, slices or 24
    _check(cases=cases, days=days, slices=slices, seed=seed)
    parameters = {
        "cases": cases,
        "days": days,
        "slices": slices,
        "public": public,
        "faults": faults,
        "seed": seed,
    }
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        return _existing(out, parameters)
    scans = _plan(cases=cases, days=days, slices=slices, seed=seed)
    if public:
        scans = [scan for scan in scans if scan.part == "train"]
    held = _summary(scans, parameters)
    with files.replacing(out) as folder:
        _write_scans(folder, scans, seed, faults)
        files.write_json(folder / "phantom.json", held)
    return held


def _check(*, cases: int, days: int, slices: int | None, seed: int) -> None:
    bounds = (
        ("cases", cases, 2, 150, "One case at least is for training, one for testing"),
        ("days", days, 1, 20, "Days lie between 0 and 30"),
        ("slices", slices, 6, 9999, "Organs need a few slices, names have four digits"),
        ("seed", seed, 0, 2**32 - 1, "A seed is a natural number"),
    )
    for name, value, least, most, reason in bounds:
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
    held = files.read_json(record)
    found = held.get("parameters", {})
    differing = [key for key in parameters if found.get(key) != parameters[key]]
    if differing:
        wanted = ", ".join(f"{key}={parameters[key]}" for key in differing)
        received = ", ".join(f"{key}={found.get(key)}" for key in differing)
        raise ValueError(
            f"{out} holds another phantom: expected {wanted}, found {received}. "
            "Name a new folder, or remove this one."
        )
    return held


def _plan(
    *, cases: int, days: int, slices: int | None, seed: int
) -> list[_PlannedScan]:
    """Draw cases, days and formats; a quarter of the cases is new in the test.

    The other cases have `days` - 1 training days, and every third one a later day in
    the test. The first training cases have one of each format.
    """
    rng = np.random.default_rng([seed, cases, days])
    numbers = rng.permutation(np.arange(1, 157))[:cases].tolist()
    fresh = math.ceil(cases / 4)
    later = max(1, (cases - fresh) // 3) if days > 1 else 0
    first_turn = rng.uniform(0, 2 * math.pi)
    scans = []
    for index, case in enumerate(numbers):
        chosen = index if index < len(_FORMATS) else rng.choice(4, p=_FREQUENCIES)
        format = _FORMATS[chosen]
        if slices is not None:
            format = dataclasses.replace(format, slices=slices)
        # The golden angle spreads any number of cases evenly around the middle.
        turn = first_turn + index * math.pi * (3 - math.sqrt(5))
        # Scans known as faulty in the real data must not be dropped here.
        names = [(day, f"case{case}_day{day}") for day in range(31)]
        allowed = [day for day, name in names if name not in faulty.HOST]
        drawn = sorted(rng.choice(allowed, days, replace=False).tolist())
        if index >= cases - fresh:
            parts = ["test"]
        else:
            parts = ["train"] * max(1, days - 1) + ["test"] * (index < later)
        pairs = zip(drawn, parts, strict=False)
        scans += [_PlannedScan(case, day, part, format, turn) for day, part in pairs]
    # As in the real train.csv, scans come in no order, slices ascend.
    return [scans[index] for index in rng.permutation(len(scans))]


def _summary(scans: list[_PlannedScan], parameters: dict[str, Any]) -> dict[str, Any]:
    """Return what phantom.json keeps: parameters, and scans and slices by part."""
    held: dict[str, Any] = {"parameters": parameters}
    for part in ("train", "test"):
        found = [scan for scan in scans if scan.part == part]
        held[part] = {
            "scans": sorted(scan.name for scan in found),
            "slices": sum(scan.format.slices for scan in found),
        }
    return held


def _write_scans(
    folder: pathlib.Path, scans: list[_PlannedScan], seed: int, faults: bool
) -> None:
    """Write images scan by scan, then the tables of train, test and faults."""
    data = folder / "competition"
    rows: dict[str, list[str]] = {"train": [], "test": [], "faults": []}
    names = [scan.name for scan in scans if scan.part == "train"]
    kinds = faulting.assign(names, np.random.default_rng(seed)) if faults else {}
    for scan in scans:
        masks = _write_scan(data, scan, seed)
        rng = np.random.default_rng([seed, scan.case, scan.day + 1, 1])
        if scan.part == "train" and scan.name in kinds:
            masks, planted = faulting.plant(masks, kinds[scan.name], rng)
            rows["faults"] += faulting.lines(scan.name, planted, anatomy.CLASSES)
        rows[scan.part] += _rows(scan, masks)
    if faults:
        table = "scan,first_slice,last_slice,class,fault\n" + "".join(rows["faults"])
        files.write_text(folder / "faults.csv", table)
    empty = [row.rpartition(",")[0] + ",\n" for row in rows["test"]]
    header = "id,class,predicted\n"
    files.write_text(
        data / "train.csv", "id,class,segmentation\n" + "".join(rows["train"])
    )
    files.write_text(data / "sample_submission.csv", header + "".join(empty))
    if rows["test"]:
        files.write_text(folder / "solution.csv", header + "".join(rows["test"]))


def _write_scan(data: pathlib.Path, scan: _PlannedScan, seed: int) -> np.ndarray:
    """Write the PNGs of a scan and return its masks (D, H, W, C)."""
    import cv2

    format = scan.format
    grid = anatomy.Grid(format.slices, format.height, format.width, format.spacing_mm)
    field_mm = format.height * format.spacing_mm
    rng = np.random.default_rng([seed, scan.case])
    case = anatomy.draw_body(rng, field_mm, scan.turn)
    rng = np.random.default_rng([seed, scan.case, scan.day + 1])
    body = anatomy.another_day(case, rng)
    distance = anatomy.distances(body, grid)
    masks = anatomy.masks(body, grid, distance)
    folder = data / scan.folder
    folder.mkdir(parents=True)
    ending = f"{format.width}_{format.height}" + f"_{format.spacing_mm:.2f}" * 2
    images = scanner.slices(body, grid, (distance, masks), rng)
    for number, image in enumerate(images, start=1):
        path = folder / f"slice_{number:04d}_{ending}.png"
        if not cv2.imwrite(str(path), image):
            raise OSError(f"{path} could not be written. Is there space on the device?")
    return masks


def _rows(scan: _PlannedScan, masks: np.ndarray) -> list[str]:
    """Return the lines `id,class,mask` of a scan's masks (D, H, W, C)."""
    return [
        f"{scan.name}_slice_{number:04d},{name},{rle.encode(planes[..., c])}\n"
        for number, planes in enumerate(masks, start=1)
        for c, name in enumerate(anatomy.CLASSES)
    ]
