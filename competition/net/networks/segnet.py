"""SegNet (Badrinarayanan et al., 2017): places of pooling's maxima instead of skips."""

import keras
from keras import layers, ops

from competition.core.experiment import configs
from competition.net.networks import blocks, heads

Tensor = blocks.Tensor


def build(config: configs.Config, classes: int) -> keras.Model:
    """Build a SegNet: stack (H, W, K) to logits (H, W, classes)."""
    model = config.model
    stack = x = blocks.stack_input(config)
    pooled = []
    for level, width in enumerate(model.widths[:-1]):
        features = blocks.conv_block(x, width, model, name=f"encoder{level}")
        x, places = MaxPoolWithPlaces(name=f"pool{level}")(features)
        pooled.append((features, places))
    x = blocks.conv_block(x, model.widths[-1], model, name="bottom")
    decoded = [x]
    for level, (features, places) in reversed(list(enumerate(pooled))):
        x = blocks.conv(x, model.widths[level], model, name=f"narrow{level}")
        x = MaxUnpool(name=f"unpool{level}")([x, places])
        x = blocks.crop(x, features, name=f"unpool{level}_crop")
        x = blocks.conv_block(x, model.widths[level], model, name=f"decoder{level}")
        decoded.insert(0, x)
    return heads.network_of_decoder(config, stack, decoded, classes)


class MaxPoolWithPlaces(layers.Layer):
    """Takes the maxima of 2 x 2 pixels and their places among the four, 0..3.

    Places are counted row by row. An odd size is rounded up; of equal values the first
    is taken.
    """

    def call(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return maxima and places (B, H / 2, W / 2, C) of features (B, H, W, C)."""
        rows, columns = x.shape[1] % 2, x.shape[2] % 2
        # Features are never below 0 and the first of equal values is taken, so that
        # the padding never is.
        x = ops.pad(x, ((0, 0), (0, rows), (0, columns), (0, 0)))
        quarters = [x[:, row::2, column::2] for row in (0, 1) for column in (0, 1)]
        largest = quarters[0]
        places = ops.zeros_like(largest)
        for number, quarter in enumerate(quarters[1:], start=1):
            places = ops.where(quarter > largest, ops.full_like(places, number), places)
            largest = ops.maximum(largest, quarter)
        return largest, ops.stop_gradient(places)


class MaxUnpool(layers.Layer):
    """Puts each value where its maximum was, and 0 into the other three pixels."""

    def call(self, inputs: list[Tensor]) -> Tensor:
        """Return (B, 2H, 2W, C) from values and places (B, H, W, C)."""
        x, places = inputs
        _, height, width, channels = x.shape
        quarters = [ops.where(places == number, x, 0) for number in range(4)]
        above, below = (ops.stack(quarters[i : i + 2], axis=3) for i in (0, 2))
        both = ops.stack([above, below], axis=2)  # (B, H, 2, W, 2, C)
        return ops.reshape(both, (-1, 2 * height, 2 * width, channels))
