"""From a config to a bare network; weights travel by save_weights and load_weights."""

import keras

from competition.core.experiment import configs
from competition.net.networks import (
    attention_unet,
    deeplab,
    fcn,
    segnet,
    unet,
    unet_plus_plus,
)
from competition.net.volumetric import unet_3d

ARCHITECTURES = {
    "unet": unet.build,
    "attention_unet": attention_unet.build,
    "unet_plus_plus": unet_plus_plus.build,
    "fcn": fcn.build,
    "segnet": segnet.build,
    "deeplab": deeplab.build,
    "unet_3d": unet_3d.build,
}


def build(config: configs.Config, classes: int) -> keras.Model:
    """Build the network: stack float32 (H, W, K) to logits float32 (H, W, classes).

    Height and width are the geometry's, odd ones too; those of a 3D network are its
    patch's, and it tells depth from channels: (h, w, D) to (h, w, D, classes).
    Seed before, for equal weights.
    An encoder's weights are random: `pretrained.load` is called where training
    begins, since a trained network has its own. More outputs: see `heads`.
    """
    return ARCHITECTURES[config.model.architecture](config, classes)
