"""Building a network from its config; weights are saved and loaded by Keras."""

import keras

from competition.core.experiment import configs
from competition.net import devices
from competition.net.networks import (
    batch_norm,
    deeplab,
    encoders,
    fcn,
    fpn,
    residual_unet_3d,
    segnet,
    unet,
    unet_3d,
    upernet,
)

ARCHITECTURES = {
    "unet": unet.build,
    "attention_unet": unet.build_attention,
    "unet_plus_plus": unet.build_plus_plus,
    "fcn": fcn.build,
    "segnet": segnet.build,
    "deeplab": deeplab.build,
    "fpn": fpn.build,
    "upernet": upernet.build,
    "unet_3d": unet_3d.build,
    "residual_unet_3d": residual_unet_3d.build,
}


def build(
    config: configs.Config, classes: int, *, size: tuple[int, int] | None = None
) -> keras.Model:
    """Build the network: stack float32 (H, W, K) to logits float32 (H, W, classes).

    Height and width, odd ones too, are `size`, or those of training; the weights are
    the same for all sizes. A 3D network takes its patch: (h, w, D) to (h, w, D,
    classes). `heads` describes further outputs. All weights are random;
    `encoders.load_weights` is called only where training begins.
    """
    encoders.check(config)
    height, width = size or config.geometry.trained_size
    changed = {"height": height, "width": width, "crop": ()}
    geometry = config.geometry.model_copy(update=changed)
    sized = config.model_copy(update={"geometry": geometry})
    network = ARCHITECTURES[config.model.architecture](sized, classes)
    device = devices.find()
    if device.kind == "cpu" and not devices.xla(config.training.xla, device):
        batch_norm.in_one_operation(network)
    return network
