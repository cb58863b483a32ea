"""The mean probabilities of each member's networks over all views of a batch."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from competition.core.experiment import configs
from competition.net.inference import forward_pass
from competition.net.inference import views as slice_views
from competition.net.training import step

Tensor = Any
Outputs = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Networks:
    """The networks of a member that predict, its config, and the views they see."""

    networks: Sequence[keras.Model]
    config: configs.Config
    views: Sequence[slice_views.View] = (slice_views.PLAIN,)


def predict_on_batch(
    batch: dict[str, np.ndarray],
    members: Sequence[Networks],
    passes: forward_pass.ForwardPasses,
    *,
    exact: bool = False,
) -> list[Outputs]:
    """Return for each member the means of its outputs, see `ForwardPasses.outputs`.

    Only the forward passes are compiled, so that predicting with fewer networks or
    views compiles nothing anew.
    """
    stack = step.normalise(*map(_placed, (batch["stack"], batch["window"])))
    totals: list[dict[str, Tensor]] = [{} for _ in members]
    for view in dict.fromkeys(view for member in members for view in member.views):
        viewed = slice_views.apply(stack, view)
        if "position" in batch:
            viewed = step.with_position(viewed, _placed(batch["position"]))
        for total, member in zip(totals, members, strict=True):
            if view not in member.views:
                continue
            outputs = [
                passes.outputs(network, viewed, member.config, exact=exact)
                for network in member.networks
            ]
            for name in outputs[0]:
                value = sum(each[name] for each in outputs)
                if name == "probability":
                    value = slice_views.undo(value, view)
                total[name] = total.get(name, 0.0) + value
    return [_mean(*each) for each in zip(totals, members, strict=True)]


def _mean(total: dict[str, Tensor], member: Networks) -> Outputs:
    counts: dict[str, Any] = {
        # Where an enlarged slice leaves the frame, the other views decide.
        "probability": _covered(tuple(member.views), *total["probability"].shape[1:3]),
        "presence": len(member.views),
    }
    return {
        name: ops.convert_to_numpy(value / (len(member.networks) * counts[name]))
        for name, value in total.items()
    }


def is_half(member: Networks) -> bool:
    """Return whether one of the networks computes in less than float32."""
    return any(network.compute_dtype != "float32" for network in member.networks)


@functools.lru_cache(maxsize=8)
def _covered(seen: tuple[slice_views.View, ...], height: int, width: int) -> np.ndarray:
    """Return in how many views each pixel of a slice is seen, float32 (H, W, 1)."""
    frame = ops.ones((1, height, width, 1))
    frames = [slice_views.undo(slice_views.apply(frame, v), v)[0] for v in seen]
    return np.maximum(ops.convert_to_numpy(sum(frames)), np.float32(1e-6))


def _placed(array: np.ndarray) -> Tensor:
    """Put a batch on the device, or divide it among the devices that share the work."""
    shared = keras.distribution.distribution()
    if shared is None or len(array) % shared.device_mesh.devices.size:
        return ops.convert_to_tensor(array)
    layout = shared.get_data_layout(array.shape)
    return keras.distribution.distribute_tensor(array, layout)
