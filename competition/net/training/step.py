"""The training step: from a uint16 batch to the network's input, outputs and loss."""

from typing import Any

import keras
from keras import ops

from competition.net import devices
from competition.net.augment import augment_device
from competition.net.input import resident_scans, waiting
from competition.net.networks import depth, heads

Tensor = Any


def normalise(stack: Tensor, window: Tensor) -> Tensor:
    """Return a uint16 stack (B, H, W, K) as float32, scaled to 0..1 by its window.

    A window is the low and high of each sample (B, 2), or of each of its slices
    (B, K, 2). Values outside are clipped; a slice of one value becomes 0.
    """
    slices = window.shape[1] if len(window.shape) == 3 else 1
    window = ops.reshape(ops.cast(window, "float32"), (-1, 1, 1, slices, 2))
    low, high = window[..., 0], window[..., 1]
    scaled = (ops.cast(stack, "float32") - low) / ops.maximum(high - low, 1.0)
    return ops.clip(scaled, 0.0, 1.0)


def with_position(stack: Tensor, position: Tensor) -> Tensor:
    """Add a plane to stacks (B, H, W, K): the place (B,) of each slice in its scan."""
    plane = ops.ones_like(stack[..., :1]) * ops.reshape(position, (-1, 1, 1, 1))
    return ops.concatenate([stack, plane], axis=-1)


def crop(images: Tensor, corner: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the part (B, *size, K) of images (B, H, W, K) that begins at `corner`.

    `corner` (B, 2) has the first row and column in each image.
    """
    batch, height, width, channels = images.shape
    corner = ops.cast(corner, devices.INDEX)[:, :, None, None]
    rows, columns = (ops.arange(side, dtype=devices.INDEX) for side in size)
    first = ops.arange(batch, dtype=devices.INDEX)[:, None, None] * height
    row = first + corner[:, 0] + rows[:, None]
    pixels = row * width + corner[:, 1] + columns
    return ops.take(ops.reshape(images, (-1, channels)), pixels, axis=0)


def unpack(bits: Tensor, classes: int) -> Tensor:
    """Unpack mask bits (B, H, W, ...) into float32 planes (..., C) of 0 and 1."""
    # Not int32, which TensorFlow computes in the host's memory where it uses a GPU.
    weights = ops.convert_to_tensor([1 << i for i in range(classes)], "uint16")
    planes = ops.bitwise_and(ops.expand_dims(ops.cast(bits, "uint16"), -1), weights)
    return ops.cast(planes > 0, "float32")


class LastLoss(keras.metrics.Mean):
    """The loss of the last batch alone; a mean would stay NaN after one that is NaN."""

    def update_state(self, loss: Tensor) -> None:
        """Take a loss in place of the one before."""
        self.reset_state()
        super().update_state(loss)


class TrainingStep(keras.Model):
    """A Keras model that trains the network inside it; only its weights are saved.

    With `keeps_last` it tells callbacks the "last_loss" beside the mean of the epoch.
    With `scans` it gathers the slices of a batch, which carries their numbers. With
    `waiting` it counts there how long TensorFlow waits for batches; the streams of
    other backends count it themselves.
    """

    train_function: Any

    def __init__(
        self,
        network: keras.Model,
        loss: keras.losses.Loss,
        *,
        keeps_last: bool = False,
        scans: resident_scans.ResidentScans | None = None,
        waiting: waiting.Waiting | None = None,
    ) -> None:
        # Its inputs are exact numbers, whatever precision the network computes in.
        super().__init__(name="step", dtype="float32")
        self.network = network
        self.objective = loss
        self.scans = scans
        self.waiting = waiting
        self.last = LastLoss(name="last_loss") if keeps_last else None

    def make_train_function(self, force: bool = False) -> None:
        """Make the function that `fit` calls for each step."""
        if self.train_function is None or force:
            super().make_train_function(force)
            if self.waiting and keras.backend.backend() == "tensorflow":
                from competition.net import tensorflow_backend

                self.train_function = tensorflow_backend.timed(
                    self.train_function, self.waiting
                )

    def call(
        self, inputs: dict[str, Tensor], training: bool | None = None
    ) -> heads.Outputs:
        """Return the network's outputs, named, and the "truth" (B, H, W, C).

        Each slice of a patch is a sample: (B * D, h, w, C).
        """
        if self.scans is not None:
            stack, bits = self.scans(inputs["numbers"])
        else:
            stack, bits = inputs["stack"], inputs["bits"]
        stack = normalise(stack, inputs["window"])
        planes = unpack(bits, heads.classes(self.network))
        if "corner" in inputs:
            size = self.network.input_shape[1:3]
            stack, planes = (crop(x, inputs["corner"], size) for x in (stack, planes))
        truth = depth.as_channels(planes)
        if training:
            stack, truth = augment_device.apply(stack, truth, inputs)
        if "position" in inputs:
            stack = with_position(stack, inputs["position"])
        outputs = heads.named(self.network(stack, training=training))
        truth = ops.reshape(truth, (-1, *planes.shape[1:]))
        return depth.as_samples({**outputs, "truth": truth})

    def compute_loss(
        self, x: Tensor, y: Tensor, y_pred: heads.Outputs, sample_weight: Tensor
    ) -> Tensor:
        """Return the loss of the outputs that `call` returned."""
        loss = self.objective(y_pred["truth"], y_pred)
        if self.last is not None:
            # Keras divides the loss by the number of devices, and adds their gradients.
            self.last.update_state(loss * devices.dividing())
        return loss
