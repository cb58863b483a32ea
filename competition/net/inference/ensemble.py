"""Several runs' networks as one compiled call, their views averaged on the device."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from competition.net.networks import heads
from competition.net.training import step
from competition.net.volumetric import depth
from competition.submit import effort

Tensor = Any
Seen = dict[str, Tensor]
# The presence in each slice of a patch, (B, D, C), has so many axes.
PATCH_PRESENCE = 3


class Ensemble(keras.Model):
    """The mean probability of each run's networks over all views of a batch."""

    def __init__(
        self,
        members: Sequence[Sequence[keras.Model]],
        views: Sequence[effort.View] = (effort.PLAIN,),
    ) -> None:
        super().__init__(name="ensemble", dtype="float32")
        self.members = [list(networks) for networks in members]
        self.views = tuple(views)

    def call(
        self, inputs: dict[str, Tensor], training: bool | None = None
    ) -> list[Seen]:
        """Return, a run each, "probability" (B, H, W, C) of a batch of the dataset.

        Runs with presence heads have "presence" (B, C) as well. Patches of D slices
        have "probability" (B, h, w, D * C), and no presence: they see a part of it.
        """
        stack = step.normalise(inputs["stack"], inputs["window"])
        totals: list[Seen] = [{} for _ in self.members]
        covered = 0.0
        for view in self.views:
            seen = look(stack, view)
            # Where an enlarged slice leaves the frame, the other views decide.
            covered += restore(look(ops.ones_like(stack[..., :1]), view), view)
            for total, networks in zip(totals, self.members, strict=True):
                found = _mean(networks, seen)
                found["probability"] = restore(found["probability"], view)
                for name, value in found.items():
                    total[name] = total.get(name, 0.0) + value
        shares = {
            "probability": ops.maximum(covered, 1e-6),
            "presence": float(len(self.views)),
        }
        return [{k: v / shares[k] for k, v in total.items()} for total in totals]


def look(stack: Tensor, view: effort.View) -> Tensor:
    """Flip and enlarge or shrink a stack (B, H, W, K) about its centre, in its size."""
    flipped, scale = view
    height, width = stack.shape[1:3]
    zoomed = (round(height * scale), round(width * scale))
    stack = ops.flip(stack, axis=2) if flipped else stack
    if zoomed == (height, width):
        return stack
    resized = ops.image.resize(stack, zoomed, antialias=scale < 1)
    return _centre(resized, (height, width))


def restore(planes: Tensor, view: effort.View) -> Tensor:
    """Undo `look` on planes (B, H, W, C); 0 where it left the frame."""
    flipped, scale = view
    height, width = planes.shape[1:3]
    zoomed = (round(height * scale), round(width * scale))
    if zoomed != (height, width):
        whole = _centre(planes, zoomed)
        planes = ops.image.resize(whole, (height, width), antialias=scale > 1)
    return ops.flip(planes, axis=2) if flipped else planes


def _mean(networks: Sequence[keras.Model], stack: Tensor) -> Seen:
    """The mean probability and, of the networks that say it, the mean presence."""
    outputs = [heads.named(network(stack, training=False)) for network in networks]
    logits = {
        "probability": [depth.as_channels(each["logits"]) for each in outputs],
        "presence": [each["presence"] for each in outputs if "presence" in each],
    }
    # What else the networks return is not computed once this is compiled.
    return {
        name: sum(ops.sigmoid(ops.cast(each, "float32")) for each in said) / len(said)
        for name, said in logits.items()
        if said and len(said[0].shape) != PATCH_PRESENCE
    }


def _centre(planes: Tensor, target: tuple[int, int]) -> Tensor:
    """Crop or pad (B, H, W, K) about the centre to the target's height and width."""
    for axis, size in enumerate(target, start=1):
        difference = size - planes.shape[axis]
        before = abs(difference) // 2
        if difference > 0:
            margins = [(0, 0)] * 4
            margins[axis] = (before, difference - before)
            planes = ops.pad(planes, margins)
        elif difference < 0:
            keep = slice(before, before + size)
            planes = planes[:, keep] if axis == 1 else planes[:, :, keep]
    return planes
