"""The networks of several runs as one compiled model that averages their views."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from competition.net.inference import views as slice_views
from competition.net.networks import heads
from competition.net.training import step
from competition.net.volumetric import depth

Tensor = Any
Outputs = dict[str, Tensor]
# The presence in each slice of a patch, (B, D, C), has three axes.
PATCH_PRESENCE = 3


class Ensemble(keras.Model):
    """Averages the probabilities of each run's networks over all views of a batch."""

    def __init__(
        self,
        members: Sequence[Sequence[keras.Model]],
        views: Sequence[slice_views.View] = (slice_views.PLAIN,),
    ) -> None:
        super().__init__(name="ensemble", dtype="float32")
        self.members = [list(networks) for networks in members]
        self.views = tuple(views)

    @property
    def networks(self) -> list[keras.Model]:
        """Return the networks of all members in their order."""
        return [network for networks in self.members for network in networks]

    def call(
        self, inputs: dict[str, Tensor], training: bool | None = None
    ) -> list[Outputs]:
        """Return for each run the "probability" (B, H, W, C) of a batch of the dataset.

        Runs with presence heads return "presence" (B, C) as well. Patches of D slices
        return "probability" (B, h, w, D * C) and no presence, for a patch shows only a
        part of a slice.
        """
        stack = step.normalise(inputs["stack"], inputs["window"])
        totals: list[Outputs] = [{} for _ in self.members]
        covered = 0.0
        for view in self.views:
            viewed = slice_views.apply(stack, view)
            frame = slice_views.apply(ops.ones_like(stack[..., :1]), view)
            # Where an enlarged slice leaves the frame, the other views decide.
            covered += slice_views.undo(frame, view)
            for total, networks in zip(totals, self.members, strict=True):
                outputs = _mean(networks, viewed)
                outputs["probability"] = slice_views.undo(outputs["probability"], view)
                for name, value in outputs.items():
                    total[name] = total.get(name, 0.0) + value
        counts = {
            "probability": ops.maximum(covered, 1e-6),
            "presence": float(len(self.views)),
        }
        return [{k: v / counts[k] for k, v in total.items()} for total in totals]


def _mean(networks: Sequence[keras.Model], stack: Tensor) -> Outputs:
    """Return the mean probability and, of networks with such heads, mean presence."""
    outputs = [heads.named(network(stack, training=False)) for network in networks]
    logits = {
        "probability": [depth.as_channels(output["logits"]) for output in outputs],
        "presence": [o["presence"] for o in outputs if "presence" in o],
    }
    # Other outputs of the networks are not computed once this model is compiled.
    return {
        name: sum(ops.sigmoid(ops.cast(value, "float32")) for value in values)
        / len(values)
        for name, values in logits.items()
        if values and len(values[0].shape) != PATCH_PRESENCE
    }
