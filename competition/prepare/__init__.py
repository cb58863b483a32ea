"""Step 1: a competition folder becomes a slice table and one array a scan.

Every scan is written on its own and its record last, so that a killed run goes on at
the next scan; the slice table and the manifest come when all of them are there.
"""

import concurrent.futures
import dataclasses
import os
import pathlib
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from rich import progress

from competition.core import console, files, problems
from competition.core.data import faulty, images, slice_table
from competition.core.experiment import layout
from competition.prepare import folder, folds, manifest, scan_record

if TYPE_CHECKING:
    import pandas as pd

# A manifest of another version is made again.
VERSION = 2


@dataclasses.dataclass(frozen=True)
class PrepareOptions:
    """How to split the cases, which scans to leave out, and what to do with bad ones.

    `verify` reads every file again, `quarantine` sets scans with problems aside.
    """

    folds: int = 5
    fold_seed: int = 0
    fold_file: pathlib.Path | None = None
    faulty: str | None = None
    verify: bool = False
    quarantine: bool = False


def run(
    data: pathlib.Path,
    dataset: layout.DatasetFiles,
    *,
    options: PrepareOptions | None = None,
) -> dict[str, Any]:
    """Prepare `data` into `dataset`; what is unchanged since last time is kept."""
    options = options or PrepareOptions()
    check_source(data, dataset)
    stamp = folder.stamp(data)
    made_with = {"version": VERSION, "stamp": stamp, "options": _settings(options)}
    if not options.verify and (about := manifest.unchanged(dataset, made_with)):
        return about
    found = folder.read(data)
    made, faults = _make_all(dataset, found, options)
    _judge(faults + found.problems, quarantine=options.quarantine)
    aside = {fault.scan for fault in faults + found.problems}
    kept = {name: record for name, record in made.items() if name not in aside}
    if not kept:
        raise ValueError(f"{data / 'train'}: no scan is left to train on.")
    table = _table(found, kept, options)
    as_text = slice_table.write(dataset.slices, table)
    about = {
        **made_with,
        "source": str(data.resolve()),
        **manifest.summary(table, kept, found.classes),
        "sizes": manifest.sizes(dataset, table["scan"].unique()),
        "slices_crc": zlib.crc32(as_text.encode()),
        "gaps": {k: v for k, v in found.gaps.items() if k in kept},
        "quarantined": sorted(scan for scan in aside if scan),
        "fingerprint": manifest.fingerprint(as_text, kept, found.classes),
    }
    files.write_json(dataset.manifest, about)
    return about


def check_source(data: pathlib.Path, dataset: layout.DatasetFiles) -> None:
    """Refuse a missing folder, and another folder of the same name."""
    if not data.is_dir():
        raise ValueError(
            f"{data}: no such folder. --data expects the unpacked competition: "
            "train.csv and train/case*/. Check the path."
        )
    if not dataset.manifest.is_file():
        return
    about = files.read_json(dataset.manifest)
    source = about.get("source") if isinstance(about, dict) else None
    if source and source != str(data.resolve()):
        raise ValueError(
            f"{dataset.root} was prepared from {source}, not from {data.resolve()}. "
            "Rename one of the folders or give another --work."
        )


def _settings(options: PrepareOptions) -> dict[str, Any]:
    """The options that decide the result, files by what is in them."""
    settings = dataclasses.asdict(options)
    del settings["verify"]
    for key in ("fold_file", "faulty"):
        path = pathlib.Path(settings[key] or "")
        settings[key] = path.read_text("utf-8") if path.is_file() else settings[key]
    return settings | {"fold_file": str(settings["fold_file"])}


def _make_all(
    dataset: layout.DatasetFiles, found: folder.TrainingFolder, options: PrepareOptions
) -> tuple[dict[str, scan_record.Record], list[problems.Problem]]:
    """Make the arrays of all scans in parallel, and collect all problems."""

    def make(name: str) -> tuple[scan_record.Record | None, list[problems.Problem]]:
        scan = found.scan(name)
        record = scan_record.current(dataset, scan)
        if record and options.verify and not scan_record.verify(dataset, scan, record):
            console.warn(f"{name}: checksums differ from the record; made again.")
            record = None
        return (record, []) if record else scan_record.make(dataset, scan)

    made, faults = {}, []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        work = pool.map(make, found.slices)
        total = len(found.slices)
        results = progress.track(work, "prepare", total, console=console.ERR)
        for name, (record, wrong) in zip(found.slices, results, strict=True):
            faults += wrong
            if record:
                made[name] = record
    return made, faults


def _judge(faults: list[problems.Problem], *, quarantine: bool) -> None:
    """Stop for the problems, unless they go with scans that are set aside."""
    fatal = [fault for fault in faults if fault.scan is None or not quarantine]
    if fatal:
        bad = len({fault.scan for fault in faults if fault.scan})
        hint = (
            f"\n{bad} scans have problems; --quarantine sets them aside." if bad else ""
        )
        raise ValueError(problems.report(fatal) + hint)
    if faults:
        console.warn(problems.report(faults))


def _table(
    found: folder.TrainingFolder,
    made: dict[str, scan_record.Record],
    options: PrepareOptions,
) -> "pd.DataFrame":
    """The slice table of the scans that were made, with folds."""
    import pandas as pd

    listed = faulty.scans(options.faulty, list(made))
    all_images = [image for name in made for image in found.slices[name]]
    fields = [field.name for field in dataclasses.fields(images.Image)]
    # Column by column: 38,000 rows one by one take several times as long.
    table = pd.DataFrame({f: [getattr(i, f) for i in all_images] for f in fields})
    table["index"] = table.groupby("scan").cumcount()
    table[["low", "high"]] = np.concatenate([made[name]["ranges"] for name in made])
    lows, highs = zip(*(record["scan_range"] for record in made.values()), strict=True)
    table["scan_low"] = table["scan"].map(dict(zip(made, lows, strict=True)))
    table["scan_high"] = table["scan"].map(dict(zip(made, highs, strict=True)))
    spacings = {name: folder.SPACING_Z_MM for name in made} | found.spacing_z_mm
    table["spacing_z_mm"] = table["scan"].map(spacings)
    table["faulty"] = table["scan"].isin(listed)
    table["fold"] = _folds(table, made, options)
    return table.sort_values(["case", "day", "index"], ignore_index=True)


def _folds(
    table: "pd.DataFrame", made: dict[str, scan_record.Record], options: PrepareOptions
) -> np.ndarray:
    if options.fold_file:
        return folds.read(options.fold_file, table)
    amounts = manifest.amounts(table, made).groupby("case").sum()
    if len(amounts) < 2:
        raise ValueError(
            "Cross-validation needs at least 2 cases. Received: case "
            f"{amounts.index[0]} alone. Add cases, or repair those set aside."
        )
    count = min(options.folds, len(amounts))
    if count < options.folds:
        console.warn(
            f"{count} cases cannot be split into {options.folds} folds; "
            f"going on with {count}."
        )
    given = folds.assign(amounts.to_numpy(), count, options.fold_seed)
    return table["case"].map(dict(zip(amounts.index, given, strict=True))).to_numpy()
