"""Losses of pixels, of overlap and of outlines, and the weighted sum a config names.

All compare a truth of 0 and 1 with logits (B, H, W, C) and return a value for each
sample (B,). Six in ten slices hold no organ, and a false positive there must cost as
well.

Overlap is computed over all samples of a batch together. Computed sample by sample, the
many samples without an organ would outweigh the few with one, and a network on little
data would never predict any organ.

`SMOOTH` is a share of the image's pixels, added to numerator and denominator. With only
one pixel or less, the gradient of a class that the batch lacks would vanish: where its
probabilities sum to P, Dice costs P / (P + smoothing).
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from competition.core.experiment import schema
from competition.net.networks import blocks, heads

Tensor = Any
Term = Callable[..., Tensor]
# It is above 0, or a class that is absent and not predicted would divide 0 by 0.
SMOOTH = 0.002
# A power below 1 has an infinite slope at 0, so its base is at least this.
LEAST = 1e-6


class WeightedSum(keras.losses.Loss):
    """The weighted sum of terms over all outputs of a network, in float32.

    Deep outputs are compared with the truth at their size, each with `deep` times the
    weight of the one before; the weights add up to 1. The cross-entropy of the presence
    head is added with the weight `presence`.
    """

    def __init__(
        self, terms: Sequence[tuple[float, Term]], *, deep: float, presence: float
    ) -> None:
        super().__init__(name="loss", dtype="float32")
        self.terms, self.deep, self.presence = tuple(terms), deep, presence

    def call(self, y_true: Tensor, y_pred: Tensor | heads.Outputs) -> Tensor:
        """Return (B,) from truth (B, H, W, C) and a network's outputs."""
        outputs = heads.named(y_pred)
        sizes = [outputs["logits"], *outputs.get("deep", ())]
        weights = [self.deep**number for number in range(len(sizes))]
        value = 0.0
        for weight, logits in zip(weights, sizes, strict=True):
            truth = shrink(y_true, logits.shape[1:3])
            terms = sum(share * term(truth, logits) for share, term in self.terms)
            value += weight / sum(weights) * terms
        if "presence" in outputs:
            present = ops.max(y_true, axis=(1, 2))
            value += self.presence * bce(present, outputs["presence"])
        return value


def build(loss: schema.Loss, *, softmax: bool = False) -> WeightedSum:
    """Build the loss that the config describes; terms of weight 0 are left out."""
    partial = functools.partial
    overlap = partial(tversky, alpha=loss.tversky_alpha, beta=loss.tversky_beta)
    terms: list[tuple[float, Term]] = [
        (loss.bce, bce),
        (loss.focal, partial(focal, gamma=loss.focal_gamma)),
        (loss.dice, dice),
        (loss.tversky, overlap),
        (loss.focal_tversky, partial(overlap, gamma=loss.focal_tversky_gamma)),
        (loss.lovasz, lovasz),
        (loss.boundary, partial(boundary, pixels=loss.boundary_pixels)),
    ]
    used = [(weight, term) for weight, term in terms if weight]
    if softmax:
        used = [(weight, partial(term, softmax=True)) for weight, term in used]
    return WeightedSum(used, deep=loss.deep, presence=loss.presence)


def shrink(truth: Tensor, size: tuple[int, int]) -> Tensor:
    """Shrink truth (B, H, W, C) to the `size` of one of the network's outputs.

    The network reached this size by halving several times, rounding up. A pixel of the
    result is 1 where at least half of its pixels in the truth are 1. As in the network,
    pixels of the last row and column may stand for fewer pixels than others.
    """
    height, width = truth.shape[1:3]
    factor = blocks.factor((height, width), size)
    if factor == 1:
        return truth
    # Padding "same" would divide the missing pixels between both ends.
    margin = ((0, 0), (0, -height % factor), (0, -width % factor), (0, 0))
    planes = ops.concatenate([truth, ops.ones_like(truth[..., :1])], axis=-1)
    means = ops.average_pool(ops.pad(planes, margin), factor, strides=factor)
    return ops.cast(means[..., :-1] >= 0.5 * means[..., -1:], "float32")


def bce(truth: Tensor, logits: Tensor, *, softmax: bool = False) -> Tensor:
    """Return the cross-entropy of each pixel and class, averaged over a sample."""
    return _mean(heads.crossentropy(truth, logits, softmax=softmax))


def focal(
    truth: Tensor, logits: Tensor, *, gamma: float, softmax: bool = False
) -> Tensor:
    """Weigh cross-entropy by the probability of the wrong answer to the power gamma."""
    each = heads.crossentropy(truth, logits, softmax=softmax)
    wrong = -ops.expm1(-each)
    return _mean(ops.power(ops.maximum(wrong, LEAST), gamma) * each)


def dice(truth: Tensor, logits: Tensor, *, softmax: bool = False) -> Tensor:
    """Return 1 - Dice of each class over a batch, averaged over the classes.

    It is Tversky's loss with weights of 0.5. Its fraction is that of Dice with both
    sides halved, so `tversky` adds half of the smoothing.
    """
    return tversky(truth, logits, alpha=0.5, beta=0.5, softmax=softmax)


def tversky(
    truth: Tensor,
    logits: Tensor,
    *,
    alpha: float,
    beta: float,
    gamma: float = 1.0,
    softmax: bool = False,
) -> Tensor:
    """Return 1 - TP / (TP + alpha FP + beta FN) of a batch, averaged over its classes.

    All samples get the same value. With a gamma below 1, the focal Tversky loss, each
    class's value is raised to this power first, which makes small errors larger.
    """
    probability = heads.probabilities(logits, softmax=softmax)
    smoothing = _smoothing(logits) / 2
    true_positive = ops.sum(truth * probability, axis=(0, 1, 2))
    false_positive = ops.sum((1 - truth) * probability, axis=(0, 1, 2))
    false_negative = ops.sum(truth * (1 - probability), axis=(0, 1, 2))
    wrong = alpha * false_positive + beta * false_negative
    error = 1 - (true_positive + smoothing) / (true_positive + wrong + smoothing)
    if gamma != 1:
        error = ops.power(ops.maximum(error, LEAST), gamma)
    return ops.broadcast_to(ops.mean(error), ops.shape(logits)[:1])


def lovasz(truth: Tensor, logits: Tensor, *, softmax: bool = False) -> Tensor:
    """Return the Lovász extension of 1 - Jaccard over the errors of the probabilities.

    For probabilities of 0 and 1 it is 1 - Jaccard itself. The smoothing counts as true
    positives: without it only the worst pixel of an empty mask would have a gradient.
    """
    _, height, width, classes = logits.shape
    smoothing = _smoothing(logits)
    error = ops.abs(truth - heads.probabilities(logits, softmax=softmax))
    error = ops.reshape(error, (-1, height * width, classes))
    truth = ops.reshape(truth, (-1, height * width, classes))
    order = ops.argsort(-error, axis=1)
    error = ops.take_along_axis(error, order, axis=1)
    truth = ops.take_along_axis(truth, order, axis=1)
    # Intersection and union once the worst 1, 2, ... pixels are wrong.
    organ = ops.sum(truth, axis=1, keepdims=True)
    both = organ - ops.cumsum(truth, axis=1)
    either = organ + ops.cumsum(1 - truth, axis=1)
    jaccard = 1 - (both + smoothing) / (either + smoothing)
    before = ops.pad(jaccard[:, :-1], ((0, 0), (1, 0), (0, 0)))
    return ops.mean(ops.sum(error * (jaccard - before), axis=1), axis=-1)


def boundary(
    truth: Tensor, logits: Tensor, *, pixels: int, softmax: bool = False
) -> Tensor:
    """Return the mean error of a pixel times its distance from the truth's outline.

    Distances are steps to a neighbour, diagonal ones too, counted by growing the truth
    and its background a pixel at a time. The largest is `pixels`, with a weight of 1.
    An absent class has no outline, so all weights are 1.
    """
    far = (1 - truth) * _steps(truth, pixels) + truth * _steps(1 - truth, pixels)
    error = ops.abs(truth - heads.probabilities(logits, softmax=softmax))
    return ops.mean(error * far, axis=(1, 2, 3)) / pixels


def _steps(planes: Tensor, most: int) -> Tensor:
    steps = ops.ones_like(planes)
    for _ in range(most - 1):
        # Without `strides` the pooling would move by its own size, not by 1.
        planes = ops.max_pool(planes, 3, strides=1, padding="same")
        steps = steps + 1 - planes
    return steps


def _smoothing(logits: Tensor) -> float:
    """Return `SMOOTH` as a number of pixels of an image."""
    return SMOOTH * logits.shape[1] * logits.shape[2]


def _mean(values: Tensor) -> Tensor:
    return ops.mean(values, axis=tuple(range(1, len(values.shape))))
