"""Choose the networks that there is time for: fewer if a submission would be late."""

import dataclasses
import statistics
from collections.abc import Callable, Mapping

from competition.core.experiment import layout
from competition.machine import deadline

# Only the last rates count, so that they follow a machine that becomes slower. Their
# median ignores a single slow scan, such as the first.
_RATES = 5


@dataclasses.dataclass(frozen=True, slots=True)
class NetworkSubset:
    """The networks that predict a scan: those of `members`, strongest first, and gates.

    `folds` holds by run the folds whose networks are averaged, `views` by run the
    number of views of test-time augmentation, which `tta` switches on.
    """

    members: tuple[str, ...]
    gates: tuple[str, ...]
    folds: Mapping[str, tuple[layout.Fold, ...]]
    views: Mapping[str, int]
    tta: bool = True

    @property
    def runs(self) -> tuple[str, ...]:
        """All runs that predict, each once."""
        return tuple(dict.fromkeys(self.members + self.gates))

    @property
    def passes(self) -> int:
        """The number of forward passes that a slice takes."""
        return sum(
            len(self.folds[name]) * (self.views[name] if self.tta else 1)
            for name in self.runs
        )

    def smaller(self) -> "NetworkSubset | None":
        """Return the next smaller subset; None if there is none.

        TTA goes first, then members, the weakest first, then folds, then gates. One
        gate always stays: without it, gated members draw organs in empty slices.
        """
        if self.tta and any(self.views[name] > 1 for name in self.runs):
            return dataclasses.replace(self, tta=False)
        if len(self.members) > 1:
            return dataclasses.replace(self, members=self.members[:-1])
        most = max(len(self.folds[name]) for name in self.runs)
        if most == 1:
            fewer = dataclasses.replace(self, gates=self.gates[:1])
            return fewer if len(fewer.runs) < len(self.runs) else None
        folds = {name: numbers[: most - 1] for name, numbers in self.folds.items()}
        return dataclasses.replace(self, folds=folds)

    def __str__(self) -> str:
        counts = ", ".join(f"{name} with {len(self.folds[name])} folds"
                           for name in self.runs)  # fmt: skip
        return f"{'TTA' if self.tta else 'no TTA'}, {counts}"


class TimeBudget:
    """Measures the rate of prediction and chooses the networks that will end in time.

    `slices` counts the slices that remain, `limit` is None where there is no end.
    """

    def __init__(
        self,
        networks: NetworkSubset,
        limit: deadline.Deadline | None,
        *,
        slices: int,
        warn: Callable[[str], None],
    ) -> None:
        self.networks = networks
        self.limit = limit
        self.slices = slices
        self.warn = warn
        self._rates: list[float] = []

    def record(self, slices: int, seconds: float) -> None:
        """Record the seconds that the present networks took for some slices."""
        self._rates.append(seconds / slices / self.networks.passes)
        del self._rates[:-_RATES]

    def finish(self, slices: int) -> None:
        """Count slices as finished, predicted or not."""
        self.slices -= slices

    def seconds(self, slices: int) -> float:
        """Return the seconds that the present networks would take for some slices."""
        rate = statistics.median(self._rates) if self._rates else 0.0
        return rate * slices * self.networks.passes

    def allows(self, slices: int) -> bool:
        """Return whether the next scan, which has `slices`, can be predicted in time.

        The networks become fewer until all remaining slices fit. If even the smallest
        subset is too slow, scans are predicted as long as each fits.
        """
        if self.limit is None:
            return True
        while not self.limit.allows(self.seconds(self.slices)):
            smaller = self.networks.smaller()
            if smaller is None:
                break
            self.warn(
                f"{self.slices} slices would take "
                f"{deadline.show(self.seconds(self.slices))} with {self.networks}, "
                f"{deadline.show(self.limit.left())} are left: now with {smaller}."
            )
            self.networks = smaller
        return self.limit.left() > 0 and self.limit.allows(self.seconds(slices))
