"""Step 1: a competition folder becomes a slice table and one array a scan.

Every scan is written as `scans/<scan>.npy` and `masks/<scan>.npy` and then its
record, so that a killed run goes on at the next scan; the manifest comes last.
"""

import concurrent.futures
import dataclasses
import hashlib
import json
import os
import pathlib
from typing import TYPE_CHECKING, Any

import numpy as np
from rich import progress

from competition.core import (
    annotations,
    arrays,
    console,
    faulty,
    files,
    folds,
    images,
    layout,
    masks,
    slices,
    submission,
)

if TYPE_CHECKING:
    import pandas as pd

SPACING_Z_MM = 3.0
SHOWN = 20


@dataclasses.dataclass(frozen=True)
class Options:
    """How to split the cases, and which scans to leave out of training and score."""

    folds: int = 5
    fold_seed: int = 0
    fold_file: pathlib.Path | None = None
    faulty: str | None = None


def run(
    data: pathlib.Path, dataset: layout.Dataset, *, options: Options | None = None
) -> dict[str, Any]:
    """Prepare `data` into `dataset`; what is unchanged since last time is kept."""
    options = options or Options()
    check_source(data, dataset)
    rows = submission.read(_train_csv(data), "segmentation")
    names = annotations.classes(rows)
    by_scan = annotations.group(rows)
    found = _find(data, by_scan)
    records = _prepare_scans(data, dataset, found=found, rows=by_scan, names=names)
    listed = faulty.scans(options.faulty, list(found))
    table = _table(found, records, listed)
    table["fold"] = _folds(table, records, options)
    table = table.sort_values(["case", "day", "index"], ignore_index=True)
    slices.write(dataset.slices, table)
    summary = _manifest(data, table, names)
    files.write_json(dataset.manifest, summary)
    return summary


def check_source(data: pathlib.Path, dataset: layout.Dataset) -> None:
    """Refuse a missing folder, and another folder of the same name."""
    if not data.is_dir():
        raise ValueError(
            f"{data}: no such folder. --data expects the unpacked competition: "
            "train.csv and train/case*/. Check the path."
        )
    if not dataset.manifest.is_file():
        return
    source = files.read_json(dataset.manifest)["source"]
    if source != str(data.resolve()):
        raise ValueError(
            f"{dataset.root} was prepared from {source}, not from {data.resolve()}. "
            "Rename one of the folders or give another --work."
        )


def _train_csv(data: pathlib.Path) -> pathlib.Path:
    path = data / "train.csv"
    if not path.is_file():
        raise ValueError(
            f"{path}: not found. `prepare` needs the annotations. Check --data; "
            "to predict with a trained run, use `submit`."
        )
    return path


def _find(
    data: pathlib.Path, rows: annotations.ByScan
) -> dict[str, list[images.Image]]:
    """The slices by scan; ids of rows and of slices must be the same."""
    found: dict[str, list[images.Image]] = {}
    for image in images.find(data, "train"):
        found.setdefault(image.scan, []).append(image)
    problems = []
    ids = {image.id for scan in found.values() for image in scan}
    named = {
        id: first[0].number for scan in rows.values() for id, first in scan.items()
    }
    for id in sorted(named.keys() - ids):
        problems.append(
            f"{data / 'train.csv'}: row {named[id]}: no slice for the id {id!r} under "
            f"{data / 'train'}. Restore the image or remove the row."
        )
    for id in sorted(ids - named.keys()):
        problems.append(
            f"{data / 'train.csv'}: no row for the slice {id!r}. "
            "Restore the row or remove the image."
        )
    _raise(problems)
    return found


def _prepare_scans(
    data: pathlib.Path,
    dataset: layout.Dataset,
    *,
    found: dict[str, list[images.Image]],
    rows: annotations.ByScan,
    names: list[str],
) -> dict[str, dict[str, Any]]:
    """Write the arrays of all scans in parallel; every faulty scan is reported."""

    def prepare(scan: str) -> dict[str, Any] | str:
        try:
            return _prepare_scan(
                data, dataset, found=found[scan], rows=rows[scan], names=names
            )
        except ValueError as error:
            return str(error)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = progress.track(
            pool.map(prepare, found), "prepare", len(found), console=console.ERR
        )
        outcomes = dict(zip(found, results, strict=True))
    _raise([outcome for outcome in outcomes.values() if isinstance(outcome, str)])
    return {k: v for k, v in outcomes.items() if not isinstance(v, str)}


def _prepare_scan(
    data: pathlib.Path,
    dataset: layout.Dataset,
    *,
    found: list[images.Image],
    rows: dict[str, list[submission.Row]],
    names: list[str],
) -> dict[str, Any]:
    """Write one scan's arrays unless its record says that nothing has changed."""
    scan = found[0].scan
    key = _key(data, found=found, rows=rows, names=names)
    path = dataset.record(scan)
    if path.is_file() and (record := files.read_json(path))["key"] == key:
        return dict(record)
    volume = images.read_scan(data, found)
    try:
        bits = annotations.decode(rows, found, names)
    except ValueError as error:
        raise ValueError(f"{data / 'train.csv'}: {error}") from error
    arrays.write(dataset.scan(scan), volume)
    arrays.write(dataset.masks(scan), bits)
    record = {
        "key": key,
        "range": [images.intensity_range(image) for image in volume],
        "scan_range": images.intensity_range(volume),
        "voxels": [int(masks.plane(bits, c).sum()) for c in range(len(names))],
        "masks": hashlib.sha256(bits.tobytes()).hexdigest(),
    }
    files.write_json(path, record)
    return record


def _key(
    data: pathlib.Path,
    *,
    found: list[images.Image],
    rows: dict[str, list[submission.Row]],
    names: list[str],
) -> str:
    """A digest of all that a scan's arrays depend on, without reading the images."""
    stats = [(data / image.path).stat() for image in found]
    parts = [
        names,
        [(i.path, s.st_size, s.st_mtime_ns) for i, s in zip(found, stats, strict=True)],
        [[(row.id, row.class_name, row.rle) for row in rows[i.id]] for i in found],
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _table(
    found: dict[str, list[images.Image]],
    records: dict[str, dict[str, Any]],
    listed: set[str],
) -> "pd.DataFrame":
    import pandas as pd

    rows = []
    for scan, images_of_scan in found.items():
        record = records[scan]
        for index, image in enumerate(images_of_scan):
            row = dataclasses.asdict(image)
            row |= {"index": index, "spacing_z_mm": SPACING_Z_MM}
            row["low"], row["high"] = record["range"][index]
            row["scan_low"], row["scan_high"] = record["scan_range"]
            row["faulty"] = scan in listed
            rows.append(row)
    return pd.DataFrame(rows)


def _folds(
    table: "pd.DataFrame", records: dict[str, dict[str, Any]], options: Options
) -> np.ndarray:
    if options.fold_file:
        return folds.read(options.fold_file, table)
    amounts = _amounts(table, records)
    count = min(options.folds, len(amounts))
    if count < options.folds:
        console.warn(
            f"{count} cases cannot be split into {options.folds} folds; "
            f"going on with {count}."
        )
    fold = dict(
        zip(
            amounts.index,
            folds.assign(amounts.to_numpy(), count, options.fold_seed),
            strict=True,
        )
    )
    return table["case"].map(fold).to_numpy()


def _amounts(
    table: "pd.DataFrame", records: dict[str, dict[str, Any]]
) -> "pd.DataFrame":
    """How many slices and voxels of every class each case has."""
    import pandas as pd

    by_scan = table.groupby("scan", sort=False).agg(
        case=("case", "first"), slices=("id", "size")
    )
    voxels = pd.DataFrame(
        {scan: record["voxels"] for scan, record in records.items()}
    ).T
    return by_scan.join(voxels).groupby("case").sum()


def _manifest(
    data: pathlib.Path, table: "pd.DataFrame", names: list[str]
) -> dict[str, Any]:
    digest = hashlib.sha256(table.to_csv(index=False).encode()).hexdigest()
    return {
        "source": str(data.resolve()),
        "classes": names,
        "cases": int(table["case"].nunique()),
        "scans": int(table["scan"].nunique()),
        "slices": len(table),
        "folds": int(table["fold"].nunique()),
        "faulty": sorted(table["scan"][table["faulty"]].unique()),
        "fingerprint": digest[:16],
    }


def _raise(problems: list[str]) -> None:
    """Report all problems at once: the first ones in full, then how many more."""
    if not problems:
        return
    more = len(problems) - SHOWN
    rest = [f"... and {more} more problems of this kind."] if more > 0 else []
    raise ValueError("\n".join(problems[:SHOWN] + rest))
