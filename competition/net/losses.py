"""Losses on logits (B, H, W, C) against truth 0 or 1, one value a sample, in float32.

About two in three slices hold no organ: a false positive must cost there as well.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from competition.core import config

Tensor = Any


class BinaryCrossentropy(keras.losses.Loss):
    """Cross-entropy of every pixel and class, averaged over a sample."""

    def __init__(self) -> None:
        super().__init__(name="bce", dtype="float32")

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return (B,) from truth and logits (B, H, W, C)."""
        each = ops.binary_crossentropy(y_true, y_pred, from_logits=True)
        return ops.mean(each, axis=(1, 2, 3))


class Dice(keras.losses.Loss):
    """1 - Dice of each sample and class, averaged over a sample's classes.

    `smooth` is a share of the image's pixels, added above and below: an absent class
    costs P / (P + smoothing) where the probabilities sum to P, so that its gradient
    does not vanish as it would with a smoothing of one pixel or less.
    """

    def __init__(self, smooth: float = 0.002) -> None:
        super().__init__(name="dice", dtype="float32")
        if smooth <= 0:
            raise ValueError(
                "`smooth` must be above 0, or an absent class divides 0 by 0. "
                f"Received: smooth={smooth}. Use 0.002."
            )
        self.smooth = smooth

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return (B,) from truth and logits (B, H, W, C)."""
        probability = ops.sigmoid(y_pred)
        smoothing = self.smooth * y_pred.shape[1] * y_pred.shape[2]
        both = ops.sum(y_true * probability, axis=(1, 2))
        total = ops.sum(y_true, axis=(1, 2)) + ops.sum(probability, axis=(1, 2))
        dice = (2 * both + smoothing) / (total + smoothing)
        return ops.mean(1 - dice, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """The one argument; name and dtype are fixed."""
        return {"smooth": self.smooth}


class Sum(keras.losses.Loss):
    """The weighted sum of other losses."""

    def __init__(self, terms: Sequence[tuple[float, keras.losses.Loss]]) -> None:
        super().__init__(name="loss", dtype="float32")
        self.terms = tuple(terms)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return (B,) from truth and logits (B, H, W, C)."""
        # `call`, not the term itself: that would reduce, and scale, a second time.
        return sum(weight * term.call(y_true, y_pred) for weight, term in self.terms)


def build(loss: config.Loss) -> Sum:
    """Build the weighted sum that the config names; terms of weight 0 are left out."""
    terms = {BinaryCrossentropy: loss.bce, Dice: loss.dice}
    return Sum([(weight, term()) for term, weight in terms.items() if weight])
