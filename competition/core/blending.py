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
    """The prediction of each member for a scan.

    `gates` are the presence (D, C) by the run's gates, which replaces the members'.
    """

    members: Sequence[probabilities.Prediction]
    gates: Sequence[np.ndarray] = ()

    def of_class(
        self, index: int, weights: tuple[float, ...]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the uint8 probabilities (D, H, W) and presence (D,) of one class."""
        arrays = [member.probability[..., index] for member in self.members]
        probability = mean(arrays, weights)
        if self.gates:
            return probability, mean([gate[:, index] for gate in self.gates])
        presence = [member.presence[:, index] for member in self.members]
        return probability, mean(presence, weights)


def mean(arrays: list[np.ndarray], weights: tuple[float, ...] = ()) -> np.ndarray:
    """Return the weighted mean of uint8 arrays of one shape, rounded to uint8."""
    shares = rules.shares(weights, len(arrays))
    weighted = [pair for pair in zip(arrays, shares, strict=True) if pair[1]]
    if len(weighted) == 1:
        return weighted[0][0]
    total = np.zeros(arrays[0].shape, np.float32)
    for array, share in weighted:
        total += array * np.float32(share)
    return np.rint(total, out=total).astype(np.uint8)


def out_of_fold(run: runs.Run, scan: str) -> MemberPredictions:
    """Read what the members and gates of a run predicted for a held-out scan."""
    members = runs.members(run)
    predictions = [probabilities.read(member.files.oof(scan)) for member in members]
    expected = predictions[0].probability.shape
    for member, prediction in zip(members, predictions, strict=True):
        received = prediction.probability.shape
        if received != expected:
            raise ValueError(
                f"{scan}: {members[0].name} predicted {expected}, {member.name} "
                f"{received}. Delete {member.files.oof(scan)} and predict again."
            )
    gates = [probabilities.read_presence(g.files.oof(scan)) for g in runs.gates(run)]
    return MemberPredictions(predictions, gates)


def decide(
    predictions: MemberPredictions, class_rules: Sequence[rules.Rule]
) -> masks.Bits:
    """Turn the predictions of a scan into mask bits (D, H, W), with a rule a class."""
    planes = [
        rules.decide(*predictions.of_class(index, rule.weights), rule)
        for index, rule in enumerate(class_rules)
    ]
    return masks.pack(np.stack(planes, axis=-1))
