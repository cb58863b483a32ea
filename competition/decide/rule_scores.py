"""Score many rules on one class of one scan; work that rules share is done once."""

import functools
import itertools
import operator
from collections.abc import Iterable, Iterator

import numpy as np

from competition.core import blending, metric, rules
from competition.core.regions import cropped_masks
from competition.core.regions.cropped_masks import CroppedMask


def measure(
    truth: CroppedMask,
    predictions: blending.MemberPredictions,
    index: int,
    tried: Iterable[rules.Rule],
) -> dict[rules.Rule, np.ndarray]:
    """Return four numbers (4,) for each rule, of the class at `index`.

    The numbers are sum and count of Dice, then of distances, as `metric` computes them.
    A value that the metric skips adds 0 to sum and count.
    """
    measured: dict[rules.Rule, np.ndarray] = {}
    by_mask: dict[tuple[bytes, int], np.ndarray] = {}
    by_weights = operator.attrgetter("weights")
    for weights, same in itertools.groupby(sorted(tried, key=by_weights), by_weights):
        for rule, mask in _masks(predictions.of_class(index, weights), list(same)):
            # Many rules give the same mask; its hash takes less memory than the mask.
            corners = np.concatenate([mask.low, mask.high]).tobytes()
            key = corners, hash(np.packbits(mask.mask).tobytes())
            if key not in by_mask:
                by_mask[key] = _numbers(truth, mask)
            measured[rule] = by_mask[key]
    return measured


def _numbers(truth: CroppedMask, predicted: CroppedMask) -> np.ndarray:
    """Return sum and count of Dice over slices, then of the distance (4,)."""
    total = truth.counts + predicted.counts
    both = cropped_masks.common(truth, predicted)
    dice = (2 * both / np.maximum(total, 1)).sum()
    distance = metric.per_class(truth, predicted)
    rows, pairs = np.count_nonzero(total), not np.isnan(distance)
    return np.array([dice, rows, np.nan_to_num(distance), pairs])


def _masks(
    evidence: rules.Evidence, tried: list[rules.Rule]
) -> Iterator[tuple[rules.Rule, CroppedMask]]:
    """Yield each rule with the mask that `rules.decide` would make with it.

    The rules are applied only to the box of the pixels that reach the lowest threshold
    or gate value, in the members' probabilities or the gate's.
    """
    gates = [rule.gate[1] for rule in tried if rule.gate and rule.gate[0]]
    least = min([*gates, *(rule.threshold for rule in tried)])
    probability, gate, presence = evidence
    likely = probability >= least * 255
    if gate is not probability:
        likely |= gate >= least * 255
    _, *box = cropped_masks.bounding_box(likely)
    # The presence has a value for each slice, so all slices stay.
    part = np.ascontiguousarray(probability[:, *box])
    counted = part
    if gate is not probability:
        counted = np.ascontiguousarray(gate[:, *box])
    cropped = rules.Evidence(part, counted, presence)
    corner = np.array([0, *(side.start for side in box)])
    crop = functools.partial(cropped_masks.crop, corner=corner, shape=probability.shape)
    for _, same in itertools.groupby(sorted(tried, key=_first_part), _first_part):
        group = list(same)
        mask = rules.threshold(cropped, group[0])
        for rule, cleaned in _cleaned(mask, group, list(rules.CLEANING)):
            yield rule, crop(cleaned)


def _first_part(rule: rules.Rule) -> tuple[object, ...]:
    slices = rule.gate or (), rule.smooth, rule.stretch, rule.fallback
    return rule.threshold, *slices


def _cleaned(
    mask: np.ndarray, tried: list[rules.Rule], parts: list[str]
) -> Iterator[tuple[rules.Rule, np.ndarray]]:
    """Yield each rule with its mask; rules with equal first parts share the work."""
    if not parts:
        yield from ((rule, mask) for rule in tried)
        return
    by_value = operator.attrgetter(parts[0])
    for value, same in itertools.groupby(sorted(tried, key=by_value), by_value):
        changed = rules.CLEANING[parts[0]](mask, value) if value else mask
        yield from _cleaned(changed, list(same), parts[1:])
