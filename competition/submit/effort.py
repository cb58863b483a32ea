"""With how much of a run its scans are predicted, and what is left out first."""

import dataclasses
from collections.abc import Mapping, Sequence

from competition.core import rules


@dataclasses.dataclass(frozen=True, slots=True)
class Effort:
    """The runs that are asked, strongest first, and the networks of each.

    folds: by run, the folds whose networks are averaged. views: by run, how often
    each network looks. tta: whether it does, or only once.
    """

    members: tuple[str, ...]
    gates: tuple[str, ...]
    folds: Mapping[str, tuple[int, ...]]
    views: Mapping[str, int]
    tta: bool = True

    @property
    def runs(self) -> tuple[str, ...]:
        """All runs that are asked, each once."""
        return tuple(dict.fromkeys(self.members + self.gates))

    @property
    def cost(self) -> int:
        """How many forward passes a slice needs."""
        return sum(
            len(self.folds[name]) * (self.views[name] if self.tta else 1)
            for name in self.runs
        )

    def lower(self) -> "Effort | None":
        """The next smaller effort: no TTA, then fewer members, then fewer folds."""
        if self.tta and any(self.views[name] > 1 for name in self.runs):
            return dataclasses.replace(self, tta=False)
        if len(self.members) > 1:
            return dataclasses.replace(self, members=self.members[:-1])
        most = max(len(self.folds[name]) for name in self.runs)
        if most == 1:
            return None
        folds = {name: each[: most - 1] for name, each in self.folds.items()}
        return dataclasses.replace(self, folds=folds)

    def __str__(self) -> str:
        counts = ", ".join(f"{name} with {len(self.folds[name])} folds"
                           for name in self.runs)  # fmt: skip
        return f"{'TTA' if self.tta else 'no TTA'}, {counts}"


def by_strength(
    members: Sequence[str], decided: Sequence[rules.Rule]
) -> tuple[str, ...]:
    """The members by what they weigh over all classes, the weightiest first."""
    shares = [rules.shares(rule.weights, len(members)) for rule in decided]
    total = {name: sum(each[i] for each in shares) for i, name in enumerate(members)}
    return tuple(sorted(members, key=lambda name: -total[name]))


def rules_of(
    decided: Sequence[rules.Rule], members: Sequence[str], kept: Sequence[str]
) -> list[rules.Rule]:
    """The rules where only the `kept` members are there, in the order of `members`.

    Where those that are kept weigh nothing for a class, they weigh the same.
    """
    places = [place for place, name in enumerate(members) if name in kept]
    changed = []
    for rule in decided:
        weights = tuple(rule.weights[place] for place in places if rule.weights)
        changed.append(
            dataclasses.replace(rule, weights=weights if any(weights) else ())
        )
    return changed
