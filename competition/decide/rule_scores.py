"""Many rules tried on one class of one scan: what they share is computed once."""

from collections.abc import Iterable

import numpy as np

from competition.core import blending, metric, rules
from competition.core.regions import cropped_masks


def measure(
    truth: cropped_masks.CroppedMask,
    seen: blending.MemberPredictions,
    index: int,
    tried: Iterable[rules.Rule],
) -> dict[rules.Rule, np.ndarray]:
    """Of each rule the sum and count of Dice and of distances (4,), `truth`'s organ.

    They are those of `metric`: what is skipped counts 0.
    """
    measured: dict[rules.Rule, np.ndarray] = {}
    by_mask: dict[tuple[bytes, int], np.ndarray] = {}
    by_weights: dict[tuple[float, ...], list[rules.Rule]] = {}
    for rule in tried:
        by_weights.setdefault(rule.weights, []).append(rule)
    for weights, group in by_weights.items():
        trial = _Trial(*seen.of_class(index, weights), group)
        # Neighbours in this order share most of their work.
        for rule in sorted(group, key=_order):
            organ = trial.decide(rule)
            key = _key(organ)
            if key not in by_mask:
                by_mask[key] = numbers(truth, organ)
            measured[rule] = by_mask[key]
    return measured


def numbers(
    truth: cropped_masks.CroppedMask, predicted: cropped_masks.CroppedMask
) -> np.ndarray:
    """The sum and count of Dice over slices, then of the distance (4,)."""
    total = truth.counts + predicted.counts
    rows = np.count_nonzero(total)
    both = cropped_masks.common(truth, predicted)
    dice = (2 * both / np.maximum(total, 1)).sum()
    distance = metric.per_class(truth, predicted)
    skipped = np.isnan(distance)
    return np.array([dice, rows, 0.0 if skipped else distance, not skipped])


class _Trial:
    """One class's probabilities, cut to where any of some rules could see it."""

    def __init__(
        self, probability: np.ndarray, presence: np.ndarray, tried: list[rules.Rule]
    ) -> None:
        least = min(rule.threshold for rule in tried)
        gates = [rule.gate[1] for rule in tried if rule.gate and rule.gate[0]]
        likely = probability >= min([least, *gates]) * 255
        inside = cropped_masks.bounding_box(likely)
        # Presence is along z, so all slices stay.
        self.inside = (slice(None), *inside[1:])
        self.probability = np.ascontiguousarray(probability[self.inside])
        self.presence, self.shape = presence, probability.shape
        self.done: list[tuple[object, np.ndarray]] = []

    def decide(self, rule: rules.Rule) -> cropped_masks.CroppedMask:
        """Decide as `rules.decide` does, going on where the last rule forked."""
        first = (rule.threshold, rule.gate, rule.smooth)
        values = [first, *(getattr(rule, name) for name, _ in rules.CLEANING)]
        shared = 0
        while shared < len(self.done) and self.done[shared][0] == values[shared]:
            shared += 1
        del self.done[shared:]
        if not self.done:
            mask = rules.threshold(self.probability, rule, self.presence)
            self.done.append((first, mask))
        for (_, change), value in zip(
            rules.CLEANING[len(self.done) - 1 :], values[len(self.done) :], strict=True
        ):
            self.done.append((value, change(self.done[-1][1], rule)))
        corner = np.array([part.start or 0 for part in self.inside])
        return cropped_masks.crop(self.done[-1][1], corner=corner, shape=self.shape)


def _order(rule: rules.Rule) -> tuple[object, ...]:
    gate = rule.gate or ()
    cleaning = (getattr(rule, name) for name, _ in rules.CLEANING)
    return (rule.threshold, gate, rule.smooth, *cleaning)


def _key(organ: cropped_masks.CroppedMask) -> tuple[bytes, int]:
    """What tells one mask of a scan from another, without keeping it."""
    place = np.concatenate([organ.low, organ.high]).tobytes()
    return place, hash(np.packbits(organ.mask).tobytes())
