"""Estimate the time of an epoch and a fold on other cards, from this card's figures.

A step is part products and part passes over memory. On another card its time lies
between those by the ratio of operations and by that of bandwidth, if all else is equal.
"""

import math
from collections.abc import Iterable
from typing import Any

from bench.gpu import flops
from competition.core.experiment import configs

Result = dict[str, Any]
# The slices of the real set, and those of them that have an organ.
SLICES, WITH_ORGAN = 38496, 16590
# A name to show, the card, and how many folds are trained at a time.
CARDS = [("T4 x 2", "T4", 2), ("RTX 3090, 24 GB", "RTX 3090", 1), ("H100", "H100", 1)]
# Trained on other data than the competition's.
OTHER_DATA = {"smoke", "hippocampus_2d", "hippocampus_2d_y", "hippocampus_3d"}


def rows(results: list[Result], device: Result) -> Iterable[list[str]]:
    """Return rows for the experiments that were measured through `fit`, augmented."""
    here = flops.card(device.get("device", ""))
    # A CPU, or a card of unknown peaks, says nothing of others.
    if here is None or device["platform"] == "cpu":
        return
    for name, ms in _fastest(results).items():
        config = configs.load(name)
        seconds = steps_of_epoch(config) * ms / 1e3
        for shown, card, together in CARDS:
            there = flops.CARDS[card]
            times = [
                seconds * mine / theirs
                for mine, theirs in zip(here, there, strict=True)
            ]
            rounds = math.ceil(len(config.folds) / together)
            fold = config.training.epochs
            yield [name, shown, *(_range(times, n) for n in (1, fold, fold * rounds))]


def steps_of_epoch(config: configs.Config) -> int:
    """Return the steps of an epoch of a fold, of the real set."""
    share = 1 - 1 / 5
    samples = SLICES * share
    if config.sampling.slices != "all":
        samples = WITH_ORGAN * share / (1 - config.sampling.empties)
    if config.model.volumetric:
        frame = config.geometry.height * config.geometry.width
        samples = min(samples, samples * frame / math.prod(config.model.patch))
    return int(samples // config.training.batch)


def _fastest(results: list[Result]) -> dict[str, float]:
    """Return the milliseconds of a step through `fit`, augmented, by experiment."""
    found: dict[str, float] = {}
    for each in results:
        is_shipped = each["kind"] == "fit" and each["engine"] == "device"
        if is_shipped and each["experiment"] not in OTHER_DATA:
            name = each["experiment"]
            found[name] = min(found.get(name, math.inf), each["ms"])
    return found


def _range(seconds: list[float], times: int) -> str:
    low, high = (_words(times * each) for each in (min(seconds), max(seconds)))
    return low if low == high else f"{low} to {high}"


def _words(seconds: float) -> str:
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"
