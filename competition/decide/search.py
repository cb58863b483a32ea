"""Search the rules of all classes, nested so that the score is honest.

A search takes steps; each step tries values of one part of the rule. The search follows
several paths at once: one path is chosen on all scans, each other path without a split
(a fold, if there are several). Each of the other paths is scored on the scans that it
left out. A step is kept for a class only if it raises the score of all these scans
together. To test the search itself, the whole search is repeated without each split,
and scored on that split.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from competition.core import metric
from competition.core.rules import Rule
from competition.decide.candidates import Candidates

if TYPE_CHECKING:
    import pandas as pd

# For each class and rule an array (S, 4): by scan, sum and count of Dice, then of
# distances.
Table = list[dict[Rule, np.ndarray]]
Measure = Callable[[str, list[set[Rule]]], Table]
# The rule that the first step is compared with.
BASELINE = "threshold 0.5"
_LEAST_GAIN = 1e-5
_MOST_SPLITS = 5


@dataclasses.dataclass(frozen=True, slots=True)
class SearchPath:
    """Rules by class, chosen on the scans `train` and scored on `test` (indices)."""

    train: list[int]
    test: list[int]
    rules: list[Rule]


def search(
    steps: Mapping[str, Candidates],
    scans: "pd.DataFrame",
    classes: Sequence[str],
    measure: Measure,
) -> tuple[list[Rule], dict[str, Any], list[SearchPath]]:
    """Search the rules on all scans, and once without each split to test the search.

    `scans` has the `fold` and `case` of each scan, by its index. `measure` takes the
    name of a step and its rules by class, and returns their table. Return the rules of
    the classes, the scores as in decision.json, and the paths that `nested` tests.
    `nested` has the score of the search, its gain by step, and the gains of the steps
    that were kept, by step and class.
    """
    start = [Rule() for _ in classes]
    table = measure(BASELINE, [{rule} for rule in start])
    searches = [paths_on(scans, start)]
    for train, test in splits(scans):
        searches.append(paths_on(scans.loc[train], start, test=test))
    baseline = total(searches[0][:1], table)
    scores, kept = [baseline], {}
    for name, candidates in steps.items():
        _fill(table, searches, candidates, functools.partial(measure, name))
        taken = [take(paths, candidates, table) for paths in searches]
        searches = [paths for paths, _ in taken]
        kept[name] = dict(zip(classes, taken[0][1], strict=True))
        tested = [paths[0] for paths in searches[1:]]
        scores.append(total(tested, table) if tested else baseline)
    nested = {
        "score": scores[-1] if len(searches) > 1 else None,
        "gains": dict(zip(kept, np.diff(scores).tolist(), strict=True)),
        "kept": kept,
    }
    in_sample = total(searches[0][:1], table)
    scored = {"baseline": baseline, "nested": nested, "in_sample": in_sample}
    return searches[0][0].rules, scored, [paths[0] for paths in searches[1:]]


def splits(scans: "pd.DataFrame") -> list[tuple[list[int], list[int]]]:
    """Split scans by fold, else by case, else by scan: (train, test) indices of each.

    There are at most 5 splits; a single scan has no split.
    """
    index = scans.index.to_numpy()
    for labels in (scans["fold"], scans["case"], index):
        parts = np.unique(labels, return_inverse=True)[1] % _MOST_SPLITS
        if parts.any():
            return [
                (index[parts != part].tolist(), index[parts == part].tolist())
                for part in dict.fromkeys(parts)
            ]
    return []


def paths_on(
    scans: "pd.DataFrame", start: list[Rule], *, test: list[int] | None = None
) -> list[SearchPath]:
    """Return the path that is chosen on all of `scans`, then one for each split.

    The first path is scored on `test`, by default on the same scans.
    """
    every = scans.index.tolist()
    # A single scan has no split, so its steps are scored on the scan itself.
    inner = splits(scans) or [(every, every)]
    return [SearchPath(*pair, start) for pair in [(every, test or every), *inner]]


def take(
    paths: list[SearchPath], candidates: Candidates, table: Table
) -> tuple[list[SearchPath], list[float]]:
    """Take a step for each class in turn; return the paths and the gain by class.

    If a step does not raise the score on the splits, the class keeps its rule on every
    path.
    """
    gains = []
    for index in range(len(table)):
        tried = [_improve(path, candidates, table, index) for path in paths]
        gain = total(tried[1:], table) - total(paths[1:], table)
        if gain >= _LEAST_GAIN:
            paths = tried
        gains.append(gain if gain >= _LEAST_GAIN else 0.0)
    return paths, gains


def score(numbers: np.ndarray) -> float:
    """Return the score of numbers (..., 4), pooled as `metric.summarise` pools.

    If there is no value at all, Dice counts as 1 and the distance as 0.
    """
    dice, rows, distance, pairs = numbers.reshape(-1, 4).sum(axis=0)
    dice = dice / rows if rows else 1.0
    distance = distance / pairs if pairs else 0.0
    return float(metric.combined(dice, distance))


def total(paths: list[SearchPath], table: Table) -> float:
    """Return one score of all paths and classes, each path on its test scans."""
    numbers = [
        by_rule[rule][path.test]
        for path in paths
        for by_rule, rule in zip(table, path.rules, strict=True)
    ]
    return score(np.concatenate(numbers))


def _fill(
    table: Table,
    searches: list[list[SearchPath]],
    candidates: Candidates,
    measure: Callable[[list[set[Rule]]], Table],
) -> None:
    """Measure the candidates of a step on all paths, if the table lacks them."""
    by_path = [path.rules for paths in searches for path in paths]
    new = [
        {tried for rule in of_class for tried in candidates(rule)} - known.keys()
        for of_class, known in zip(zip(*by_path, strict=True), table, strict=True)
    ]
    if any(new):
        for known, measured in zip(table, measure(new), strict=True):
            known.update(measured)


def _improve(
    path: SearchPath, candidates: Candidates, table: Table, index: int
) -> SearchPath:
    """Choose the best rule for the class at `index`; a tie keeps the present one.

    The score pools all classes, as the competition's does.
    """
    others = sum(
        by_rule[rule][path.train].sum(axis=0)
        for place, (by_rule, rule) in enumerate(zip(table, path.rules, strict=True))
        if place != index
    )
    current = path.rules[index]
    best = max(
        [current, *candidates(current)],
        key=lambda rule: score(table[index][rule][path.train].sum(axis=0) + others),
    )
    chosen = [*path.rules[:index], best, *path.rules[index + 1 :]]
    return dataclasses.replace(path, rules=chosen)
