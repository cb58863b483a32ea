"""Step 1: turn a competition folder into a slice table and one array for each scan.

Each scan is written separately and its record last, so that a killed run continues with
the other scans. The slice table and the manifest are written after all scans.
"""

import dataclasses
import functools
import pathlib
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from competition.core import console, files, locks, problems, storage
from competition.core.data import faulty, images, slice_spacing, slice_table
from competition.core.experiment import layout
from competition.machine import threads
from competition.prepare import folder, folds, manifest, scan_record, settings

if TYPE_CHECKING:
    import pandas as pd

# Data with a manifest of another version is prepared again.
VERSION = 4
PrepareOptions = settings.PrepareOptions


def run(
    data: pathlib.Path,
    dataset: layout.DatasetFiles,
    *,
    options: PrepareOptions | None = None,
    verify: bool = False,
) -> dict[str, Any]:
    """Prepare `data` into `dataset`, and return the manifest.

    Files that have not changed since the last call are kept; `verify` reads every file
    again to make sure. An option that is not given keeps the value of the last call, so
    that data with folds of its own is not split again.
    """
    check_source(data, dataset)
    given = options or PrepareOptions()
    wanted = settings.of(given, dataset)
    made_with = {"version": VERSION, "stamp": folder.stamp(data), "options": wanted}
    if not verify and (about := manifest.unchanged(dataset, made_with)):
        return about
    with locks.locked(dataset.root, doing="preparing"):
        name = str(given.fold_file or "the fold file of the previous call")
        return _prepare(data, dataset, made_with, name, verify=verify)


def _prepare(
    data: pathlib.Path,
    dataset: layout.DatasetFiles,
    made_with: dict[str, Any],
    fold_file: str,
    *,
    verify: bool,
) -> dict[str, Any]:
    wanted: settings.Settings = made_with["options"]
    training = folder.read(data)
    records, faults = _make_all(dataset, training, verify=verify)
    faults += training.problems
    _check(faults, quarantine=wanted["quarantine"])
    bad_scans = {fault.scan for fault in faults}
    records = {scan: records[scan] for scan in records if scan not in bad_scans}
    if not records:
        raise ValueError(f"{data / 'train'}: no scan is left to train on. Repair one.")
    table = _table(training, records, wanted, fold_file)
    table_text = slice_table.write(dataset.slices, table)
    if bodiless := [scan for scan in records if not records[scan]["box"]]:
        console.warn(
            f"{', '.join(bodiless)}: no body is seen, since nothing is brighter than "
            "the rest; the box is the whole slice. Look at the images."
        )
    if cut := [scan for scan in records if records[scan].get("outside")]:
        console.warn(
            f"{len(cut)} scans have masks outside of the box around the body: "
            f'{", ".join(cut[:5])}. With geometry.box = "body" no network can predict '
            "them there. Look at their images and masks."
        )
    about = {
        **made_with,
        "source": _source(data),
        **manifest.summary(table, records, training.classes),
        "sizes": [scan_record.sizes(dataset, s) for s in slice_table.scans(table)],
        "slices_crc": zlib.crc32(table_text.encode()),
        "gaps": {scan: gap for scan, gap in training.gaps.items() if scan in records},
        "quarantined": sorted(scan for scan in bad_scans if scan),
        "fingerprint": manifest.fingerprint(table, records, training.classes),
    }
    files.write_sealed(dataset.manifest, about)
    return about


def check_source(data: pathlib.Path, dataset: layout.DatasetFiles) -> None:
    """Refuse a missing folder, and data prepared from another folder of this name."""
    if not data.is_dir():
        raise ValueError(
            f"{data}: no such folder. `data` must be the unpacked competition: "
            "train.csv and train/case*/. Check the path."
        )
    about = (
        files.read_json(dataset.manifest) if files.exists(dataset.manifest) else None
    )
    source = about.get("source") if isinstance(about, dict) else None
    if source and source != _source(data):
        raise ValueError(
            f"{dataset.root} was prepared from {source}, not from {_source(data)}. "
            "Rename one of the folders or choose another `work`."
        )


def _source(data: pathlib.Path) -> str:
    """Return where data comes from: its path, or the URI that it mirrors."""
    return storage.uri(data.resolve()) or str(data.resolve())


def _make_all(
    dataset: layout.DatasetFiles, training: folder.TrainingFolder, *, verify: bool
) -> tuple[manifest.Records, list[problems.Problem]]:
    """Make the arrays of all scans in parallel; return their records, and problems."""

    def look(scan: str) -> scan_record.Record | None:
        record = scan_record.current(dataset, training, scan)
        if record and verify and not scan_record.verify(dataset, training, scan):
            console.warn(f"{scan}: checksums differ from the record; prepared again.")
            return None
        return record

    scans = list(training.slices)
    found = threads.for_all(look, scans, "verify" if verify else "look")
    records = {scan: one for scan, one in zip(scans, found, strict=True) if one}
    waiting = [scan for scan in scans if scan not in records]
    if waiting:
        manifest.begin(dataset, waiting)
    make = functools.partial(scan_record.make, dataset, training)
    made = threads.for_all(make, waiting, "prepare")
    for scan, (record, _) in zip(waiting, made, strict=True):
        if record:
            records[scan] = record
    in_order = {scan: records[scan] for scan in scans if scan in records}
    return in_order, [fault for _, faults in made for fault in faults]


def _check(faults: list[problems.Problem], *, quarantine: bool) -> None:
    """Raise an error about problems; only warn of scans that are left out."""
    fatal = [fault for fault in faults if fault.scan is None or not quarantine]
    if fatal:
        scans = len({fault.scan for fault in faults if fault.scan})
        hint = f"\n{scans} scans have problems; `quarantine` sets them aside."
        can_go_on = scans and not quarantine
        raise ValueError(problems.report(fatal) + (hint if can_go_on else ""))
    if faults:
        console.warn(problems.report(faults))


def _table(
    training: folder.TrainingFolder,
    records: manifest.Records,
    wanted: settings.Settings,
    fold_file: str,
) -> "pd.DataFrame":
    """Return the slice table of the scans that have records, with folds."""
    import pandas as pd

    slices = [image for scan in records for image in training.slices[scan]]
    fields = [field.name for field in dataclasses.fields(images.Image)]
    # Built by column: 38,000 rows one by one take several times as long.
    table = pd.DataFrame({f: [getattr(i, f) for i in slices] for f in fields})
    scans = table["scan"]
    table["index"] = table.groupby("scan").cumcount()
    ranges = [record["ranges"] for record in records.values()]
    table[["low", "high"]] = np.concatenate(ranges)
    scan_ranges = np.array([records[scan]["scan_range"] for scan in scans])
    table[["scan_low", "scan_high"]] = scan_ranges
    whole = zip(table["height"], table["width"], scans, strict=True)
    table[slice_table.BOX] = [
        records[scan]["box"] or (0, height, 0, width) for height, width, scan in whole
    ]
    spacings = training.spacing_z_mm
    table["spacing_z_mm"] = scans.map(
        lambda scan: spacings.get(scan, slice_spacing.SPACING_Z_MM)
    )
    table["faulty"] = scans.isin(faulty.scans(wanted["faulty"], list(training.slices)))
    table["fold"] = _folds(table, records, wanted, fold_file)
    return table.sort_values(["case", "day", "index"], ignore_index=True)


def _folds(
    table: "pd.DataFrame",
    records: manifest.Records,
    wanted: settings.Settings,
    fold_file: str,
) -> np.ndarray:
    """Return the fold of each slice: from the fold file, or chosen evenly."""
    if wanted["fold_file"] != settings.NO_FILE:
        return folds.parse(wanted["fold_file"], table, name=fold_file)
    amounts = manifest.amounts(table, records).groupby("case").sum()
    if len(amounts) < 2:
        raise ValueError(
            "Cross-validation needs at least 2 cases. Received: case "
            f"{amounts.index[0]} alone. Add cases, or repair those set aside."
        )
    count = min(wanted["folds"], len(amounts))
    if count < wanted["folds"]:
        console.warn(
            f"{count} cases cannot be split into {wanted['folds']} folds; "
            f"going on with {count}."
        )
    chosen = folds.assign(amounts.to_numpy(), count, wanted["fold_seed"])
    return table["case"].map(dict(zip(amounts.index, chosen, strict=True))).to_numpy()
