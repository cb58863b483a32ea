"""Encoders of keras.applications: any number of slices, their weights, odd sizes."""

import dataclasses
import time
import types
from concurrent import futures

import keras
import numpy as np
import pytest
from keras import applications

from competition.core.experiment import configs
from competition.net.networks import build, encoders, heads
from competition.net.training import losses, step
from tests.net.conftest import CLASSES, TINY

WIDTHS = "model.widths=[4, 4, 4, 8, 8]"
SLICES = 5


def make(encoder: str, *more: str) -> configs.Config:
    chosen = "slices=[-2, -1, 0, 1, 2]", f"model.encoder={encoder}", WIDTHS
    return configs.load("smoke", (*TINY, *chosen, *more))


def as_efficientnet(image: np.ndarray) -> np.ndarray:
    # A new one only divides by 255; published files hold mean and deviation.
    mean, deviation = encoders.IMAGENET
    return np.float32(255 * (image - np.float32(mean)) / np.float32(deviation))


def as_resnet(image: np.ndarray) -> np.ndarray:
    return applications.resnet.preprocess_input(255 * image.copy())


def as_pixels(image: np.ndarray) -> np.ndarray:
    return 255 * image


@dataclasses.dataclass
class Case:
    """The smallest encoder of a family, its architecture, and its preprocessing."""

    encoder: str
    architecture: str
    size: tuple[int, int]
    prepare: object


CASES = [
    Case("EfficientNetB0", "unet", (33, 46), as_efficientnet),
    Case("EfficientNetV2B0", "attention_unet", (33, 46), as_pixels),
    Case("ConvNeXtTiny", "unet", (32, 64), as_pixels),
    Case("ResNet50", "deeplab", (33, 46), as_resnet),
]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.encoder)
def case(request) -> Case:
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


@pytest.fixture(scope="module")
def published(case) -> keras.Model:
    """The application as it comes, three channels and its own preprocessing."""
    keras.utils.set_random_seed(2)
    application = getattr(applications, case.encoder)
    whole = application(include_top=False, weights=None, input_shape=(*case.size, 3))
    for layer in whole.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(layer.moving_mean + 0.1)
    return whole


def test_equal_slices_give_what_the_three_channel_network_gives(
    case, wanted, network, published, tmp_path
):
    path = tmp_path / "published.weights.h5"
    published.save_weights(path)
    values = wanted.model_dump()
    values["model"]["encoder_weights"] = str(path)
    config = configs.check(values, configs.Config, source="test")
    encoders.load_weights(network, config)
    grey = np.random.default_rng(0).random((1, *case.size, 1), np.float32)
    family = encoders.FAMILIES[case.encoder]
    last = len(family.halving) - 1
    ends = [
        next(x for x in published.layers if x.name.endswith(ending)).input
        for ending in (family.halving[0], family.halving[last])
    ]
    theirs = keras.Model(published.input, ends)(case.prepare(np.repeat(grey, 3, -1)))
    ones = np.ones_like(grey)
    ours = network.get_layer("encoder")(
        np.concatenate([np.repeat(grey, SLICES, -1), ones], -1)
    )
    for one, other in zip((ours[0], ours[last]), theirs, strict=True):
        scale = np.abs(np.array(other)).max()
        assert scale > 0
        np.testing.assert_allclose(
            np.array(one) / scale, np.array(other) / scale, atol=2e-4
        )


def test_any_size_that_fits_gives_logits_of_that_size(case, network):
    logits = network(np.ones((1, *case.size, SLICES), np.float32))
    assert logits.shape == (1, *case.size, CLASSES)
    assert np.isfinite(np.array(logits)).all()


def test_the_encoder_takes_the_momentum_of_the_config(case, network, wanted):
    norms = [
        layer
        for layer in network.get_layer("encoder").layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    assert bool(norms) == (case.encoder != "ConvNeXtTiny")
    assert {layer.momentum for layer in norms} <= {wanted.model.norm_momentum}


def test_a_deeplab_ends_at_a_sixteenth_of_the_size():
    wanted = make("ResNet50", "model.architecture=deeplab", "geometry.height=64")
    encoder = build.build(wanted, CLASSES).get_layer("encoder")
    assert [each.shape[1] for each in encoder.outputs] == [32, 16, 8, 4]
    assert not any(layer.name.startswith("conv5") for layer in encoder.layers)


def test_a_training_step_reduces_the_loss_of_all_outputs():
    extras = "model.deep_supervision=true", "model.presence=true"
    wanted = make("ResNet50", *extras)
    keras.utils.set_random_seed(0)
    network = build.build(wanted, CLASSES)
    assert len(heads.named(network.output)["deep"]) == 4
    model = step.TrainingStep(network, losses.build(wanted.loss))
    # Compiling takes twenty times as long as the steps; on JAX, operation by operation,
    # yet longer.
    eagerly = keras.backend.backend() == "tensorflow"
    model.compile(optimizer=keras.optimizers.Adam(1e-3), run_eagerly=eagerly)
    stack = np.random.default_rng(0).integers(0, 500, (2, 32, 32, SLICES))
    bits = np.zeros((2, 32, 32), np.uint8)
    bits[:, 8:20, 8:20] = 3
    window = np.tile(np.float32([0, 1000]), (2, 1))
    batch = {"stack": stack.astype(np.uint16), "bits": bits, "window": window}
    values = [float(model.train_on_batch(batch)) for _ in range(2)]
    assert values[-1] < values[0]


def test_a_kernel_is_spread_over_slices_and_its_mean_over_the_ones():
    family = dataclasses.replace(
        encoders.RESNET, mean=(0.5, 0.0, 1.0), deviation=(0.5, 1.0, 2.0)
    )
    kernel = np.float32([1, 2, 4]).reshape(1, 1, 3, 1)
    # 1 / 0.5 + 2 / 1 + 4 / 2 = 6 over four slices; 2 * 0.5 + 2 * 0 + 2 * 1 = 3.
    spread = encoders.spread_kernel(kernel, 4, family)
    assert spread.ravel().tolist() == [1.5, 1.5, 1.5, 1.5, -3]


@pytest.mark.parametrize("name", encoders.FAMILIES)
def test_names_are_those_of_keras(name):
    assert callable(getattr(applications, name))
    assert make(name).model.encoder == name


def test_an_unknown_encoder_is_refused_with_the_valid_names():
    with pytest.raises(ValueError, match=r"model\.encoder.*ConvNeXt\(Tiny.*VGG16"):
        make("VGG16")


@pytest.mark.parametrize(
    ("encoder", "height", "message"),
    [
        ("ResNet50", 31, r"height` must be at least 32.*Received: 31\. Use 32\."),
        ("ConvNeXtTiny", 100, r"divide by 32 .*Received: 100\. Use 96 or 128\."),
        ("ConvNeXtTiny", 20, r"divide by 32 .*Received: 20\. Use 32\."),
    ],
)
def test_a_size_that_the_encoder_cannot_take_is_refused(encoder, height, message):
    with pytest.raises(ValueError, match=message):
        build.build(make(encoder, f"geometry.height={height}"), CLASSES)


def test_a_decoder_of_other_depth_is_refused():
    wanted = make("ResNet50", "model.widths=[4, 8, 8]")
    with pytest.raises(ValueError, match=r"and 5, since ResNet50.*\[4, 8, 8\]"):
        build.build(wanted, CLASSES)


def test_an_encoder_under_another_architecture_is_refused():
    with pytest.raises(ValueError, match=r"goes with unet, .*not segnet"):
        make("ResNet50", "model.architecture=segnet")


def test_encoder_weights_without_an_encoder_are_refused():
    with pytest.raises(ValueError, match=r"`encoder_weights` need an `encoder`"):
        make("none", "model.encoder_weights=imagenet")


def test_a_network_without_published_weights_stays_as_it_is():
    network = build.build(configs.load("smoke", TINY), CLASSES)
    before = network.get_weights()
    encoders.load_weights(network, configs.load("smoke", TINY))
    for one, other in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture
def small(monkeypatch):
    """A ResNet50 without its blocks, so that failing is quick."""

    def application(name, shape, *, weights=None):
        if weights:
            raise Exception("URL fetch failure")
        source = keras.Input(shape)
        return keras.Model(source, keras.layers.Conv2D(4, 3)(source))

    monkeypatch.setattr(encoders, "application", application)
    return types.SimpleNamespace(get_layer=lambda name: None)


@pytest.mark.parametrize("channels", [5, 3])
def test_weights_of_another_network_are_refused(small, channels, tmp_path):
    path = tmp_path / "other.weights.h5"
    source = keras.Input((32, 32, channels))
    width = 4 if channels == 5 else 6
    keras.Model(source, keras.layers.Conv2D(width, 3)(source)).save_weights(path)
    wanted = make("ResNet50", f"model.encoder_weights={path}")
    with pytest.raises(ValueError, match=r"other\.weights\.h5: not weights of a R"):
        encoders.load_weights(small, wanted)


def test_a_file_without_weights_is_refused(small, tmp_path):
    path = tmp_path / "broken.weights.h5"
    path.write_text("no")
    wanted = make("ResNet50", f"model.encoder_weights={path}")
    with pytest.raises(ValueError, match=r"broken\.weights\.h5: not weights of a ResN"):
        encoders.load_weights(small, wanted)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(small, value, tmp_path):
    path = tmp_path / "published.weights.h5"
    network = encoders.application("ResNet50", (32, 32, 3))
    kernel, bias = network.get_weights()
    kernel[0, 0, 0, 0] = value
    network.set_weights([kernel, bias])
    network.save_weights(path)
    wanted = make("ResNet50", f"model.encoder_weights={path}")
    with pytest.raises(
        ValueError, match=r"published\.weights\.h5: .* holds NaN or inf"
    ):
        encoders.load_weights(small, wanted)


def test_a_missing_file_is_named(small):
    wanted = make("ResNet50", "model.encoder_weights=/nowhere/x.h5")
    with pytest.raises(ValueError, match=r"Received: /nowhere/x\.h5, which is not"):
        encoders.load_weights(small, wanted)


def test_two_folds_that_begin_together_download_the_weights_once(
    small, tmp_path, monkeypatch
):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    (tmp_path / "keras").mkdir()
    path, downloads, read = tmp_path / "weights", [], []

    def application(name, shape, *, weights):
        # As Keras does: what another downloads seems to be there already.
        if not path.is_file():
            downloads.append(name)
            path.write_text("half", encoding="utf-8")
            time.sleep(0.3)
            path.write_text("whole", encoding="utf-8")
        read.append(path.read_text("utf-8"))
        raise Exception("enough")

    def begin(wanted):
        with pytest.raises(ValueError, match="enough"):
            encoders.load_weights(small, wanted)

    monkeypatch.setattr(encoders, "application", application)
    with futures.ThreadPoolExecutor() as pool:
        list(pool.map(begin, [make("ResNet50", "model.encoder_weights=imagenet")] * 2))
    assert (downloads, read) == (["ResNet50"], ["whole", "whole"])
    assert (tmp_path / "keras" / ".models.lock").is_file()


def test_a_failed_download_says_what_to_do_offline(small):
    wanted = make("ResNet50", "model.encoder_weights=imagenet")
    with pytest.raises(ValueError, match=r"could not be downloaded.*set `model\.enc"):
        encoders.load_weights(small, wanted)
