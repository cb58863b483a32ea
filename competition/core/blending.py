"""What a decision is made on: a scan's probabilities by every member of a run.

A run on its own has one member, itself. A blend is never stored: its probabilities are
the weighted mean of its members', computed where they are needed.
"""

import dataclasses

import numpy as np

from competition.core import masks, probabilities, rules
from competition.core.experiment import runs


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class MemberPredictions:
    """Of each member uint8 probabilities (D, H, W, C) and presence (D, C).

    `gate` is the presence (D, C) that other runs see, and goes before the members'.
    """

    probability: tuple[np.ndarray, ...]
    presence: tuple[np.ndarray, ...]
    gate: np.ndarray | None = None

    def plane(
        self, index: int, weights: tuple[float, ...]
    ) -> tuple[np.ndarray, np.ndarray]:
        """The probabilities (D, H, W) and the presence (D,) of one class, uint8."""
        probability = mean([each[..., index] for each in self.probability], weights)
        if self.gate is not None:
            return probability, self.gate[:, index]
        return probability, mean([each[:, index] for each in self.presence], weights)


def mean(arrays: list[np.ndarray], weights: tuple[float, ...] = ()) -> np.ndarray:
    """The weighted mean of uint8 arrays of one shape, rounded to uint8."""
    parts = [
        (array, share)
        for array, share in zip(arrays, rules.shares(weights, len(arrays)), strict=True)
        if share
    ]
    if len(parts) == 1:
        return parts[0][0]
    total = np.zeros(arrays[0].shape, np.float32)
    for array, share in parts:
        total += array * np.float32(share)
    return np.rint(total, out=total).astype(np.uint8)


def of(
    members: tuple[probabilities.Prediction, ...],
    gates: tuple[probabilities.Prediction, ...],
) -> MemberPredictions:
    """What members and gates say about a new scan."""
    return MemberPredictions(
        tuple(each.probability for each in members),
        tuple(each.presence for each in members),
        mean([each.presence for each in gates]) if gates else None,
    )


def out_of_fold(run: runs.Run, scan: str) -> MemberPredictions:
    """Read what the members and gates of a run predicted for a held-out scan."""
    members = runs.members(run)
    probability = [probabilities.read(each.files.oof(scan)) for each in members]
    for member, each in zip(members, probability, strict=True):
        if each.shape != probability[0].shape:
            raise ValueError(
                f"{scan}: {members[0].name} predicted {probability[0].shape}, "
                f"{member.name} {each.shape}. Delete {member.files.oof(scan)} and "
                "predict again."
            )
    presence = [probabilities.read_presence(m.files.oof(scan)) for m in members]
    gates = [probabilities.read_presence(g.files.oof(scan)) for g in runs.gates(run)]
    gate = mean(gates) if gates else None
    return MemberPredictions(tuple(probability), tuple(presence), gate)


def made_by(run: runs.Run, scan: str) -> list[str | None]:
    """The digests of all weights that `out_of_fold` goes back to."""
    sources = runs.sources(run)
    return [probabilities.made_by(each.files.oof(scan)) for each in sources]


def decide(seen: MemberPredictions, decided: list[rules.Rule]) -> masks.Bits:
    """Turn the evidence of a scan into mask bits (D, H, W), a rule a class."""
    planes = []
    for index, rule in enumerate(decided):
        probability, presence = seen.plane(index, rule.weights)
        planes.append(rules.decide(probability, rule, presence=presence))
    return masks.pack(np.stack(planes, axis=-1))
