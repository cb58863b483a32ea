"""Blend the predictions of a run's members, class by class, and decide on the blend.

A run that is no blend has one member, itself. A blend's probabilities are never stored:
they are the weighted mean of its members', computed when they are needed.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from competition.core import masks, probabilities, rules
from competition.core.experiment import runs


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class MemberPredictions:
    """The prediction of each member for a scan, and the mean of the gates, if any.

    The members draw the masks. The gate decides which slices hold a class; without a
    gate the members decide that too. With `exclusive` a pixel has one class or none.
    """

    members: Sequence[probabilities.Prediction]
    gate: probabilities.Prediction | None = None
    exclusive: bool = False

    def probability(self, index: int, weights: tuple[float, ...]) -> np.ndarray:
        """Return the members' mean probability of one class, uint8 (D, H, W)."""
        arrays = [member.probability[..., index] for member in self.members]
        return mean(arrays, weights)

    def of_class(self, index: int, weights: tuple[float, ...]) -> rules.Evidence:
        """Return the evidence for one class, with the members weighted by `weights`."""
        if self.exclusive:
            arrays = [member.probability for member in self.members]
            probability = against_background(mean(arrays, weights), index)
        else:
            probability = self.probability(index, weights)
        if self.gate:
            gate = self.gate.probability[..., index]
            return rules.Evidence(probability, gate, self.gate.presence[:, index])
        presence = [member.presence[:, index] for member in self.members]
        return rules.Evidence(probability, probability, mean(presence, weights))


def against_background(probability: np.ndarray, index: int) -> np.ndarray:
    """Return p(class) / (p(class) + p(no class)) as uint8 (D, H, W).

    It is 0 where another class of (D, H, W, C) is more probable. So with a threshold of
    0.5 a pixel gets whatever is most probable: a class or none.
    """
    own = probability[..., index].astype(np.uint16)
    none = 255 - np.minimum(probability.sum(axis=-1, dtype=np.uint16), 255)
    share = np.rint(own * 255 / np.maximum(own + none, 1)).astype(np.uint8)
    share[probability.argmax(axis=-1) != index] = 0
    return share


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


def mean_of_gates(
    predictions: Iterator[probabilities.Prediction], count: int
) -> probabilities.Prediction | None:
    """Return the mean of `count` predictions, holding one at a time in memory."""
    if count < 2:
        return next(predictions, None)
    totals = [array.astype(np.float32) for array in _arrays(next(predictions))]
    for each in predictions:
        for total, array in zip(totals, _arrays(each), strict=True):
            total += array
    probability, presence = (
        np.rint(np.divide(total, count, out=total), out=total).astype(np.uint8)
        for total in totals
    )
    return probabilities.Prediction(probability, presence)


def _arrays(prediction: probabilities.Prediction) -> tuple[np.ndarray, np.ndarray]:
    return prediction.probability, prediction.presence


def out_of_fold(run: runs.Run, scan: str) -> MemberPredictions:
    """Read the predictions of a run's members and gates for a held-out scan."""
    members, gates = runs.members(run), runs.gates(run)
    first = probabilities.read(members[0].files.oof(scan))

    def read(source: runs.Run) -> probabilities.Prediction:
        prediction = probabilities.read(source.files.oof(scan))
        received, expected = prediction.probability.shape, first.probability.shape
        if received != expected:
            raise ValueError(
                f"{scan}: {members[0].name} predicted {expected}, {source.name} "
                f"{received}. Delete {source.files.oof(scan)} and predict again."
            )
        return prediction

    predictions = [first, *map(read, members[1:])]
    gate = mean_of_gates(map(read, gates), len(gates))
    return MemberPredictions(predictions, gate, run.config.model.softmax)


def decide(
    predictions: MemberPredictions, class_rules: Sequence[rules.Rule]
) -> masks.Bits:
    """Turn the predictions of a scan into mask bits (D, H, W), by one rule a class."""
    by_class = [
        predictions.of_class(index, rule.weights)
        for index, rule in enumerate(class_rules)
    ]
    planes = np.stack([*map(rules.decide, by_class, class_rules)], axis=-1)
    if predictions.exclusive and (planes.sum(axis=-1) > 1).any():
        # Filled holes may hold another class, and the classes' weights may differ. With
        # 1 added, a pixel whose shares are all 0, as in a hole, still gets a class.
        shares = np.stack([each.probability for each in by_class], axis=-1)
        claims = planes * (shares + np.uint16(1))
        planes &= claims.argmax(axis=-1)[..., None] == np.arange(len(by_class))
    return masks.pack(planes)


def decided(run: runs.Run, scan: str) -> masks.Bits:
    """Return the mask bits (D, H, W) that a run predicts for a held-out scan."""
    class_rules = rules.read(run.files.decision, run.classes, run.config.members)
    return decide(out_of_fold(run, scan), class_rules)
