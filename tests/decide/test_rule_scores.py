"""Many rules measured together give the numbers that each gives alone."""

import dataclasses
import itertools

import hypothesis
import numpy as np
from hypothesis import strategies
from hypothesis.extra import numpy as arrays

from competition.core import blending, metric, probabilities, rules
from competition.core.regions import cropped_masks
from competition.decide import rule_scores

SHAPE = (6, 7, 8)
EVERY = [
    rules.Rule(threshold, voxels, gate, smooth, pixels, largest, holes, stretch=stretch)
    for threshold, gate, (smooth, stretch), (pixels, voxels), largest, holes in (
        itertools.product(
            (0.3, 0.6),
            (None, (3, 0.5, 0.8), (0, 0.0, 0.9)),
            ((False, 0), (True, 0), (False, 1)),
            ((0, 0), (3, 0), (0, 6)),
            (0, 1),
            (False, True),
        )
    )
]


def likely(seed, empty=False):
    """Return probabilities (D, H, W, 2) of blobs, which rules change."""
    from scipy import ndimage

    noise = np.random.default_rng(seed).normal(size=(*SHAPE, 2))
    smooth = ndimage.gaussian_filter(noise, (0.8, 0.8, 0.8, 0))
    return np.zeros((*SHAPE, 2), np.uint8) if empty else np.uint8(
        np.clip(100 + 400 * smooth, 0, 255)
    )  # fmt: skip


def alone(truth, predictions, index, rule):
    """Return the numbers of one rule from whole masks and the metric itself."""
    mask = rules.decide(predictions.of_class(index, rule.weights), rule)
    pair = metric.measure(truth.astype(np.uint8), mask.astype(np.uint8), classes=1)
    pair = pair.by_class[0]
    rows = ~np.isnan(pair.dice)
    distance = pair.hausdorff_per_class
    return [
        np.nansum(pair.dice), rows.sum(), np.nan_to_num(distance),
        not np.isnan(distance),
    ]  # fmt: skip


def check(truth, predictions, tried):
    organ = cropped_masks.cut(truth.astype(np.uint8), 1)[1]
    measured = rule_scores.measure(organ, predictions, 1, tried)
    assert measured.keys() == set(tried)
    for rule, numbers in measured.items():
        np.testing.assert_allclose(
            numbers, alone(truth, predictions, 1, rule), atol=1e-12
        )


def of(*members, gate=None):
    return blending.MemberPredictions(
        list(map(probabilities.prediction, members)),
        None if gate is None else probabilities.prediction(gate),
    )


@hypothesis.settings(deadline=None, max_examples=10)
@hypothesis.given(strategies.integers(0, 1000), strategies.booleans())
def test_shared_work_changes_no_number(seed, no_truth):
    truth = likely(seed + 1)[..., 0] > (255 if no_truth else 150)
    check(truth, of(likely(seed)), EVERY)


@hypothesis.settings(deadline=None, max_examples=5)
@hypothesis.given(
    strategies.integers(0, 1000), strategies.booleans(), strategies.booleans()
)
def test_the_gates_of_a_blend_change_no_number(seed, nothing_drawn, nothing_seen):
    predictions = of(likely(seed, nothing_drawn), gate=likely(seed + 2, nothing_seen))
    fallen = [dataclasses.replace(rule, fallback=True) for rule in EVERY if rule.gate]
    check(likely(seed + 1)[..., 0] > 150, predictions, EVERY + fallen)


@hypothesis.settings(deadline=None, max_examples=10)
@hypothesis.given(arrays.arrays(bool, SHAPE))
def test_without_likely_pixels_the_masks_are_empty(truth):
    check(truth, of(likely(0, empty=True)), EVERY[:20])


def test_each_weighting_has_its_own_probabilities():
    predictions = of(likely(1), likely(2))
    weighted = [
        rules.Rule(0.4, weights=weights) for weights in ((1.0, 0.0), (0.3, 0.7), ())
    ]
    check(likely(1)[..., 1] > 150, predictions, weighted)
