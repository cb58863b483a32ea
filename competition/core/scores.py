"""The scores of a run, as score.json holds them: out of fold, and of its submission."""

import pathlib
from typing import NotRequired

import typing_extensions

from competition.core import files

_REMEDY = "Delete it and run `python -m competition run` again."
Number = float | None


class ClassScores(typing_extensions.TypedDict):
    """The scores of a class, in all scans or in one; None where there is no mask.

    Older versions wrote no IoU.
    """

    dice: Number
    dice_3d: Number
    iou: NotRequired[Number]
    iou_3d: NotRequired[Number]
    hausdorff_per_class: Number
    hausdorff_merged: Number
    score_per_class: Number
    score_merged: Number


class Scores(ClassScores):
    """The scores of all scans and classes, by class, and by scan and class."""

    by_class: dict[str, ClassScores]
    by_scan: dict[str, dict[str, ClassScores]]


class _Document(typing_extensions.TypedDict):
    oof: Scores
    submission: Scores | None


def read(path: pathlib.Path) -> dict[str, Scores]:
    """Read the score.json of a run: "oof" and, if it was scored, "submission"."""
    files.require(path, "run", fault="not found, the run is not scored yet")
    document: _Document = files.read_json(path, _Document, remedy=_REMEDY)
    submission = document["submission"]
    return {"oof": document["oof"]} | ({"submission": submission} if submission else {})
