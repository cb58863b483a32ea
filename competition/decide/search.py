"""The search for the rules of all classes, nested so that its score is honest.

A search on some scans walks along steps; each step tries values of one part of a rule.
It carries a path for every part of its scans (folds where there are several) that
never looks at that part. A step is kept for a class only if the paths, each scored on
the part that it did not see, gain by it together. The score that is reported leaves a
part out of such a whole search, its decisions to keep a step included.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from competition.core.rules import Rule

# By class and rule: of every scan (S, 4) the sum and count of Dice, then of distances.
Table = list[dict[Rule, np.ndarray]]
Measure = Callable[[list[set[Rule]]], None]
Propose = Callable[[Rule], list[Rule]]
# A gain below this is none.
LEAST = 1e-5
_PARTS = 5


@dataclasses.dataclass(frozen=True, slots=True)
class SearchStep:
    """One part of a rule, and the rules that differ from a rule in it."""

    name: str
    propose: Propose


@dataclasses.dataclass(frozen=True, slots=True)
class ScanGroup:
    """The scan at `index` of the table, and what it is split by."""

    index: int
    fold: int
    case: int


@dataclasses.dataclass(slots=True)
class SearchPath:
    """Rules by class, chosen on some scans and tested on others (table indices)."""

    chosen_on: list[int]
    tested_on: list[int]
    rules: list[Rule]


@dataclasses.dataclass(frozen=True, slots=True)
class SearchResult:
    """The rules by class, the scores, and what each step brought.

    `nested` is None where one scan is all there is. `gains` are those of `nested` over
    `baseline` by step; `kept` holds those that decided, by step and class.
    """

    rules: list[Rule]
    baseline: float
    nested: float | None
    in_sample: float
    gains: dict[str, float]
    kept: dict[str, list[float]]


def split(scans: Sequence[ScanGroup]) -> list[list[int]]:
    """Split scans into parts: by fold, else by case, else alone; [] where one is all.

    Returns the table indices of each part, at most 5 parts of cases or scans.
    """
    for labels in (
        [scan.fold for scan in scans],
        [scan.case for scan in scans],
        [scan.index for scan in scans],
    ):
        names = sorted(set(labels))
        if len(names) > 1:
            parts: dict[int, list[int]] = {}
            for scan, label in zip(scans, labels, strict=True):
                parts.setdefault(names.index(label) % _PARTS, []).append(scan.index)
            return list(parts.values())
    return []


class NestedSearch:
    """A search on some scans: the path that sees all, and one without each part.

    `left` are the scans that the result is tested on, unseen by all paths.
    """

    def __init__(
        self, scans: Sequence[ScanGroup], start: list[Rule], *, left: Iterable[int] = ()
    ) -> None:
        seen = [scan.index for scan in scans]
        self.main = SearchPath(seen, list(left), list(start))
        self.inner = [
            SearchPath(
                [index for index in seen if index not in part], part, list(start)
            )
            for part in split(scans)
        ]

    @property
    def paths(self) -> list[SearchPath]:
        """All paths, that of the result first."""
        return [self.main, *self.inner]

    def take(self, step: SearchStep, table: Table) -> list[float]:
        """Take a step for every class in turn; returns what the parts gained by it."""
        return [self._take(step, table, index) for index in range(len(table))]

    def _take(self, step: SearchStep, table: Table, index: int) -> float:
        before = [path.rules for path in self.paths]
        judged = self.inner or [self.main]
        scored_on = "tested_on" if self.inner else "chosen_on"
        old = total(judged, table, scored_on)
        for path in self.paths:
            path.rules = _best(path, step, table, index)
        gain = total(judged, table, scored_on) - old
        if gain >= LEAST:
            return gain
        for path, rules in zip(self.paths, before, strict=True):
            path.rules = rules
        return 0.0


def search(
    steps: Sequence[SearchStep],
    scans: Sequence[ScanGroup],
    *,
    start: list[Rule],
    table: Table,
    measure: Measure,
) -> SearchResult:
    """Search the rules on all scans, and once without each part to test the search.

    `measure` fills the table with the rules by class that it is asked for.
    """
    whole = NestedSearch(scans, start)
    outer = [
        NestedSearch([s for s in scans if s.index not in part], start, left=part)
        for part in split(scans)
    ]
    tested = [one.main for one in outer]
    everything = [whole, *outer]
    measure([{rule} for rule in start])
    baseline = total([whole.main], table, "chosen_on")
    scores, kept = [baseline], {}
    for step in steps:
        measure(_wanted(everything, step, len(table)))
        kept[step.name] = whole.take(step, table)
        for one in outer:
            one.take(step, table)
        scores.append(total(tested, table, "tested_on") if tested else baseline)
    return SearchResult(
        rules=whole.main.rules,
        baseline=baseline,
        nested=scores[-1] if tested else None,
        in_sample=total([whole.main], table, "chosen_on"),
        gains=dict(zip(kept, np.diff(scores).tolist(), strict=True)),
        kept=kept,
    )


def score(numbers: np.ndarray) -> float:
    """The pooled score of numbers (..., 4), as `metric.summarise` pools pairs.

    Where there is nothing to average, nothing is wrong.
    """
    dice, rows, distance, pairs = numbers.reshape(-1, 4).sum(axis=0)
    dice = dice / rows if rows else 1.0
    distance = distance / pairs if pairs else 0.0
    return float(0.4 * dice + 0.6 * (1 - distance))


def total(paths: Sequence[SearchPath], table: Table, scored_on: str) -> float:
    """The pooled score of all paths and classes, each path on scans of its own."""
    return score(
        np.concatenate(
            [
                by_rule[rule][getattr(path, scored_on)]
                for path in paths
                for by_rule, rule in zip(table, path.rules, strict=True)
            ]
        )
    )


def _wanted(
    searches: list[NestedSearch], step: SearchStep, classes: int
) -> list[set[Rule]]:
    """The rules by class that a step may choose among, on any path."""
    paths = [path for one in searches for path in one.paths]
    return [
        {rule for path in paths for rule in step.propose(path.rules[index])}
        for index in range(classes)
    ]


def _best(path: SearchPath, step: SearchStep, table: Table, index: int) -> list[Rule]:
    """The rules with the best one of class `index`, the others as they are.

    The score pools all classes, as the competition's does. Ties keep what was.
    """
    fixed = sum(
        by_rule[rule][path.chosen_on].sum(axis=0)
        for place, (by_rule, rule) in enumerate(zip(table, path.rules, strict=True))
        if place != index
    )
    current = path.rules[index]
    best = max(
        [current, *step.propose(current)],
        key=lambda rule: score(table[index][rule][path.chosen_on].sum(axis=0) + fixed),
    )
    return [*path.rules[:index], best, *path.rules[index + 1 :]]
