"""The encoders of keras_hub, by the names that its presets begin with.

keras_hub keeps their arguments with the weights that it downloads. They are written
down here, so that a network is built without a network connection. keras_hub itself is
imported where an encoder needs it: it may be absent, and importing it takes seconds.
"""

from typing import Any

import keras

from competition.net.networks.encoders import family, mit

Tensor = family.Tensor
Arguments = dict[str, Any]


def _efficientnet(width: float, depth: float) -> Arguments:
    """Return the arguments of an EfficientNet, by width and depth relative to B0."""
    return {
        "stackwise_width_coefficients": [width] * 7,
        "stackwise_depth_coefficients": [depth] * 7,
        "stackwise_squeeze_and_excite_ratios": [0.25] * 7,
        "stackwise_kernel_sizes": [3, 3, 5, 3, 5, 5, 3],
        "stackwise_num_repeats": [1, 2, 2, 3, 3, 4, 1],
        "stackwise_input_filters": [32, 16, 24, 40, 80, 112, 192],
        "stackwise_output_filters": [16, 24, 40, 80, 112, 192, 320],
        "stackwise_expansion_ratios": [1, 6, 6, 6, 6, 6, 6],
        "stackwise_strides": [1, 2, 2, 2, 1, 2, 1],
        "stackwise_block_types": ["v1"] * 7,
        "include_stem_padding": True,
        "use_depth_divisor_as_min_depth": True,
        "cap_round_filter_decrease": True,
        "stem_conv_padding": "valid",
        "batch_norm_epsilon": 1e-5,
        "min_depth": None,
        "dropout": 0,
    }


def _resnet(blocks: list[int], kind: str, *, vd: bool = False) -> Arguments:
    """Return the arguments of a ResNet; a `vd` has three small first convolutions."""
    return {
        "input_conv_filters": [32, 32, 64] if vd else [64],
        "input_conv_kernel_sizes": [3, 3, 3] if vd else [7],
        "stackwise_num_filters": [64, 128, 256, 512],
        "stackwise_num_blocks": blocks,
        "stackwise_num_strides": [1, 2, 2, 2],
        "block_type": f"{kind}_vd" if vd else kind,
        "use_pre_activation": False,
    }


def _hgnet(stem: list[int], widths: list[list[int]], blocks: list[int]) -> Arguments:
    """Return the arguments of a HGNetV2.

    `stem` are the widths of its first convolutions, `widths` those of its four stages,
    within and after, and `blocks` the numbers of their blocks, each of six layers.
    """
    before = [stem[-1], *(after for _, after in widths[:-1])]
    stages = zip(before, widths, blocks, (3, 3, 5, 5), strict=True)
    return {
        "depths": blocks,
        "embedding_size": stem[-1],
        "hidden_sizes": [after for _, after in widths],
        "stem_channels": [3, *stem],
        "hidden_act": "relu",
        "use_learnable_affine_block": False,
        "stackwise_stage_filters": [
            [received, within, after, count, 6, size]
            for received, (within, after), count, size in stages
        ],
        "apply_downsample": [False, True, True, True],
        "use_lightweight_conv_block": [False, False, True, True],
    }


BASIC, BOTTLENECK = "basic_block", "bottleneck_block"
EFFICIENTNETS = {
    f"efficientnet_b{number}": _efficientnet(*factors)
    for number, factors in enumerate(
        [(1.0, 1.0), (1.0, 1.1), (1.1, 1.2), (1.2, 1.4), (1.4, 1.8), (1.6, 2.2)]
    )
}
RESNETS = {
    "resnet_18": _resnet([2, 2, 2, 2], BASIC),
    "resnet_50": _resnet([3, 4, 6, 3], BOTTLENECK),
    "resnet_101": _resnet([3, 4, 23, 3], BOTTLENECK),
    "resnet_152": _resnet([3, 8, 36, 3], BOTTLENECK),
    "resnet_vd_18": _resnet([2, 2, 2, 2], BASIC, vd=True),
    "resnet_vd_34": _resnet([3, 4, 6, 3], BASIC, vd=True),
    "resnet_vd_50": _resnet([3, 4, 6, 3], BOTTLENECK, vd=True),
    "resnet_vd_101": _resnet([3, 4, 23, 3], BOTTLENECK, vd=True),
    "resnet_vd_152": _resnet([3, 8, 36, 3], BOTTLENECK, vd=True),
    "resnet_vd_200": _resnet([3, 12, 48, 3], BOTTLENECK, vd=True),
}
HGNETS = {
    "hgnetv2_b4": _hgnet(
        [32, 48], [[48, 128], [96, 512], [192, 1024], [384, 2048]], [1, 1, 3, 1]
    ),
    "hgnetv2_b5": _hgnet(
        [32, 64], [[64, 128], [128, 512], [256, 1024], [512, 2048]], [1, 2, 5, 2]
    ),
    "hgnetv2_b6": _hgnet(
        [48, 96], [[96, 192], [192, 512], [384, 1024], [768, 2048]], [2, 3, 6, 3]
    ),
}
# By encoder: the class of keras_hub, and those of its arguments that make the encoder.
BACKBONES = {
    **{name: ("MiTBackbone", given) for name, given in mit.CONFIGS.items()},
    **{name: ("EfficientNetBackbone", given) for name, given in EFFICIENTNETS.items()},
    **{name: ("ResNetBackbone", given) for name, given in RESNETS.items()},
    **{name: ("HGNetV2Backbone", given) for name, given in HGNETS.items()},
}


def library(name: str) -> Any:
    """Import keras_hub, which has an encoder or its presets."""
    try:
        import keras_hub
    except ImportError as error:
        raise ValueError(
            f"The encoder {name} is one of keras_hub, which cannot be imported "
            f"({error}). Install it with `pip install keras-hub==0.26.0 "
            "tensorflow-text==2.20.1`, or set `model.encoder` to one of "
            'keras.applications, such as "ResNet50".'
        ) from error
    return keras_hub


def build(name: str, shape: family.Shape) -> keras.Model:
    """Build a backbone of keras_hub, with random weights, on images of any channels."""
    kind, arguments = BACKBONES[name]
    key = "input_shape" if name in EFFICIENTNETS else "image_shape"
    return getattr(library(name).models, kind)(**arguments, **{key: shape})


def _of_efficientnet(whole: Any) -> tuple[Tensor, list[Tensor]]:
    return whole.inputs[0], list(whole.pyramid_outputs.values())


def _of_resnet(whole: Any) -> tuple[Tensor, list[Tensor]]:
    finest = whole.get_layer("pool1_pad").input
    return whole.inputs[0], [finest, *whole.pyramid_outputs.values()]


def _of_hgnet(whole: Any) -> tuple[Tensor, list[Tensor]]:
    # In keras_hub all stages are one layer, which could not be cut.
    x, features = whole.embedder_layer(whole.inputs[0]), []
    for stage in whole.encoder_layer.stages_list:
        x = stage(x)
        features.append(x)
    return whole.inputs[0], features


FAMILIES = {
    **dict.fromkeys(EFFICIENTNETS, family.EncoderFamily(build, _of_efficientnet)),
    **dict.fromkeys(RESNETS, family.EncoderFamily(build, _of_resnet)),
    **dict.fromkeys(HGNETS, family.EncoderFamily(build, _of_hgnet)),
}
