"""A kernel's session on Kaggle: it finds its inputs and continues earlier work.

Inputs are found by their contents, since Kaggle has moved its mounts before.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import typing_extensions

from competition.core import files, locks, storage
from competition.core.experiment import history

_HEADERS = {
    "train.csv": "id,class,segmentation",
    "sample_submission.csv": "id,class,predicted",
}
NO_TPU = (
    "Open the kernel in Kaggle's editor, choose TPU v5e-8 under Settings, Accelerator, "
    "and save a version that runs all of it. A docker image that is pinned in the "
    "kernel's settings keeps the TPU away: unpin it."
)


class _File(typing_extensions.TypedDict):
    sha256: str


class _Manifest(typing_extensions.TypedDict):
    """The entry of a bundle's manifest.json that lists its files."""

    files: dict[str, _File]


def check(bundle: pathlib.Path) -> None:
    """Compare the files of a bundle with the checksums of its manifest."""
    manifest: _Manifest = files.read_json(
        bundle / "manifest.json", _Manifest, remedy="Push the bundle again."
    )
    for name, about in manifest["files"].items():
        path = bundle / name
        received = files.file_digest(path) if path.is_file() else "nothing"
        if received != about["sha256"]:
            raise ValueError(
                f"{path}: expected the file of checksum {about['sha256'][:12]}, "
                f"received {received[:12]}. The upload is incomplete; push it again."
            )


def check_tpu() -> None:
    """Refuse a session in which JAX finds a single device: a TPU has several.

    Another process looks for them, since only one process may hold a TPU at a time.
    """
    command = [
        sys.executable,
        "-c",
        "import jax; print(*jax.local_devices(), sep='\\n')",
    ]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    if len(done.stdout.splitlines()) < 2:
        received = done.stdout.strip() or done.stderr[-1000:]
        raise ValueError(
            f"This kernel is built for a TPU. JAX finds: {received}. {NO_TPU}"
        )


def competition(input_root: pathlib.Path, table: str) -> pathlib.Path:
    """Return the folder under `input_root` that holds the competition's `table`."""
    folders = {}
    for path in _find(input_root, table):
        # The table of another dataset may be in any encoding.
        with path.open(encoding="utf-8", errors="replace") as file:
            if file.readline().strip() == _HEADERS[table]:
                folders[path.resolve()] = path.parent
    if len(folders) != 1:
        listed = ", ".join(map(str, folders.values())) or "none"
        raise ValueError(
            f"{input_root}: expected the competition's data, one {table}. Received: "
            f"{listed}. Attach the competition once."
        )
    return next(iter(folders.values()))


def resume(input_root: pathlib.Path, target: pathlib.Path, *, name: str) -> list[str]:
    """Copy earlier outputs of the run `name` into `target`; return their folders.

    Each fold comes from the output in which it has most epochs. Files that `target`
    has already stay, except those of a fold that has more epochs elsewhere.
    """
    used = []
    for config in sorted(_find(input_root, "config.json")):
        if not _is_run(config, name):
            continue
        source, own = config.parent, target / "config.json"
        if own.is_file() and _training(own) != _training(config):
            raise ValueError(
                f"{config} and another attached run of the same name differ in config "
                "or data. Attach the outputs of one training only."
            )
        for path in _files(source):
            part = path.relative_to(source)
            # Folds follow below.
            is_left_out = part.parts[0].startswith("fold")
            if not is_left_out and not (target / part).exists():
                _copy(path, target / part)
        for fold in sorted(source.glob("fold*")):
            _copy_further(fold, target / fold.name)
        used.append(str(source))
    return used


def _training(config: pathlib.Path) -> Any:
    """Return the contents of config.json on which weights depend.

    `decide` and `rules` may change after a training. Kaggle may mount encoder weights
    in another folder in each session.
    """
    about: dict[str, Any] = files.read_json(config)
    values = about.get("config", {})
    for free in ("decide", "rules"):
        values.pop(free, None)
    if path := values.get("model", {}).get("encoder_weights"):
        values["model"]["encoder_weights"] = pathlib.PurePath(path).name
    return about


def share(dataset: pathlib.Path, runs: pathlib.Path) -> None:
    """Link the runs of a data set on scratch to the folder `runs`.

    Kaggle keeps that folder, so a session that is killed loses none of its work.
    """
    runs.mkdir(parents=True, exist_ok=True)
    dataset.mkdir(parents=True, exist_ok=True)
    (dataset / "runs").symlink_to(runs.resolve(), target_is_directory=True)


def walk(root: pathlib.Path) -> Iterator[tuple[pathlib.Path, list[str]]]:
    """Yield every folder below `root`, also through links, and the names of its files.

    Folders of images are left out: walking them takes minutes.
    """
    visited = set()
    for folder, subfolders, names in os.walk(root, followlinks=True):
        real = pathlib.Path(folder).resolve()
        if real not in visited:
            yield pathlib.Path(folder), names
        if real in visited or not _HEADERS.keys().isdisjoint(names):
            subfolders.clear()
        visited.add(real)


def _find(root: pathlib.Path, name: str) -> Iterator[pathlib.Path]:
    """Yield every file called `name` below `root`."""
    return (folder / name for folder, names in walk(root) if name in names)


def _is_run(path: pathlib.Path, name: str) -> bool:
    try:
        about = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(about, dict) and about.get("name") == name and "config" in about


def _copy_further(source: pathlib.Path, target: pathlib.Path) -> None:
    """Copy a fold's folder if it has more epochs than `target`.

    The folder is replaced as a whole: a history without its weights would count as
    the fold with more epochs in the next session.
    """
    counts = [len(history.read(fold / "history.csv")) for fold in (source, target)]
    if target.is_dir() and counts[0] <= counts[1]:
        return
    with locks.locked(target, doing="training"):
        with files.replacing(target) as temporary:
            temporary.mkdir()
            for path in _files(source):
                _copy(path, temporary / path.relative_to(source))
            shutil.rmtree(target, ignore_errors=True)
        # Replacing a folder uploads nothing. The history comes last here too.
        for path in sorted(_files(target), key=lambda path: path.name == "history.csv"):
            storage.upload(path, path)


def _files(folder: pathlib.Path) -> list[pathlib.Path]:
    """Return the files of a folder, without locks and what killed sessions left."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not any(p.startswith(".") for p in path.relative_to(folder).parts)
    )


def _copy(source: pathlib.Path, target: pathlib.Path) -> None:
    # Not copy2: inputs are read-only, and a copy with their mode could not be written.
    with files.replacing(target) as temporary:
        shutil.copyfile(source, temporary)
