"""Losses of whole masks: their overlap and their outlines, for each class.

Overlap is that of all samples of a batch together. Were it taken sample by sample, the
many samples without an organ would outweigh the few with one, and a network on little
data would never predict any organ.

`smooth` is a share of the image's pixels, added to numerator and denominator: a class
that the batch lacks costs about P / (P + smoothing) where the probabilities sum to P,
so that its gradient does not vanish as it would with a smoothing of one pixel or less.
"""

from typing import Any

import keras
from keras import ops

Tensor = Any
SMOOTH = 0.002
# A power below 1 has an infinite slope at 0, so its base is at least this.
LEAST = 1e-6


class Tversky(keras.losses.Loss):
    """1 - TP / (TP + alpha FP + beta FN) of a batch, averaged over its classes.

    With alpha = beta = 0.5 it is Dice, in which the smoothing counts half as here.
    """

    def __init__(
        self,
        alpha: float = 0.3,
        beta: float = 0.7,
        *,
        smooth: float = SMOOTH,
        name: str = "tversky",
    ) -> None:
        super().__init__(name=name, dtype="float32")
        _check(smooth)
        self.alpha = alpha
        self.beta = beta
        self.smooth = smooth

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return (B,), all alike, from truth and logits (B, H, W, C)."""
        return _per_sample(1 - self.index(y_true, y_pred), y_pred)

    def index(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the similarity (C,), above 0 and at most 1."""
        probability = ops.sigmoid(y_pred)
        smoothing = self.smooth * y_pred.shape[1] * y_pred.shape[2] / 2
        true_positive = ops.sum(y_true * probability, axis=(0, 1, 2))
        false_positive = ops.sum((1 - y_true) * probability, axis=(0, 1, 2))
        false_negative = ops.sum(y_true * (1 - probability), axis=(0, 1, 2))
        wrong = self.alpha * false_positive + self.beta * false_negative
        return (true_positive + smoothing) / (true_positive + wrong + smoothing)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments; name and dtype are fixed."""
        return {"alpha": self.alpha, "beta": self.beta, "smooth": self.smooth}


class Dice(Tversky):
    """1 - Dice of each class over a batch, averaged over the classes."""

    def __init__(self, *, smooth: float = SMOOTH) -> None:
        super().__init__(0.5, 0.5, smooth=smooth, name="dice")

    def get_config(self) -> dict[str, Any]:
        """Return the one argument; name and dtype are fixed."""
        return {"smooth": self.smooth}


class FocalTversky(Tversky):
    """Tversky's loss to the power of gamma, which below 1 raises small errors."""

    def __init__(
        self,
        alpha: float = 0.3,
        beta: float = 0.7,
        gamma: float = 0.75,
        *,
        smooth: float = SMOOTH,
    ) -> None:
        super().__init__(alpha, beta, smooth=smooth, name="focal_tversky")
        self.gamma = gamma

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return (B,), all alike, from truth and logits (B, H, W, C)."""
        loss = ops.maximum(1 - self.index(y_true, y_pred), LEAST)
        return _per_sample(ops.power(loss, self.gamma), y_pred)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments; name and dtype are fixed."""
        return super().get_config() | {"gamma": self.gamma}


class Lovasz(keras.losses.Loss):
    """The Lovász extension of 1 - Jaccard over the errors of the probabilities.

    Of probabilities 0 and 1 it is 1 - Jaccard itself. The smoothing counts as true
    positives: without it an empty mask would change its worst pixel alone.
    """

    def __init__(self, *, smooth: float = SMOOTH) -> None:
        super().__init__(name="lovasz", dtype="float32")
        _check(smooth)
        self.smooth = smooth

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return (B,) from truth and logits (B, H, W, C)."""
        _, height, width, classes = y_pred.shape
        smoothing = self.smooth * height * width
        error = ops.abs(y_true - ops.sigmoid(y_pred))
        error = ops.reshape(error, (-1, height * width, classes))
        truth = ops.reshape(y_true, (-1, height * width, classes))
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

    def get_config(self) -> dict[str, Any]:
        """Return the one argument; name and dtype are fixed."""
        return {"smooth": self.smooth}


class Boundary(keras.losses.Loss):
    """The mean error of a pixel times its distance from the truth's outline.

    Distances are steps to a neighbour, diagonal ones too, counted by growing the truth
    and its background a pixel at a time. They end at `pixels`, which is a weight of 1.
    An absent class has no outline, so all weights are 1.
    """

    def __init__(self, pixels: int = 8) -> None:
        super().__init__(name="boundary", dtype="float32")
        self.pixels = pixels

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return (B,) from truth and logits (B, H, W, C)."""
        far = (1 - y_true) * self._steps(y_true) + y_true * self._steps(1 - y_true)
        error = ops.abs(y_true - ops.sigmoid(y_pred))
        return ops.mean(error * far, axis=(1, 2, 3)) / self.pixels

    def _steps(self, planes: Tensor) -> Tensor:
        steps = ops.ones_like(planes)
        for _ in range(self.pixels - 1):
            # Without strides the window would move by its own size.
            planes = ops.max_pool(planes, 3, strides=1, padding="same")
            steps = steps + 1 - planes
        return steps

    def get_config(self) -> dict[str, Any]:
        """Return the one argument; name and dtype are fixed."""
        return {"pixels": self.pixels}


def _per_sample(losses: Tensor, logits: Tensor) -> Tensor:
    """Return the mean of a batch's losses (C,) for each of its samples (B,)."""
    return ops.broadcast_to(ops.mean(losses), ops.shape(logits)[:1])


def _check(smooth: float) -> None:
    if smooth <= 0:
        raise ValueError(
            "`smooth` must be above 0, or an absent class divides 0 by 0. "
            f"Received: smooth={smooth}. Use {SMOOTH}."
        )
