"""The scores of a run, as score.json holds them: out of fold, and of its submission."""

import pathlib
from typing import NotRequired

import typing_extensions

from competition.core import files

_REMEDY = "Delete it and run `python -m competition run` again."
Number = float | None


class ClassScores(typing_extensions.TypedDict):
    """The scores of a class, in all scans or in one; None if there is no mask.

    `dice` is the competition's: it skips slices that are empty in truth and prediction;
    `dice_with_empty` counts them as 1. `slices` is the number of slices that `dice`
    counts. `surface_mm` is the mean distance of the surfaces, or None if one is
    missing. The keys that are not required are missing in files of older versions.
    """

    dice: Number
    dice_with_empty: NotRequired[Number]
    dice_3d: Number
    iou: NotRequired[Number]
    iou_3d: NotRequired[Number]
    hausdorff_per_class: Number
    hausdorff_merged: Number
    surface_mm: NotRequired[Number]
    score_per_class: Number
    score_merged: Number
    slices: NotRequired[int | None]


class CurvePoint(typing_extensions.TypedDict):
    """A point of a reliability curve; see `calibration.summarise`."""

    probability: float
    share: float
    pixels: int


class Calibration(typing_extensions.TypedDict):
    """The calibration of a class; None if no pixel has such a probability."""

    expected_error: Number
    expected_error_likely: Number
    curve: list[CurvePoint]


class Scores(ClassScores):
    """The scores of all scans and classes, by class, and by scan and class.

    `merged_by_scan` is the distance of all classes of a scan together. The scores out
    of fold also have the calibration of each class; a submission has no probabilities
    for it. Older versions wrote neither of the two.
    """

    by_class: dict[str, ClassScores]
    by_scan: dict[str, dict[str, ClassScores]]
    merged_by_scan: NotRequired[dict[str, Number]]
    calibration: NotRequired[dict[str, Calibration]]


class _Document(typing_extensions.TypedDict):
    oof: Scores
    nested: NotRequired[Scores | None]
    slices: NotRequired[str]
    decision: NotRequired[str]
    submission: Scores | None


def read(path: pathlib.Path) -> dict[str, Scores]:
    """Read the score.json of a run: "oof" and, if it was scored, "submission"."""
    document = _read(path)
    submission = document["submission"]
    return {"oof": document["oof"]} | ({"submission": submission} if submission else {})


def read_nested(path: pathlib.Path) -> Scores | None:
    """Read the scores of the scans by rules that were chosen without their fold.

    Return None for a run of a single scan, which has no such rules, and for a file of
    an older version.
    """
    return _read(path).get("nested")


def read_digest(path: pathlib.Path) -> str | None:
    """Read the digest of the table of slices that was written with a score.json."""
    return _read(path).get("slices")


def read_decision(path: pathlib.Path) -> str | None:
    """Read the digest of the decision.json that a score.json was made with."""
    decision: str | None = _read(path).get("decision")
    return decision


def _read(path: pathlib.Path) -> _Document:
    files.require(path, "score", fault="not found, the run is not scored yet")
    document: _Document = files.read_json(path, _Document, remedy=_REMEDY)
    return document
