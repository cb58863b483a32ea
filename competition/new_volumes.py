"""Predict label volumes or mask images for volumes or images without labels.

Each volume is converted like the training data and predicted like a test scan; then its
masks are written in its own geometry.
"""

import contextlib
import os
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any

import typing_extensions

from competition import submit
from competition.core import console, files, locks
from competition.core.data import images as slice_files
from competition.core.experiment import runs
from competition.sources import convert

# This file, in the folder of the labels, says what they were made from.
RECORD = "predicted.json"
# This folder beside it holds the volume in work as a competition folder.
_SCRATCH = ".converted"


class _Label(typing_extensions.TypedDict):
    source: str
    files: list[str]


class _Record(typing_extensions.TypedDict):
    made_by: str
    labels: dict[str, _Label]


def run(
    run: runs.Run, *, data: pathlib.Path, images: pathlib.Path, out: pathlib.Path
) -> dict[str, Any]:
    """Write the labels of all volumes or images under `images` into `out`.

    `data` is the folder that the run was trained on. Labels in `out` are kept, unless
    their source has changed. A source that cannot be read or predicted gets no labels;
    the result lists its path under `failed`.
    """
    settings = convert.settings(data, images, run.classes)
    sources = convert.find_unlabelled(images, settings)
    with locks.locked(out, doing="predicting"), runs.held(run, doing="predicting"):
        labels = _LabelFolder(
            out, settings, files.digest(submit.made_by(run) + repr(settings))
        )
        waiting = [source for source in sources if not labels.is_done(source)]
        with labels.scratch():
            if waiting:
                labels.write(run, waiting)
    return {
        "labels": str(out),
        "predicted": len(waiting) - len(labels.failed),
        "kept": len(sources) - len(waiting),
        "failed": labels.failed,
    }


class _LabelFolder:
    """The folder `out`: the labels that it holds, and those that are written to it."""

    def __init__(
        self, out: pathlib.Path, settings: convert.Settings, made_by: str
    ) -> None:
        self.out = out
        self.settings = settings
        self.record = _read(out, made_by)
        self.failed: list[str] = []
        # The entries of geometry.json for the scans in work.
        self._scans: dict[str, dict[str, Any]] = {}

    def is_done(self, source: convert.Unlabelled) -> bool:
        """Return whether a source has labels and has not changed since then."""
        label = self.record["labels"].get(source.name)
        return (
            label is not None
            and label["source"] == _stamp(source.path)
            and all((self.out / name).is_file() for name in label["files"])
        )

    @contextlib.contextmanager
    def scratch(self) -> Iterator[None]:
        """Provide an empty folder for the scans in work, and remove it at the end."""
        folder = self.out / _SCRATCH
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        # Before the first label: after a kill it must be known which run made them.
        self._write_record()
        try:
            yield
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def write(self, run: runs.Run, sources: list[convert.Unlabelled]) -> None:
        """Predict sources, and write the labels of each as soon as it is predicted."""
        by_scan = {source.scan: source for source in sources}
        stamps = {source.scan: _stamp(source.path) for source in sources}
        predicted = submit.predict_attended(run, self._convert(sources))
        with contextlib.closing(predicted):
            done = console.track(predicted, "predict", total=len(sources))
            for scan, masks in done:
                source = by_scan[scan]
                if masks is None:
                    self._fail(
                        source,
                        f"{source.path} could not be predicted: see the warning about "
                        f"{scan}. Repair what it names, and call again.",
                    )
                    continue
                label = _Label(source=stamps[scan], files=self._save(source, masks))
                self.record["labels"][source.name] = label
                self._write_record()

    def _write_record(self) -> None:
        files.write_sealed(self.out / RECORD, dict(self.record))

    def _convert(
        self, sources: list[convert.Unlabelled]
    ) -> Iterator[tuple[pathlib.Path, list[slice_files.Image]]]:
        """Yield each source as a competition folder, then remove that folder."""
        for source in sources:
            folder = self.out / _SCRATCH / source.scan
            try:
                self._scans[source.scan], _ = source.convert(folder)
                slices = slice_files.find(folder, "test")
            except (ValueError, OSError, MemoryError) as error:
                self._fail(source, str(error))
            else:
                yield folder, slices
            shutil.rmtree(folder, ignore_errors=True)

    def _fail(self, source: convert.Unlabelled, text: str) -> None:
        console.note(f"error: {text}")
        self.failed.append(str(source.path))

    def _save(
        self, source: convert.Unlabelled, masks: dict[tuple[str, str], str]
    ) -> list[str]:
        """Write the labels of a source, each file in one step; return their names."""
        folder = self.out / _SCRATCH / "labels"
        folder.mkdir()
        record = self._scans.pop(source.scan)
        overlaps = convert.save_labels(folder, record, masks, self.settings)
        if overlaps:
            text = "voxels lie in several classes; the first class by name gets them."
            console.warn(f"{source.path}: {overlaps} {text}")
        names = []
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            name = path.relative_to(folder)
            (self.out / name).parent.mkdir(exist_ok=True)
            os.replace(path, self.out / name)
            names.append(name.as_posix())
        shutil.rmtree(folder)
        return names


def _read(out: pathlib.Path, made_by: str) -> _Record:
    """Return the record in `out`; labels that another run made are an error."""
    path = out / RECORD
    if not files.exists(path):
        inside = out.iterdir() if out.is_dir() else [out] if out.exists() else []
        if any(not each.name.startswith(".") for each in inside):
            raise ValueError(
                f"{out} exists already, and its labels were not predicted. Name a new "
                "folder as `out`, or remove this one."
            )
        return {"made_by": made_by, "labels": {}}
    record: _Record = files.read_json(path, _Record, remedy=f"Remove {out}.")
    if record["made_by"] != made_by:
        raise ValueError(
            f"{out} holds labels of another run, of this one with other weights or "
            "rules, or of data that was converted in another way. Name a new folder "
            "as `out`, or remove this one."
        )
    return record


def _stamp(path: pathlib.Path) -> str:
    """Return a digest of names, sizes and times of a file, or of a folder's files.

    The digest is empty if a file cannot be read; converting that file then raises an
    error with its name.
    """
    try:
        stats = [
            (each.name, each.stat().st_size, each.stat().st_mtime_ns)
            for each in (sorted(path.iterdir()) if path.is_dir() else [path])
        ]
    except OSError:
        return ""
    return files.digest(repr(stats))
