"""Losses on images of four or five pixels, worked out by hand."""

import functools
import math

import keras
import numpy as np
import pytest

from competition.core.experiment import schema
from competition.net.training import losses

CERTAIN = 50.0  # a logit whose probability is 1 in float32


def made(function: losses.Term, **shape: float) -> losses.WeightedSum:
    """Make a loss of one term with the weight 1."""
    term = functools.partial(function, **shape)
    return losses.WeightedSum([(1.0, term)], deep=0.5, presence=0.2)


TERMS = {
    "bce": made(losses.bce),
    "focal": made(losses.focal, gamma=2.0),
    "dice": made(losses.dice),
    "tversky": made(losses.tversky, alpha=0.3, beta=0.7),
    "focal_tversky": made(losses.tversky, alpha=0.3, beta=0.7, gamma=0.75),
    "lovasz": made(losses.lovasz),
    "boundary": made(losses.boundary, pixels=3),
}


@pytest.fixture(params=TERMS)
def term(request) -> losses.WeightedSum:
    return TERMS[request.param]


def image(*pixels: float) -> np.ndarray:
    """One sample of 2 x 2 pixels and one class."""
    return np.float32(pixels).reshape(1, 2, 2, 1)


def row(*pixels: float) -> np.ndarray:
    """One sample of 1 x n pixels and one class."""
    return np.float32(pixels).reshape(1, 1, -1, 1)


def sure(*pixels: float) -> np.ndarray:
    """Logits of 2 x 2 pixels that are certainly 0 or 1."""
    return CERTAIN * (2 * image(*pixels) - 1)


def slope(loss: keras.losses.Loss, truth: np.ndarray, logits: np.ndarray):
    """Return the gradient by the logits, on either backend."""
    if keras.backend.backend() == "jax":
        import jax

        return np.array(jax.grad(lambda x: loss(truth, x))(logits))
    import tensorflow as tf

    variable = tf.Variable(logits)
    with tf.GradientTape() as tape:
        value = loss(truth, variable)
    return tape.gradient(value, variable).numpy()


def organ_and_doubt(size: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Return an organ of 8 x 8 pixels, and logits that are undecided about it."""
    organ = np.zeros((1, size, size, 1), np.float32)
    organ[:, 20:28, 20:28] = 1
    return organ, np.where(organ, 0, -20).astype(np.float32)


# What all have in common


def test_the_gradient_is_that_of_differences(term):
    random = np.random.default_rng(0)
    truth = (random.random((2, 6, 5, 2)) < 0.3).astype(np.float32)
    truth[1, ..., 1] = 0
    # Distinct errors: where two change places, Lovász has a corner.
    order = random.permutation(truth.size).reshape(truth.shape)
    logits = ((1 - 2 * truth) * (order / 40 - 1.5)).astype(np.float32)
    gradient = slope(term, truth, logits)
    assert np.isfinite(gradient).all()
    for where in [(0, 1, 2, 0), (0, 5, 4, 1), (1, 0, 0, 0), (1, 3, 2, 1)]:
        change = np.zeros_like(logits)
        change[where] = 0.01
        above, below = term(truth, logits + change), term(truth, logits - change)
        numeric = (float(above) - float(below)) / 0.02
        assert gradient[where] == pytest.approx(numeric, rel=0.02, abs=3e-5)


def test_a_perfect_prediction_costs_nothing_and_its_gradient_is_finite(term):
    for truth in (image(1, 1, 0, 0), image(0, 0, 0, 0), image(1, 1, 1, 1)):
        logits = CERTAIN * (2 * truth - 1)
        assert float(term(truth, logits)) == pytest.approx(0, abs=1e-4)
        assert np.isfinite(slope(term, truth, logits)).all()


def test_a_false_organ_on_an_empty_mask_costs_and_is_driven_out(term):
    organ, doubtful = organ_and_doubt()
    empty = np.zeros_like(organ)
    absent = slope(term, empty, doubtful)[organ > 0]
    present = slope(term, organ, doubtful)[organ > 0]
    assert float(term(empty, doubtful)) > float(term(empty, doubtful - 20))
    # In every pixel, and nearly as strongly as a true organ is learned.
    assert (absent > 0).all()
    assert (present < 0).all()
    assert absent.sum() > -present.sum() / 10


def test_half_precision_logits_give_a_finite_float32_loss(term):
    shape = (1, 64, 64, 3)
    value = term(np.zeros(shape, np.float16), np.full(shape, 9, np.float16))
    assert keras.backend.standardize_dtype(value.dtype) == "float32"
    assert np.isfinite(float(value))


def test_samples_and_classes_weigh_alike_however_large_their_masks(term):
    # Class 0 is perfect, class 1 missed whole: their pixels are not pooled.
    right = image(1, 1, 1, 0), sure(1, 1, 1, 0)
    wrong = image(0, 0, 0, 1), sure(0, 0, 0, 0)
    both = (np.concatenate(pair, axis=-1) for pair in zip(right, wrong, strict=True))
    expected = (float(term(*right)) + float(term(*wrong))) / 2
    assert float(term(*both)) == pytest.approx(expected, rel=1e-4)


# Pixels


def test_cross_entropy_of_even_odds_is_log_two():
    loss = TERMS["bce"](image(1, 0, 0, 1), image(0, 0, 0, 0))
    assert float(loss) == pytest.approx(math.log(2))


def test_cross_entropy_of_a_certain_error_is_its_logit():
    loss = TERMS["bce"](image(0, 0, 0, 0), image(CERTAIN, -99, -99, -99))
    assert float(loss) == pytest.approx(CERTAIN / 4)


def test_focal_loss_counts_easy_pixels_less():
    # Probability of the truth 3 / 4 and 1 / 4: weights 1 / 16 and 9 / 16.
    logits = image(*[math.log(3)] * 4)
    loss = made(losses.focal, gamma=2.0)(image(1, 1, 0, 0), logits)
    easy, hard = math.log(4 / 3) / 16, math.log(4) * 9 / 16
    assert float(loss) == pytest.approx((easy + hard) / 2)


def test_focal_loss_with_gamma_zero_is_cross_entropy():
    truth, logits = image(1, 1, 0, 0), image(1, -1, 2, -3)
    expected = float(TERMS["bce"](truth, logits))
    assert float(made(losses.focal, gamma=0.0)(truth, logits)) == pytest.approx(
        expected
    )


# Classes that exclude each other


def softmax_of(term: losses.WeightedSum) -> losses.WeightedSum:
    ((_, function),) = term.terms
    return made(function, softmax=True)


def labels(*numbers: int) -> np.ndarray:
    """Truth of 2 x 2 pixels and two classes, which are 1 and 2."""
    return np.eye(3, dtype=np.float32)[list(numbers)][:, 1:].reshape(1, 2, 2, 2)


def test_a_single_class_is_the_same_with_softmax(term):
    truth, logits = image(1, 1, 0, 0), image(0.5, -2, 1, -3)
    expected = float(term(truth, logits))
    assert float(softmax_of(term)(truth, logits)) == pytest.approx(expected, rel=1e-5)


def test_the_gradient_with_softmax_is_that_of_differences(term):
    random = np.random.default_rng(0)
    truth = labels(0, 1, 2, 1)
    logits = random.normal(size=truth.shape).astype(np.float32)
    term = softmax_of(term)
    gradient = slope(term, truth, logits)
    for where in np.ndindex(truth.shape):
        change = np.zeros_like(logits)
        change[where] = 0.01
        above, below = term(truth, logits + change), term(truth, logits - change)
        numeric = (float(above) - float(below)) / 0.02
        assert gradient[where] == pytest.approx(numeric, rel=0.02, abs=3e-5)


def test_cross_entropy_with_softmax_is_that_of_labels_and_background():
    truth = labels(0, 1, 2, 2)
    logits = np.log(np.float32([[1, 3], [1, 3], [1, 3], [4, 2]])).reshape(1, 2, 2, 2)
    # Of 1 for no class: the shares 1 / 5, 1 / 5, 3 / 5 and 2 / 7.
    expected = -np.log([1 / 5, 1 / 5, 3 / 5, 2 / 7]).mean()
    loss = softmax_of(TERMS["bce"])(truth, logits)
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_a_pixel_of_two_classes_with_softmax_asks_for_neither_without_end():
    both = np.ones((1, 2, 2, 2), np.float32)
    even = float(softmax_of(TERMS["bce"])(both, np.full_like(both, CERTAIN)))
    assert even == pytest.approx(math.log(2), rel=1e-4)


# Overlap


@pytest.fixture
def one_pixel(monkeypatch):
    """The smoothing is 0.25 * 4 pixels = 1."""
    monkeypatch.setattr(losses, "SMOOTH", 0.25)


def test_dice_of_one_right_and_one_missed_pixel(one_pixel):
    # Overlap 1, truth 2, predicted 1.
    loss = made(losses.dice)(image(1, 1, 0, 0), sure(1, 0, 0, 0))
    assert float(loss) == pytest.approx(1 - (2 * 1 + 1) / (2 + 1 + 1))


def test_dice_charges_a_false_positive_on_an_absent_class(one_pixel):
    loss = made(losses.dice)(image(0, 0, 0, 0), sure(1, 0, 0, 0))
    assert float(loss) == pytest.approx(1 - 1 / (1 + 1))


def test_tversky_weighs_false_positives_by_alpha_and_misses_by_beta(one_pixel):
    # 1 right, 2 false, 1 missed, half of 1 added.
    truth, logits = image(1, 0, 0, 1), sure(1, 1, 1, 0)
    loss = made(losses.tversky, alpha=0.2, beta=0.6)(truth, logits)
    assert float(loss) == pytest.approx(1 - 1.5 / (1.5 + 0.2 * 2 + 0.6 * 1))


def test_focal_tversky_is_a_power_of_tversky(one_pixel):
    truth, logits = image(1, 0, 0, 1), sure(1, 1, 1, 0)
    shape = dict(alpha=0.2, beta=0.6, gamma=0.5)
    loss = made(losses.tversky, **shape)(truth, logits)
    assert float(loss) == pytest.approx((1 / 2.5) ** 0.5)


def test_lovasz_of_certain_pixels_is_one_minus_jaccard(one_pixel):
    # 1 right, 1 false, 1 missed; 1 added above and below.
    loss = made(losses.lovasz)(image(1, 1, 0, 0), sure(1, 0, 1, 0))
    assert float(loss) == pytest.approx(1 - (1 + 1) / (3 + 1))


def test_lovasz_weighs_errors_by_what_jaccard_loses_with_them(one_pixel):
    # Errors: a miss of 1, a false positive of 1 / 2. The miss alone costs 1 - 2 / 3,
    # both cost 1 - 2 / 4.
    logits = image(CERTAIN, -CERTAIN, 0, -CERTAIN)
    loss = made(losses.lovasz)(image(1, 1, 0, 0), logits)
    assert float(loss) == pytest.approx(1 / 3 + (1 / 2 - 1 / 3) / 2)


# Outlines


@pytest.mark.parametrize(
    ("wrong", "steps"), [(0, 2), (1, 1), (2, 1), (3, 2), (4, 3), (5, 3)]
)
def test_a_wrong_pixel_costs_its_steps_from_the_outline(wrong, steps):
    truth = row(1, 1, 0, 0, 0, 0)
    logits = CERTAIN * (2 * truth - 1)
    logits[0, 0, wrong] *= -1
    loss = TERMS["boundary"](truth, logits)
    assert float(loss) == pytest.approx(steps / 3 / 6)


def test_on_an_empty_mask_all_pixels_cost_the_most():
    logits = row(CERTAIN, -CERTAIN, -CERTAIN, 0, -CERTAIN, -CERTAIN)
    loss = TERMS["boundary"](row(*[0] * 6), logits)
    assert float(loss) == pytest.approx(1.5 / 6)


# Sums


def weights(**changes: float) -> schema.Loss:
    return schema.Loss.model_validate({"bce": 0.0, "dice": 0.0} | changes)


def test_the_sum_weighs_its_terms_and_averages_the_samples():
    truth = np.concatenate([image(1, 1, 0, 0), image(0, 0, 0, 0)])
    logits = np.concatenate([image(0, 0, 0, 0), image(1, -1, 1, -1)])
    value = losses.build(weights(bce=2.0, lovasz=3.0))(truth, logits)
    terms = [float(TERMS[name](truth, logits)) for name in ("bce", "lovasz")]
    assert float(value) == pytest.approx(2 * terms[0] + 3 * terms[1])


def test_terms_follow_the_config_and_those_of_weight_zero_are_left_out():
    shaped = {
        "focal_gamma": 1.0,
        "tversky_alpha": 0.4,
        "tversky_beta": 0.6,
        "focal_tversky_gamma": 0.5,
        "boundary_pixels": 4,
    }
    built = losses.build(weights(**dict.fromkeys(TERMS, 1.0), **shaped))
    assert len(built.terms) == len(TERMS)
    focal, tversky, focal_tversky, boundary = (
        built.terms[number][1] for number in (1, 3, 4, 6)
    )
    assert (focal.func, focal.keywords) == (losses.focal, {"gamma": 1.0})
    assert tversky.keywords == {"alpha": 0.4, "beta": 0.6}
    assert focal_tversky.keywords == tversky.keywords | {"gamma": 0.5}
    assert (boundary.func, boundary.keywords) == (losses.boundary, {"pixels": 4})
    assert losses.build(weights(dice=1.0)).terms == ((1.0, losses.dice),)


def test_deep_outputs_are_compared_with_a_smaller_truth_and_weigh_less():
    truth = image(1, 1, 0, 0)
    outputs = {"logits": image(0, 0, 0, 0), "deep": [row(CERTAIN), row(-CERTAIN)]}
    value = losses.build(weights(bce=1.0, deep=0.5))(truth, outputs)
    # Weights 4 : 2 : 1; half of the pixel is organ, so the first is right.
    assert float(value) == pytest.approx((4 * math.log(2) + 0 + CERTAIN) / 7)


def test_presence_is_compared_with_whether_any_pixel_is_organ():
    truth = np.concatenate([image(0, 0, 0, 1), image(0, 0, 0, 0)], axis=-1)
    logits = CERTAIN * (2 * truth - 1)
    outputs = {"logits": logits, "presence": np.float32([[-3, 0]])}
    value = losses.build(weights(bce=1.0, presence=0.5))(truth, outputs)
    expected = (math.log(1 + math.exp(3)) + math.log(2)) / 2
    assert float(value) == pytest.approx(0.5 * expected, rel=1e-4)


def test_a_truth_of_odd_size_is_shrunk_by_the_majority():
    truth = np.zeros((1, 5, 3, 1), np.float32)
    truth[0, :2, 0] = 1  # half of the first four pixels
    truth[0, 2, 2] = 1  # half of the two that the border leaves
    truth[0, 4, 0] = 1  # half again
    truth[0, 2, 0] = 1  # a fourth: too little
    small = np.array(losses.shrink(truth, (3, 2)))[0, ..., 0]
    assert small.tolist() == [[1, 0], [0, 1], [1, 0]]
    assert losses.shrink(truth, (2, 1)).shape == (1, 2, 1, 1)
    assert losses.shrink(truth, (5, 3)) is truth


@pytest.mark.parametrize(("size", "factor"), [(50, 4), (70, 8), (113, 16), (112, 16)])
def test_a_shrunk_pixel_lies_where_the_network_has_it(size, factor):
    """Halving a size in the network leaves what is missing to the last pixel."""
    count = -(-size // factor)
    for index in range(count):
        truth = np.zeros((1, size, size, 1), np.float32)
        truth[0, index * factor : (index + 1) * factor] = 1
        small = np.array(losses.shrink(truth, (count, count)))[0, :, :, 0]
        expected = np.zeros((count, count))
        expected[index] = 1
        np.testing.assert_array_equal(small, expected)


@pytest.mark.parametrize("name", ["dice", "tversky", "focal_tversky"])
def test_overlap_is_computed_over_the_whole_batch(name, monkeypatch):
    # An empty mask beside one found whole: 2 false pixels cost as in one sample of 8.
    truth = np.concatenate([image(1, 1, 1, 1), image(0, 0, 0, 0)])
    logits = np.concatenate([sure(1, 1, 1, 1), sure(1, 1, 0, 0)])
    apart, joined = (each.reshape(1, 2, 4, 1) for each in (truth, logits))
    # The smoothing is a share of an image's pixels, which here are twice as many.
    monkeypatch.setattr(losses, "SMOOTH", 0.05)
    expected = float(TERMS[name](apart, joined))
    monkeypatch.setattr(losses, "SMOOTH", 0.1)
    assert float(TERMS[name](truth, logits)) == pytest.approx(expected)
    assert np.ptp(np.array(TERMS[name].call(truth, logits))) == 0
