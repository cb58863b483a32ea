"""Blend the predictions of a run's members, class by class, and decide on the blend.

A run on its own has one member, itself. A blend is never stored: its probabilities are
the weighted mean of its members', computed where they are needed.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from competition.core import masks, probabilities, rules
from competition.core.experiment import runs


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class MemberPredictions:
    """Each member's uint8 probabilities (D, H, W, C) and presence (D, C) of a scan.

    `gate` is the mean presence (D, C) by the run's gates; it replaces the members'.
    """

    probability: tuple[np.ndarray, ...]
    presence: tuple[np.ndarray, ...]
    gate: np.ndarray | None = None

    def of_class(
        self, index: int, weights: tuple[float, ...]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the uint8 probabilities (D, H, W) and presence (D,) of one class."""
        probability = mean([member[..., index] for member in self.probability], weights)
        if self.gate is not None:
            return probability, self.gate[:, index]
        return probability, mean(
            [member[:, index] for member in self.presence], weights
        )


def mean(arrays: list[np.ndarray], weights: tuple[float, ...] = ()) -> np.ndarray:
    """Return the weighted mean of uint8 arrays of one shape, rounded to uint8."""
    weighted = [
        (array, share)
        for array, share in zip(arrays, rules.shares(weights, len(arrays)), strict=True)
        if share
    ]
    if len(weighted) == 1:
        return weighted[0][0]
    total = np.zeros(arrays[0].shape, np.float32)
    for array, share in weighted:
        total += array * np.float32(share)
    return np.rint(total, out=total).astype(np.uint8)


def combine(
    members: Sequence[probabilities.Prediction],
    gates: Sequence[probabilities.Prediction],
) -> MemberPredictions:
    """Put the predictions of members and gates for one scan together."""
    return MemberPredictions(
        tuple(member.probability for member in members),
        tuple(member.presence for member in members),
        mean([gate.presence for gate in gates]) if gates else None,
    )


def out_of_fold(run: runs.Run, scan: str) -> MemberPredictions:
    """Read what the members and gates of a run predicted for a held-out scan."""
    members = runs.members(run)
    probability = [probabilities.read(member.files.oof(scan)) for member in members]
    for member, array in zip(members, probability, strict=True):
        if array.shape != probability[0].shape:
            raise ValueError(
                f"{scan}: {members[0].name} predicted {probability[0].shape}, "
                f"{member.name} {array.shape}. Delete {member.files.oof(scan)} and "
                "predict again."
            )
    presence = [probabilities.read_presence(m.files.oof(scan)) for m in members]
    gates = [probabilities.read_presence(g.files.oof(scan)) for g in runs.gates(run)]
    gate = mean(gates) if gates else None
    return MemberPredictions(tuple(probability), tuple(presence), gate)


def digests(run: runs.Run, scan: str) -> list[str | None]:
    """Return the digests of all weights that made the predictions of `out_of_fold`."""
    return [
        probabilities.digest(s.files.oof(scan)) for s in runs.members_and_gates(run)
    ]


def decide(
    predictions: MemberPredictions, class_rules: Sequence[rules.Rule]
) -> masks.Bits:
    """Turn the predictions of a scan into mask bits (D, H, W), with a rule a class."""
    planes = []
    for index, rule in enumerate(class_rules):
        probability, presence = predictions.of_class(index, rule.weights)
        planes.append(rules.decide(probability, rule, presence=presence))
    return masks.pack(np.stack(planes, axis=-1))
