"""Losses on images of four pixels, worked out by hand."""

import math

import keras
import numpy as np
import pytest

from competition.core import config
from competition.net import losses


def image(*pixels: float) -> np.ndarray:
    """One sample of 2 x 2 pixels and one class."""
    return np.float32(pixels).reshape(1, 2, 2, 1)


CERTAIN = 50.0  # a logit whose probability is 1 in float32


def test_cross_entropy_of_even_odds_is_log_two():
    loss = losses.BinaryCrossentropy()(image(1, 0, 0, 1), image(0, 0, 0, 0))
    assert float(loss) == pytest.approx(math.log(2))


def test_cross_entropy_of_a_certain_error_is_its_logit_and_finite():
    loss = losses.BinaryCrossentropy()(image(0, 0, 0, 0), image(CERTAIN, -99, -99, -99))
    assert float(loss) == pytest.approx(CERTAIN / 4)


def test_dice_of_one_right_and_one_wrong_pixel():
    # Overlap 1, truth 2, predicted 1; the smoothing is 0.25 * 4 pixels = 1.
    logits = image(CERTAIN, -CERTAIN, -CERTAIN, -CERTAIN)
    loss = losses.Dice(smooth=0.25)(image(1, 1, 0, 0), logits)
    assert float(loss) == pytest.approx(1 - (2 * 1 + 1) / (2 + 1 + 1))


def test_dice_of_a_perfect_prediction_is_zero():
    logits = image(CERTAIN, CERTAIN, -CERTAIN, -CERTAIN)
    assert float(losses.Dice()(image(1, 1, 0, 0), logits)) == pytest.approx(0)


def test_dice_of_an_empty_mask_found_empty_is_zero():
    logits = image(*[-CERTAIN] * 4)
    assert float(losses.Dice()(image(0, 0, 0, 0), logits)) == pytest.approx(0)


def test_dice_charges_a_false_positive_on_an_absent_class():
    # Predicted 1, smoothing 1: 1 - 1 / (1 + 1).
    logits = image(CERTAIN, -CERTAIN, -CERTAIN, -CERTAIN)
    loss = losses.Dice(smooth=0.25)(image(0, 0, 0, 0), logits)
    assert float(loss) == pytest.approx(0.5)


def test_dice_weighs_samples_and_classes_alike_however_large_their_masks():
    # Class 0 is perfect, class 1 missed whole: their pixels are not pooled.
    truth = np.concatenate([image(1, 1, 1, 0), image(0, 0, 0, 1)], axis=-1)
    logits = np.concatenate(
        [image(CERTAIN, CERTAIN, CERTAIN, -CERTAIN), image(*[-CERTAIN] * 4)], axis=-1
    )
    loss = losses.Dice(smooth=0.25)(truth, logits)
    assert float(loss) == pytest.approx((0 + (1 - 1 / 2)) / 2)


def test_dice_drives_a_false_organ_out_nearly_as_hard_as_it_draws_one_in():
    organ = np.zeros((1, 64, 64, 1), np.float32)
    organ[:, 20:28, 20:28] = 1
    doubtful = np.where(organ, 0, -20).astype(np.float32)
    absent = _change(np.zeros_like(organ), doubtful, 0.01 * organ)
    present = _change(organ, doubtful, 0.01 * organ)
    assert absent > 0 > present
    assert absent > -present / 5


def _change(truth: np.ndarray, logits: np.ndarray, by: np.ndarray) -> float:
    """How the loss changes when the logits do."""
    return float(losses.Dice()(truth, logits + by) - losses.Dice()(truth, logits))


def test_half_precision_logits_give_a_float32_loss():
    shape = (1, 320, 320, 3)
    loss = losses.build(config.Loss(bce=0.5, dice=0.5))
    value = loss(np.zeros(shape, np.float16), np.ones(shape, np.float16))
    assert keras.backend.standardize_dtype(value.dtype) == "float32"
    assert np.isfinite(float(value))


def test_the_sum_weighs_its_terms_and_averages_the_samples():
    truth = np.concatenate([image(1, 1, 0, 0), image(0, 0, 0, 0)])
    logits = np.concatenate([image(0, 0, 0, 0), image(1, -1, 1, -1)])
    value = losses.build(config.Loss(bce=2.0, dice=3.0))(truth, logits)
    bce = float(losses.BinaryCrossentropy()(truth, logits))
    dice = float(losses.Dice()(truth, logits))
    assert float(value) == pytest.approx(2 * bce + 3 * dice)


def test_a_term_of_weight_zero_is_left_out():
    terms = losses.build(config.Loss(bce=0.0, dice=1.0)).terms
    assert [type(term) for _, term in terms] == [losses.Dice]


def test_dice_without_smoothing_is_refused():
    with pytest.raises(ValueError, match=r"`smooth` must be above 0.*smooth=0"):
        losses.Dice(smooth=0)


def test_dice_tells_how_it_was_made():
    assert losses.Dice(**losses.Dice(smooth=0.1).get_config()).smooth == 0.1
