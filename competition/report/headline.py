"""The scores that a page begins with, and how they spread over folds and cases."""

from collections.abc import Mapping
from typing import Any

from competition.core import scores
from competition.report import pooling, words

READINGS = {"score_per_class": "per class", "score_merged": "merged"}


def tiles(
    scored: Mapping[str, scores.Scores],
    nested: scores.Scores | None,
    spread: list[dict[str, Any]],
) -> list[dict[str, Any]]:
    """Return the numbers of the headline, each with its title and the notes beside it.

    The score is the nested one if there is one, since the other is too optimistic.
    """
    oof = scored["oof"]
    listed = []
    for key, reading in READINGS.items():
        beside = [
            f"{row['spread'].least:.3f} to {row['spread'].greatest:.3f} over "
            + words.count(row["spread"].groups, row["of"])
            for row in spread
            if row["reading"] == reading and row["spread"].groups > 1
        ]
        if nested:
            beside.append(f"{_score(oof, key)} by rules chosen on the same scans")
        title = "nested score" if nested else "score out of fold"
        listed.append(_tile(nested or oof, key, f"{title}, {reading}", *beside))
    dice, hausdorff = "Dice, empty pairs skipped", "Hausdorff, per class"
    with_empty = f"{_score(oof, 'dice_with_empty')} with empty pairs as 1"
    merged = f"{_score(oof, 'hausdorff_merged')} merged"
    listed.append(_tile(oof, "dice", dice, with_empty))
    listed.append(_tile(oof, "hausdorff_per_class", hausdorff, merged))
    if submission := scored.get("submission"):
        title = "score of the submission, per class"
        merged = f"{_score(submission, 'score_merged')} merged"
        listed.append(_tile(submission, "score_per_class", title, merged))
    return listed


def _tile(
    result: Mapping[str, Any], key: str, title: str, *beside: str
) -> dict[str, Any]:
    return {"value": result.get(key), "title": title, "beside": beside}


def _score(result: Mapping[str, Any], key: str) -> str:
    value = result.get(key)
    return "no score" if value is None else f"{value:.4f}"


def spreads(groups: Mapping[int, pooling.Pooled], kind: str) -> list[dict[str, Any]]:
    """Return how each reading of the score spreads over groups of a kind."""
    return [
        {"reading": reading, "of": kind, "spread": found}
        for key, reading in READINGS.items()
        if (found := pooling.spread(groups, key))
    ]
