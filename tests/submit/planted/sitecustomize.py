"""Imported by a process that predicts: networks without Keras, which may misbehave.

FAULT is how: "segfault", "hang", "memory", "exit" or "error". PLACE is where: "start",
"load" (of fold 1), "network" (fold 1 predicts), "together" (both folds predict at
once), "all", "card" (with its number), "scan" (one with a pixel of MARK) or "once"
(with a folder that the first process to predict makes).
"""

import contextlib
import ctypes
import os
import sys
import time
import types

import numpy as np

from competition.core import probabilities

FAULT, PLACE = os.environ.get("FAULT"), os.environ.get("PLACE", "none")
MARK, BRIGHT = 65000, 50000


def misbehave_at(*places: str) -> None:
    """Do what FAULT says if PLACE is one of these."""
    if PLACE not in places:
        return
    if FAULT == "segfault":
        ctypes.string_at(0)
    elif FAULT == "hang":
        time.sleep(600)
    elif FAULT == "exit":
        os._exit(7)
    elif FAULT == "error":
        raise ValueError("a fault of the program")
    held = []
    while FAULT == "memory":
        held.append(np.ones(4_000_000))
        time.sleep(0.01)


class Predictor:
    """Says that what does not shine is of each class, and tells that it is alive."""

    def __init__(self, members, *, warn, alive):
        self.alive = alive
        misbehave_at(f"card {os.environ.get('CUDA_VISIBLE_DEVICES')}")

    def typical_slices(self):
        return 4

    def predict(self, volume, windows, grid, *, folds, tta):
        used = [fold for of_member in folds.values() for fold in of_member]
        misbehave_at("all", *["network"] * (1 in used), *["together"] * len(used[1:]))
        if volume.max() == MARK:
            misbehave_at("scan")
        if PLACE.startswith("once "):
            with contextlib.suppress(FileExistsError):
                os.mkdir(PLACE.removeprefix("once "))
                misbehave_at(PLACE)
        self.alive()
        certain = np.where(volume[..., None] < BRIGHT, [255, 255, 255], 0)
        certain = certain.astype(np.uint8)
        return {name: probabilities.prediction(certain) for name in folds}


def load(run, fold):
    """Return the number of a fold as its network."""
    misbehave_at(f"load {fold}")
    return fold


def plant(name: str, **members) -> None:
    """Put a module in place of one that imports Keras."""
    module = types.SimpleNamespace(**members)
    sys.modules[f"competition.net.inference.{name}"] = module


def member(name, config, networks):
    return types.SimpleNamespace(name=name, config=config, networks=networks)


plant("views", combinations=lambda submit: ("plain",))
plant("trained_network", load=load)
plant("scan_predictor", Member=member, ScanPredictor=Predictor)
misbehave_at("start")
