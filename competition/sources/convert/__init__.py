"""Convert volumes with label volumes, or images with masks, to a competition folder.

`geometry.json` in the folder keeps what slices cannot hold: the geometry of volumes,
the names of mask images. `restore` converts masks back.
"""

import pathlib
from collections.abc import Iterator
from typing import Any

from competition.core import console, files
from competition.core.data import mask_csv
from competition.core.experiment import layout
from competition.sources.convert import (
    label_names,
    levels,
    pairs,
    picture_scans,
    pictures,
    restoring,
    scans,
    unlabelled,
    volumes,
)

Settings = unlabelled.Settings
Unlabelled = unlabelled.Unlabelled
settings = unlabelled.settings
find_unlabelled = unlabelled.find
save_labels = unlabelled.save


def write(
    images: pathlib.Path,
    labels: pathlib.Path,
    *,
    out: pathlib.Path,
    test: pathlib.Path | None = None,
    table: pathlib.Path | None = None,
    axis: str | None = None,
    channel: str | None = None,
    window: levels.Window | None = None,
) -> dict[str, Any]:
    """Convert what lies under `images` and `labels`; return what `out` then holds.

    Every volume or image is a case with day 0, numbered by name; those under `test`
    follow and have no labels. A `table` gives them cases and days, and makes images
    the slices of one scan, see `scan_table`. Slices of volumes lie across the
    anatomical `axis`, by default z, see `frames`. Of colour images one
    `channel` is kept, by default grey. Of intensities a `window` (centre, width) is
    kept, by default all.
    """
    _check_new(out)
    if window:
        levels.check(window)
    _check_kinds(images, labels)
    folders = pairs.Folders(images, labels, test)
    if pictures.are_in(images) and not volumes.are_in(images):
        _check_fits("axis", axis, images, "images")
        plan = picture_scans.plan(
            folders, table=table, channel=channel or "grey", window=window
        )
    else:
        _check_fits("channel", channel, images, "volumes")
        plan = scans.plan(folders, table=table, axis=axis or "z", window=window)
    return _write(plan, labels, out)


def write_unlabelled(
    images: pathlib.Path, *, out: pathlib.Path, like: Settings
) -> dict[str, Any]:
    """Convert what lies under `images` to a test; return what `out` then holds.

    It is converted with the settings of the training folder, see `settings`.
    """
    _check_new(out)
    return _write(unlabelled.plan(images, like), images, out)


def _write(plan: scans.Plan, labels: pathlib.Path, out: pathlib.Path) -> dict[str, Any]:
    """Write a competition folder; errors about the names of labels name `labels`."""
    texts: scans.Texts = {}
    records: dict[str, dict[str, Any]] = {}
    if plan.named:
        label_names.complete(plan.named, (), labels)
    with files.replacing(out) as folder:
        for scan, convert in console.track(list(plan.scans.items()), "convert"):
            records[scan], scan_texts = convert(folder)
            texts |= scan_texts
        values = {value for _, value in texts}
        names = label_names.complete(plan.named, values, labels)
        for part, file, column in (
            ("train", "train.csv", "segmentation"),
            ("test", "sample_submission.csv", "predicted"),
        ):
            rows = _rows(records, part, texts, names)
            mask_csv.write(folder / file, rows, column=column)
        classes = {name: value for value, name in names.items()}
        sidecar = plan.about | {"classes": classes, "scans": records}
        files.write_sealed(folder / layout.GEOMETRY, sidecar)
    parts = [record["part"] for record in records.values()]
    return {
        "train": parts.count("train"),
        "test": parts.count("test"),
        "slices": sum(record["slices"] for record in records.values()),
        "classes": sorted(classes),
    }


def restore(
    masks: pathlib.Path, *, data: pathlib.Path, out: pathlib.Path
) -> dict[str, Any]:
    """Write the masks of a submission or train.csv as label volumes or mask images.

    `data` is the converted folder; see `restoring.write`.
    """
    _check_new(out)
    return restoring.write(masks, data=data, out=out)


def _check_new(out: pathlib.Path) -> None:
    """Refuse an output folder that holds something."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(
            f"{out} exists already. Name a new folder as `out`, or remove this one."
        )


def _check_fits(
    option: str, value: str | None, images: pathlib.Path, kind: str
) -> None:
    """Refuse an option that has no meaning for what a folder holds."""
    if value is not None:
        raise ValueError(
            f"{images} holds {kind}, which have no `{option}`. Received: {value!r}. "
            "Leave the option out."
        )


def _check_kinds(images: pathlib.Path, labels: pathlib.Path) -> None:
    """Refuse volumes whose labels are pictures, and pictures with label volumes."""
    kinds, others = _kinds(images), _kinds(labels)
    # Pictures beside volumes are left out.
    kind = "volumes" if "volumes" in kinds else "pictures"
    if kinds and others and kind not in others:
        raise ValueError(
            f"{images} holds {kind} and {labels} holds "
            f"{', '.join(others)}: expected both of one "
            "kind. Convert one of them: save pictures as NIfTI in the geometry of the "
            "volumes, or volumes as PNG, a slice a file."
        )


def _kinds(folder: pathlib.Path) -> set[str]:
    """Return what a folder or its folders of classes hold: "volumes", "pictures"."""
    inside = folder.iterdir() if folder.is_dir() else ()
    found = {"volumes"} if volumes.are_in(folder) else set()
    if any(map(pictures.are_in, (folder, *inside))):
        found.add("pictures")
    return found


def _rows(
    records: dict[str, dict[str, Any]],
    part: str,
    texts: scans.Texts,
    names: dict[int, str],
) -> Iterator[mask_csv.Row]:
    """Yield a row for each slice and class of a part, with or without a mask."""
    by_name = sorted((name, value) for value, name in names.items())
    for scan, record in records.items():
        if record["part"] == part:
            for index in range(record["slices"]):
                id = scans.slice_id(scan, index)
                for name, value in by_name:
                    yield mask_csv.Row(0, id, name, texts.get((id, value), ""))
