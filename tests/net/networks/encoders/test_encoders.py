"""Encoders under decoders: any number of slices, the features published, odd sizes."""

import dataclasses
import sys
from collections.abc import Callable

import keras
import numpy as np
import pytest
from keras import applications

from competition.core.experiment import configs
from competition.net.networks import build, encoders, heads
from competition.net.networks.encoders import applications as of_keras
from competition.net.networks.encoders import families, family, hub, mit
from competition.net.training import losses, step
from tests.net.conftest import CLASSES
from tests.net.networks.encoders.conftest import SLICES, make


def as_imagenet(image: np.ndarray) -> np.ndarray:
    mean, deviation = family.IMAGENET
    return (image - np.float32(mean)) / np.float32(deviation)


def as_efficientnet(image: np.ndarray) -> np.ndarray:
    # A new one only divides by 255; published files hold mean and deviation.
    return 255 * as_imagenet(image)


def as_resnet(image: np.ndarray) -> np.ndarray:
    return applications.resnet.preprocess_input(255 * image.copy())


def as_pixels(image: np.ndarray) -> np.ndarray:
    return 255 * image


def received_by(*endings: str) -> Callable[[keras.Model], list]:
    return lambda published: [
        next(x for x in published.layers if x.name.endswith(ending)).input
        for ending in endings
    ]


def of_pyramid(published: keras.Model) -> list:
    features = list(published.pyramid_outputs.values())
    return [features[0], features[-1]]


@dataclasses.dataclass
class Case:
    """The smallest encoder of a family under an architecture.

    `features` are two of the encoder as it is published, and `places` which of ours.
    """

    encoder: str
    architecture: str
    size: tuple[int, int]
    prepare: Callable
    features: Callable
    places: tuple[int, int] = (0, -1)


CASES = [
    Case(
        "EfficientNetB0", "unet", (33, 46), as_efficientnet,
        received_by("block2a_dwconv_pad", "block6a_dwconv_pad"), (0, 3),
    ),
    Case(
        "EfficientNetV2B0", "attention_unet", (33, 46), as_pixels,
        received_by("block2a_expand_conv", "block6a_dwconv2"), (0, 3),
    ),
    Case(
        "ConvNeXtTiny", "unet", (32, 64), as_pixels,
        received_by("downsampling_block_0", "downsampling_block_2"), (0, 2),
    ),
    Case(
        "ResNet50", "deeplab", (33, 46), as_resnet,
        received_by("pool1_pad", "conv5_block1_1_conv"),
    ),
    Case("mit_b0", "unet_plus_plus", (64, 64), as_imagenet, of_pyramid),
    Case("efficientnet_b0", "unet", (33, 46), as_imagenet, of_pyramid),
    Case("resnet_18", "unet", (33, 46), as_imagenet, of_pyramid, (1, -1)),
    Case(
        "hgnetv2_b4", "deeplab", (33, 46), as_imagenet,
        lambda published: [published.output["stage1"], published.output["stage3"]],
    ),
]  # fmt: skip


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.encoder)
def case(request) -> Case:
    if request.param.encoder in hub.BACKBONES:
        pytest.importorskip("keras_hub")
    return request.param


@pytest.fixture(scope="module")
def wanted(case) -> configs.Config:
    height, width = case.size
    chosen = f"model.architecture={case.architecture}"
    sizes = f"geometry.height={height}", f"geometry.width={width}"
    return make(case.encoder, chosen, *sizes)


@pytest.fixture(scope="module")
def network(wanted) -> keras.Model:
    keras.utils.set_random_seed(1)
    return build.build(wanted, CLASSES)


# What keras_hub's presets say of every MiT.
OF_MIT = {
    "num_layers": 4,
    "layerwise_num_heads": [1, 2, 5, 8],
    "layerwise_sr_ratios": [8, 4, 2, 1],
    "layerwise_patch_sizes": [7, 3, 3, 3],
    "layerwise_strides": [4, 2, 2, 2],
    "max_drop_path_rate": 0.1,
}


@pytest.fixture(scope="module")
def published(case) -> keras.Model:
    """The encoder as it comes, on three channels, with weights unlike new ones."""
    keras.utils.set_random_seed(2)
    shape = *case.size, 3
    if case.encoder in applications.__dict__:
        application = getattr(applications, case.encoder)
        whole = application(include_top=False, weights=None, input_shape=shape)
    elif case.encoder in mit.CONFIGS:
        backbone = hub.library(case.encoder).models.MiTBackbone
        about = {**mit.CONFIGS[case.encoder], **OF_MIT}
        whole = backbone(**about, image_shape=shape)
    else:
        whole = hub.build(case.encoder, shape)
    random = np.random.default_rng(3)
    for layer in whole._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(random.normal(0, 0.05, layer.moving_mean.shape))
        elif isinstance(layer, keras.layers.LayerNormalization):
            layer.beta.assign(random.normal(0, 0.1, layer.beta.shape))
    return whole


def test_equal_slices_give_what_the_three_channel_network_gives(
    case, wanted, network, published, tmp_path
):
    path = tmp_path / "published.weights.h5"
    if case.encoder in hub.BACKBONES:
        path = tmp_path / "preset"
        published.save_to_preset(str(path))
    else:
        published.save_weights(path)
    values = wanted.model_dump()
    values["model"]["encoder_weights"] = str(path)
    config = configs.check(values, configs.Config, source="test")
    encoders.load_weights(network, config)
    grey = np.random.default_rng(0).random((1, *case.size, 1), np.float32)
    theirs = keras.Model(published.inputs[0], case.features(published))(
        case.prepare(np.repeat(grey, 3, -1))
    )
    ones = np.ones_like(grey)
    ours = network.get_layer("encoder")(
        np.concatenate([np.repeat(grey, SLICES, -1), ones], -1)
    )
    for place, other in zip(case.places, theirs, strict=True):
        scale = np.abs(np.array(other)).max()
        assert scale > 0
        np.testing.assert_allclose(
            np.array(ours[place]) / scale, np.array(other) / scale, atol=2e-4
        )


def test_any_size_that_fits_gives_logits_of_that_size(case, network):
    logits = network(np.ones((1, *case.size, SLICES), np.float32))
    assert logits.shape == (1, *case.size, CLASSES)
    assert np.isfinite(np.array(logits)).all()


def test_the_encoder_takes_the_momentum_of_the_config(case, network, wanted):
    norms = [
        layer
        for layer in network.get_layer("encoder")._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    assert bool(norms) == (case.encoder not in ("ConvNeXtTiny", "mit_b0"))
    assert {layer.momentum for layer in norms} <= {wanted.model.norm_momentum}


def test_a_mit_takes_sizes_that_are_neither_square_nor_even():
    sizes = "geometry.height=33", "geometry.width=46"
    network = build.build(make("mit_b0", *sizes), CLASSES)
    encoder = network.get_layer("encoder")
    sides = [each.shape[1:3] for each in encoder.outputs]
    assert sides == [(9, 12), (5, 6), (3, 3), (2, 2)]
    assert np.isfinite(np.array(network(np.ones((1, 33, 46, SLICES))))).all()


def test_a_deeplab_ends_at_a_sixteenth_of_the_size():
    wanted = make("ResNet50", "model.architecture=deeplab", "geometry.height=64")
    encoder = build.build(wanted, CLASSES).get_layer("encoder")
    assert [each.shape[1] for each in encoder.outputs] == [32, 16, 8, 4]
    assert not any(layer.name.startswith("conv5") for layer in encoder.layers)


@pytest.mark.parametrize("encoder", ["ResNet50", "mit_b0"])
def test_a_training_step_reduces_the_loss_of_all_outputs(encoder):
    extras = "model.deep_supervision=true", "model.presence=true"
    wanted = make(encoder, *extras)
    keras.utils.set_random_seed(0)
    network = build.build(wanted, CLASSES)
    assert len(heads.named(network.output)["deep"]) == 4
    model = step.TrainingStep(network, losses.build(wanted.loss))
    # Compiling takes twenty times as long as the steps; on JAX, operation by operation,
    # yet longer.
    eagerly = keras.backend.backend() == "tensorflow"
    model.compile(optimizer=keras.optimizers.SGD(1e-2), run_eagerly=eagerly)
    stack = np.random.default_rng(0).integers(0, 500, (2, 32, 32, SLICES))
    bits = np.zeros((2, 32, 32), np.uint8)
    bits[:, 8:20, 8:20] = 3
    window = np.tile(np.float32([0, 1000]), (2, 1))
    batch = {"stack": stack.astype(np.uint16), "bits": bits, "window": window}
    first = network.get_layer("encoder").weights[0]
    before = keras.ops.convert_to_numpy(first)
    values = [float(model.train_on_batch(batch)) for _ in range(2)]
    assert values[-1] < values[0]
    assert (keras.ops.convert_to_numpy(first) != before).any()


def test_an_encoder_that_is_recomputed_learns_as_one_that_is_kept():
    stack = np.random.default_rng(0).random((2, 32, 32, SLICES), np.float32)
    weights = []
    for remat in ("false", "true"):
        keras.utils.set_random_seed(0)
        network = build.build(make("mit_b0", f"model.remat={remat}"), CLASSES)
        eagerly = keras.backend.backend() == "tensorflow"
        network.compile("sgd", "mse", run_eagerly=eagerly)
        network.train_on_batch(stack, np.ones((2, 32, 32, CLASSES), np.float32))
        weights.append(network.get_layer("encoder").get_weights())
    for kept, again in zip(*weights, strict=True):
        np.testing.assert_allclose(again, kept, atol=1e-5)


def test_half_precision_reaches_into_an_encoder():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        whole = mit.build("mit_b0", (32, 32, 3))
    finally:
        keras.config.set_dtype_policy("float32")
    assert {each.dtype for each in whole.outputs} == {"float16"}
    assert all(
        np.isfinite(np.array(each)).all() for each in whole(np.ones((1, 32, 32, 3)))
    )


@pytest.mark.parametrize("name", of_keras.FAMILIES)
def test_names_are_those_of_keras(name):
    assert callable(getattr(applications, name))
    assert make(name).model.encoder == name


@pytest.mark.parametrize("name", hub.BACKBONES)
def test_names_are_those_that_presets_of_keras_hub_begin_with(name):
    library = pytest.importorskip("keras_hub")
    assert make(name).model.encoder == name
    assert name in families.FAMILIES
    presets = getattr(library.models, hub.BACKBONES[name][0]).presets
    assert any(preset.startswith(f"{name}_") for preset in presets)


def test_an_encoder_of_keras_hub_where_that_is_absent(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(ValueError, match=r"resnet_18 is one of keras_hub.*pip install"):
        build.build(make("resnet_18"), CLASSES)


def test_an_unknown_encoder_is_refused_with_the_valid_names():
    with pytest.raises(ValueError, match=r"model\.encoder.*ConvNeXt\(Tiny.*VGG16"):
        make("VGG16")


def test_a_crop_that_the_encoder_cannot_take_is_refused_the_whole_if_it_is_seen():
    crop = "geometry.height=100", "geometry.width=128", "geometry.crop=[50, 64]"
    with pytest.raises(ValueError, match=r"crop` .*divide by 32 .*50\. Use 32 or 64"):
        build.build(make("ConvNeXtTiny", *crop), CLASSES)
    fits = *crop[:2], "geometry.crop=[32, 64]"
    with pytest.raises(ValueError, match=r"height` .* 100\. Use 96 or 128"):
        build.build(make("ConvNeXtTiny", *fits), CLASSES)
    encoders.check(make("ConvNeXtTiny", *fits, "submit.windows=true"))


@pytest.mark.parametrize(
    ("encoder", "height", "message"),
    [
        ("ResNet50", 31, r"height` must be at least 32.*Received: 31\. Use 32\."),
        ("mit_b0", 31, r"height` must be at least 32.*Received: 31\. Use 32\."),
        ("ConvNeXtTiny", 100, r"divide by 32 .*Received: 100\. Use 96 or 128\."),
        ("ConvNeXtTiny", 20, r"divide by 32 .*Received: 20\. Use 32\."),
    ],
)
def test_a_size_that_the_encoder_cannot_take_is_refused(encoder, height, message):
    with pytest.raises(ValueError, match=message):
        build.build(make(encoder, f"geometry.height={height}"), CLASSES)


def test_a_decoder_of_other_depth_is_refused():
    wanted = make("ResNet50", "model.widths=[4, 8, 8]")
    with pytest.raises(ValueError, match=r"decoder: 5, since ResNet50.*\[4, 8, 8\]"):
        build.build(wanted, CLASSES)


def test_an_encoder_under_another_architecture_is_refused():
    with pytest.raises(ValueError, match=r"goes with unet, .*not segnet"):
        make("ResNet50", "model.architecture=segnet")


def test_encoder_weights_without_an_encoder_are_refused():
    with pytest.raises(ValueError, match=r"`encoder_weights` need an `encoder`"):
        make("none", "model.encoder_weights=imagenet")
