"""3D U-Net (Çiçek et al., 2016): the U-Net whose convolutions see depth as well.

Its features are (B, H, W, D, C). Depth is halved with height and width, but only down
to 2, since a patch is flatter than it is wide.
"""

import keras
from keras import layers

from competition.core.experiment import configs, schema
from competition.net.networks import blocks, heads


def build(config: configs.Config, classes: int) -> keras.Model:
    """Build a 3D U-Net: patch (h, w, D) to logits (h, w, D, classes).

    Deep outputs are coarser only in height and width; presence is that of each slice.
    """
    model = config.model
    patch, voxels = patch_input(model)
    decoded = blocks.decode(blocks.encode(voxels, model), model)
    return network_of_decoder(config, patch, decoded, classes)


def patch_input(model: schema.Model) -> tuple[blocks.Tensor, blocks.Tensor]:
    """Return the input of a network, a normalised patch (h, w, D), and its voxels."""
    depth, height, width = model.patch
    patch = keras.Input((height, width, depth), name="stack")
    return patch, layers.Reshape((height, width, depth, 1), name="voxels")(patch)


def network_of_decoder(
    config: configs.Config,
    patch: blocks.Tensor,
    decoded: list[blocks.Tensor],
    classes: int,
) -> keras.Model:
    """Build a network on the features of its decoder, finest first, bottom last."""
    depth = config.model.patch[0]
    logits = heads.logits(decoded[0], classes)
    deep = heads.deep(decoded[1:-1], classes, config.model)
    return heads.network(
        config,
        patch,
        logits=logits,
        deep=[
            _restore_depth(x, depth, name=f"deep{number}")
            for number, x in enumerate(deep, start=1)
        ],
        # The deepest features no longer tell one slice from the next.
        bottom=decoded[0],
    )


def _restore_depth(x: blocks.Tensor, depth: int, *, name: str) -> blocks.Tensor:
    """Repeat the slices of deep logits whose depth was halved, rounding up."""
    times = blocks.factor((depth, 1), (x.shape[3], 1))
    if times == 1:
        return x
    up = layers.UpSampling3D((1, 1, times), dtype=x.dtype, name=f"{name}_up")(x)
    margins = (0, 0), (0, 0), (0, up.shape[3] - depth)
    return layers.Cropping3D(margins, dtype=x.dtype, name=f"{name}_crop")(up)
