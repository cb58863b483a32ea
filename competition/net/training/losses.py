"""Losses of single pixels, and the weighted sum that a config names.

All losses compare logits (B, H, W, C) with a truth of 0 and 1 and return a float32 for
each sample. About two in three slices hold no organ, where a false positive must cost
as well.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from competition.core.experiment import schema
from competition.net.networks import blocks, heads
from competition.net.training import region_losses

Tensor = Any


class BinaryCrossentropy(keras.losses.Loss):
    """Cross-entropy of every pixel and class, averaged over a sample."""

    def __init__(self) -> None:
        super().__init__(name="bce", dtype="float32")

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return (B,) from truth and logits (B, ..., C)."""
        return _mean(_crossentropy(y_true, y_pred))

    def get_config(self) -> dict[str, Any]:
        """Return no arguments; name and dtype are fixed."""
        return {}


class Focal(keras.losses.Loss):
    """Cross-entropy, weighted by the probability of the wrong answer to the gamma."""

    def __init__(self, gamma: float = 2.0) -> None:
        super().__init__(name="focal", dtype="float32")
        self.gamma = gamma

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return (B,) from truth and logits (B, H, W, C)."""
        wrong = y_true * ops.sigmoid(-y_pred) + (1 - y_true) * ops.sigmoid(y_pred)
        weight = ops.power(ops.maximum(wrong, region_losses.LEAST), self.gamma)
        return _mean(weight * _crossentropy(y_true, y_pred))

    def get_config(self) -> dict[str, Any]:
        """Return the one argument; name and dtype are fixed."""
        return {"gamma": self.gamma}


class WeightedSum(keras.losses.Loss):
    """The weighted sum of other losses over all outputs of a network.

    Deep outputs are compared with the truth at their size, each with `deep` times the
    weight of the one before; the weights add up to 1. The cross-entropy of the presence
    head is added with the weight `presence`.
    """

    def __init__(
        self,
        terms: Sequence[tuple[float, keras.losses.Loss]],
        *,
        deep: float = 0.5,
        presence: float = 0.2,
    ) -> None:
        super().__init__(name="loss", dtype="float32")
        self.terms = tuple(terms)
        self.deep = deep
        self.presence = presence

    def call(self, y_true: Tensor, y_pred: Tensor | heads.Outputs) -> Tensor:
        """Return (B,) from truth (B, H, W, C) and a network's outputs."""
        outputs = heads.named(y_pred)
        sizes = [outputs["logits"], *outputs.get("deep", ())]
        weights = [self.deep**number for number in range(len(sizes))]
        value = 0.0
        for weight, logits in zip(weights, sizes, strict=True):
            value += weight / sum(weights) * self._pixels(y_true, logits)
        if "presence" in outputs:
            present = ops.max(y_true, axis=(1, 2))
            entropy = _mean(_crossentropy(present, outputs["presence"]))
            value += self.presence * entropy
        return value

    def _pixels(self, truth: Tensor, logits: Tensor) -> Tensor:
        smaller = shrink(truth, logits.shape[1:3])
        # Not by calling the term, which would reduce, and scale, a second time.
        return sum(weight * term.call(smaller, logits) for weight, term in self.terms)


def shrink(truth: Tensor, size: tuple[int, int]) -> Tensor:
    """Shrink truth (B, H, W, C) to a size that was halved, rounding up, some times.

    A pixel of the result is 1 where half or more of its pixels in the truth are.
    """
    factor = blocks.factor(truth.shape[1:3], size)
    if factor == 1:
        return truth
    share = ops.average_pool(truth, factor, strides=factor, padding="same")
    return ops.cast(share >= 0.5, "float32")


def build(loss: schema.Loss) -> WeightedSum:
    """Build the loss that the config describes; terms of weight 0 are left out."""
    alpha, beta = loss.tversky_alpha, loss.tversky_beta
    terms = [
        (loss.bce, BinaryCrossentropy()),
        (loss.focal, Focal(loss.focal_gamma)),
        (loss.dice, region_losses.Dice()),
        (loss.tversky, region_losses.Tversky(alpha, beta)),
        (
            loss.focal_tversky,
            region_losses.FocalTversky(alpha, beta, loss.focal_tversky_gamma),
        ),
        (loss.lovasz, region_losses.Lovasz()),
        (loss.boundary, region_losses.Boundary(loss.boundary_pixels)),
    ]
    used = [(weight, term) for weight, term in terms if weight]
    return WeightedSum(used, deep=loss.deep, presence=loss.presence)


def _crossentropy(truth: Tensor, logits: Tensor) -> Tensor:
    # On JAX the one of Keras clips probabilities, so large errors have no gradient.
    return ops.softplus(logits) - truth * logits


def _mean(values: Tensor) -> Tensor:
    return ops.mean(values, axis=tuple(range(1, len(values.shape))))
