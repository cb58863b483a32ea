"""Train this project and its peers on one fold of a competition folder, and compare.

    python -m bench.peers DATA --minutes 5 --python peersenv/bin/python

Every peer trains in a process of its own, on one core and with one thread, until its
budget of processor time is used. A result that is there already is kept.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np

from bench.peers import table, volumes, worker
from competition import prepare
from competition.core import masks
from competition.core.data import arrays, slice_table
from competition.core.experiment import layout

ADAPTERS = pathlib.Path(__file__).parent / "adapters"
NAMES = sorted(p.stem for p in ADAPTERS.glob("*.py") if not p.stem.startswith("_"))
MODULES = "bench.peers.adapters."
ROOT = pathlib.Path(__file__).parents[2]


def main(arguments: list[str]) -> None:
    """Train the peers that have no result yet, and print the table."""
    options = _parse(arguments)
    folder = options.out / options.data.resolve().name / f"fold{options.fold}"
    stored = export(options.data, options.out / "work", folder, options.fold)
    for minutes in options.minutes:
        for name in options.peers:
            label = name if name != "own" else f"own_{options.experiment.stem}"
            out = folder / f"{minutes * 60:g}s" / f"{label}.json"
            if out.exists():
                print(f"{label}, {minutes:g} minutes: kept", flush=True)
                continue
            out.parent.mkdir(parents=True, exist_ok=True)
            settings = {
                "module": f"{MODULES}{name}",
                "volumes": str(stored.resolve()),
                "out": str(out.resolve()),
                "seconds": minutes * 60,
                "core": options.core,
                "scans": options.scans,
                "experiment": str(options.experiment),
            }
            ended = _train(label, settings, options.python)
            print(f"{label}, {minutes:g} minutes: {ended}", flush=True)
    print("\n".join(table.lines(table.read(folder))))


def export(
    data: pathlib.Path, work: pathlib.Path, folder: pathlib.Path, fold: int
) -> pathlib.Path:
    """Prepare a competition folder, and write a fold's volumes for the peers."""
    dataset = layout.dataset(data, work)
    manifest = prepare.run(data, dataset)
    path = folder / "volumes.npz"
    if path.exists():
        _, about = volumes.read(path)
        if about.get("fingerprint") != manifest["fingerprint"]:
            raise ValueError(
                f"{path}: holds volumes of other data or folds than {data} has, and so "
                f"do the results beside it. Remove {folder}, or give another --out."
            )
        return path
    slices = slice_table.read(dataset)
    count = len(manifest["classes"])
    chosen = {
        "training": slice_table.training(slices, fold),
        "held_out": slice_table.held_out(slices, fold),
    }
    if chosen["held_out"].empty:
        raise ValueError(
            f"`fold` must be one of 0 to {manifest['folds'] - 1}. Received: {fold}."
        )
    store = arrays.Arrays(dataset)
    parts = {}
    for part, rows in chosen.items():
        spacings = slice_table.spacings(rows)
        scans = [
            volumes.Scan(name, store.scan(name), spacings[name])
            for name in slice_table.scans(rows)
        ]
        parts[part] = scans, [_labels(store, scan.name, count) for scan in scans]
    about = {key: manifest[key] for key in ("classes", "fingerprint")}
    about |= {"fold": fold}
    about |= {"data": str(data.resolve()), "work": str(work.resolve())}
    volumes.write(path, parts, about)
    return path


def _labels(store: arrays.Arrays, name: str, count: int) -> np.ndarray:
    planes = masks.unpack(store.masks(name), count)
    if (planes.sum(axis=-1) > 1).any():
        raise ValueError(
            f"{name}: its masks overlap. The peers expect one class a voxel; choose "
            "data whose classes exclude each other."
        )
    return (planes * np.arange(1, count + 1)).sum(axis=-1).astype(np.uint8)


def _train(name: str, settings: dict[str, Any], pythons: list[str]) -> str:
    """Train a peer by the first Python that has its packages; say how that went."""
    missing = []
    for python in pythons:
        log = pathlib.Path(settings["out"]).with_suffix(".log")
        command = [python, "-m", worker.__name__, name, json.dumps(settings)]
        with log.open("w", encoding="utf-8") as file:
            done = subprocess.run(
                command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, check=False
            )
        if done.returncode == 0:
            return "done"
        if done.returncode != worker.MISSING:
            return f"failed with exit code {done.returncode}, see {log}"
        missing.append(log.read_text(encoding="utf-8").splitlines()[-1])
    return (
        f"skipped, no --python has {' or '.join(dict.fromkeys(missing))}. Install it "
        "with `pip install -r bench/peers/requirements.txt`, or with that of its kind "
        "beside it (-keras, -smp), into an environment of its own, and name that with "
        "--python"
    )


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.peers")
    parser.add_argument("data", type=pathlib.Path, help="a competition folder")
    parser.add_argument("--minutes", type=float, nargs="+", default=[5.0])
    parser.add_argument("--peers", default=",".join(NAMES), help="names with commas")
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--python", action="append", default=[sys.executable])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("work/peers"))
    parser.add_argument("--core", type=int, default=max(_cores()))
    parser.add_argument("--scans", type=int, default=10, help="to evaluate midway")
    parser.add_argument(
        "--experiment", type=pathlib.Path, default=pathlib.Path("hippocampus_2d")
    )
    options = parser.parse_args(arguments)
    options.peers = options.peers.split(",")
    if unknown := sorted(set(options.peers) - set(NAMES)):
        parser.error(f"no peer {', '.join(unknown)}; there are: {', '.join(NAMES)}")
    if options.experiment.suffix:
        options.experiment = options.experiment.resolve()
    return options


def _cores() -> set[int]:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else {0}


if __name__ == "__main__":
    main(sys.argv[1:])
