"""Losses that see a mask as a whole: overlap and outlines, for each class.

Overlap is that of all samples of a batch together. Sample by sample, the many without
an organ would ask for a prediction of nothing more strongly than the few others could
answer, and a network on little data would never leave it.

`smooth` is a share of the image's pixels, added above and below the fraction: a class
that the batch lacks costs about P / (P + smoothing) where the probabilities sum to P,
so that its gradient does not vanish as it would with a smoothing of one pixel or less.
"""

from typing import Any

import keras
from keras import ops

Tensor = Any
SMOOTH = 0.002
# Below 1 a power has no slope at 0.
LEAST = 1e-6


class Tversky(keras.losses.Loss):
    """1 - TP / (TP + alpha FP + beta FN) of a batch, averaged over its classes.

    The smoothing counts half, as it does in Dice, which this is at 0.5 and 0.5.
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
        return _for_each(1 - self.index(y_true, y_pred), y_pred)

    def index(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the similarity (C,), above 0 and at most 1."""
        probability = ops.sigmoid(y_pred)
        smoothing = self.smooth * y_pred.shape[1] * y_pred.shape[2] / 2
        hit = ops.sum(y_true * probability, axis=(0, 1, 2))
        false = ops.sum((1 - y_true) * probability, axis=(0, 1, 2))
        missed = ops.sum(y_true * (1 - probability), axis=(0, 1, 2))
        wrong = self.alpha * false + self.beta * missed
        return (hit + smoothing) / (hit + wrong + smoothing)

    def get_config(self) -> dict[str, Any]:
        """The arguments; name and dtype are fixed."""
        return {"alpha": self.alpha, "beta": self.beta, "smooth": self.smooth}


class Dice(Tversky):
    """1 - Dice of each class over a batch, averaged over the classes."""

    def __init__(self, *, smooth: float = SMOOTH) -> None:
        super().__init__(0.5, 0.5, smooth=smooth, name="dice")

    def get_config(self) -> dict[str, Any]:
        """The one argument; name and dtype are fixed."""
        return {"smooth": self.smooth}


class FocalTversky(Tversky):
    """Tversky's loss of a class to the power of gamma; below 1, small ones count."""

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
        return _for_each(ops.power(loss, self.gamma), y_pred)

    def get_config(self) -> dict[str, Any]:
        """The arguments; name and dtype are fixed."""
        return super().get_config() | {"gamma": self.gamma}


class Lovasz(keras.losses.Loss):
    """The Lovász extension of 1 - Jaccard over the errors of the probabilities.

    Where these are 0 or 1 it is 1 - Jaccard itself. The smoothing counts as pixels
    found right: without it an empty mask would move its worst pixel alone.
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
        # What is left of overlap and union once the worst 1, 2, ... pixels are wrong.
        organ = ops.sum(truth, axis=1, keepdims=True)
        both = organ - ops.cumsum(truth, axis=1)
        either = organ + ops.cumsum(1 - truth, axis=1)
        jaccard = 1 - (both + smoothing) / (either + smoothing)
        before = ops.pad(jaccard[:, :-1], ((0, 0), (1, 0), (0, 0)))
        return ops.mean(ops.sum(error * (jaccard - before), axis=1), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """The one argument; name and dtype are fixed."""
        return {"smooth": self.smooth}


class Boundary(keras.losses.Loss):
    """The mean error of a pixel times its distance from the truth's outline.

    Distances are counted in steps to a neighbour, diagonal ones too, by growing the
    truth and its background a pixel at a time, so they end at `pixels`, which is a
    weight of 1. An absent class has no outline: all weights are 1.
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
            # JAX needs the strides.
            planes = ops.max_pool(planes, 3, strides=1, padding="same")
            steps = steps + 1 - planes
        return steps

    def get_config(self) -> dict[str, Any]:
        """The one argument; name and dtype are fixed."""
        return {"pixels": self.pixels}


def _for_each(losses: Tensor, logits: Tensor) -> Tensor:
    """The mean of a batch's losses (C,), for each of its samples."""
    return ops.broadcast_to(ops.mean(losses), ops.shape(logits)[:1])


def _check(smooth: float) -> None:
    if smooth <= 0:
        raise ValueError(
            "`smooth` must be above 0, or an absent class divides 0 by 0. "
            f"Received: smooth={smooth}. Use {SMOOTH}."
        )
