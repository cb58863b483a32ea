"""Where the weights of an encoder come from, and what is said when they do not fit."""

import json
import time
import types
from concurrent import futures

import keras
import numpy as np
import pytest

from competition.core.experiment import configs
from competition.net.networks import build, encoders
from competition.net.networks.encoders import applications, families, family, weights
from tests.net.conftest import CLASSES, TINY
from tests.net.networks.encoders.conftest import make


def test_a_kernel_is_spread_over_slices_and_its_mean_over_the_ones():
    scaling = family.Scaling((0.5, 0.0, 1.0), (0.5, 1.0, 2.0))
    kernel = np.float32([1, 2, 4]).reshape(1, 1, 3, 1)
    # 1 / 0.5 + 2 / 1 + 4 / 2 = 6 over four slices; 2 * 0.5 + 2 * 0 + 2 * 1 = 3.
    spread = weights.spread_kernel(kernel, 4, scaling, channels=5)
    assert spread.ravel().tolist() == [1.5, 1.5, 1.5, 1.5, -3]


def test_channels_that_are_no_slices_begin_without_effect():
    kernel = np.float32([1, 2, 4]).reshape(1, 1, 3, 1)
    scaling = family.Scaling((0.0, 0.0, 0.5), (1.0, 1.0, 1.0))
    spread = weights.spread_kernel(kernel, 2, scaling, channels=4)
    assert spread.ravel().tolist() == [3.5, 3.5, 0, -2]


def test_a_network_without_published_weights_stays_as_it_is():
    network = build.build(configs.load("smoke", TINY), CLASSES)
    before = network.get_weights()
    encoders.load_weights(network, configs.load("smoke", TINY))
    for one, other in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def tiny(name, shape, *, weights=None):
    if weights:
        raise Exception("URL fetch failure")
    source = keras.Input(shape)
    return keras.Model(source, keras.layers.Conv2D(4, 3)(source))


@pytest.fixture
def small(monkeypatch):
    """Encoders of a single layer, so that failing is quick; they are never loaded."""
    few = family.EncoderFamily(tiny, lambda whole: (whole.inputs[0], whole.outputs))
    for name in ("ResNet50", "resnet_18"):
        monkeypatch.setitem(families.FAMILIES, name, few)
    monkeypatch.setattr(applications, "build", tiny)
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
    network = tiny("ResNet50", (32, 32, 3))
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
    with pytest.raises(ValueError, match=r"Received: /nowhere/x\.h5, which does"):
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

    monkeypatch.setattr(applications, "build", application)
    with futures.ThreadPoolExecutor() as pool:
        list(pool.map(begin, [make("ResNet50", "model.encoder_weights=imagenet")] * 2))
    assert (downloads, read) == (["ResNet50"], ["whole", "whole"])
    assert (tmp_path / "keras" / ".models.lock").is_file()


def test_a_failed_download_says_what_to_do_offline(small):
    wanted = make("ResNet50", "model.encoder_weights=imagenet")
    with pytest.raises(ValueError, match=r"could not be downloaded.*set `model\.enc"):
        encoders.load_weights(small, wanted)


PRESET = "resnet_18_imagenet"


def test_a_preset_is_downloaded_by_its_name(monkeypatch, tmp_path):
    kagglehub = pytest.importorskip("kagglehub")
    pytest.importorskip("keras_hub")
    wanted = make("resnet_18", f"model.encoder_weights={PRESET}")
    network = build.build(wanted, CLASSES)
    published = families.FAMILIES["resnet_18"].build("resnet_18", (32, 32, 3))
    published.save_to_preset(str(tmp_path / "preset"))
    asked = []

    def download(handle):
        asked.append(handle)
        return str(tmp_path / "preset")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(kagglehub, "model_download", download)
    encoders.load_weights(network, wanted)
    (handle,) = asked
    assert handle.startswith(f"keras/resnetv1/keras/{PRESET}")
    np.testing.assert_array_equal(
        network.get_layer("encoder").get_weights()[5], published.get_weights()[5]
    )


def test_a_preset_that_needs_a_network_says_what_to_do_offline(small, monkeypatch):
    kagglehub = pytest.importorskip("kagglehub")
    pytest.importorskip("keras_hub")

    def download(handle):
        raise OSError("Name or service not known")

    monkeypatch.setattr(kagglehub, "model_download", download)
    wanted = make("resnet_18", f"model.encoder_weights={PRESET}")
    with pytest.raises(
        ValueError, match=r"could not be downloaded \(Name or.*their folder and set"
    ):
        encoders.load_weights(small, wanted)


@pytest.mark.parametrize("source", ["imagenet", "resnet_50_imagenet", "/no/where"])
def test_a_preset_that_is_not_one_of_the_encoder_is_refused_with_those(small, source):
    pytest.importorskip("keras_hub")
    wanted = make("resnet_18", f"model.encoder_weights={source}")
    with pytest.raises(
        ValueError, match=rf"for resnet_18 one of .*{PRESET}.*Received: {source}"
    ):
        encoders.load_weights(small, wanted)


def write_preset(folder, kind, **about):
    folder.mkdir()
    (folder / "config.json").write_text(
        json.dumps({"class_name": kind, "config": about}), encoding="utf-8"
    )
    return f"model.encoder_weights={folder}"


@pytest.mark.parametrize(
    ("encoder", "kind", "about", "message"),
    [
        ("mit_b2", "ResNetBackbone", {}, "of mit_b2, a MiTBackbone.*a ResNetBackbone"),
        ("ResNet50", "ResNetBackbone", {}, "expected a preset of ResNet50"),
        (
            "mit_b2",
            "MiTBackbone",
            {"layerwise_depths": [2, 2, 2, 2]},
            r"a MiTBackbone, layerwise_depths \[2, 2, 2, 2\]\. Set `model\.encoder`",
        ),
    ],
)
def test_a_preset_of_another_encoder_is_refused(
    encoder, kind, about, message, tmp_path
):
    wanted = make(encoder, write_preset(tmp_path / "preset", kind, **about))
    with pytest.raises(ValueError, match=message):
        encoders.load_weights(None, wanted)


def test_a_folder_that_is_no_preset_is_refused(tmp_path):
    wanted = make("mit_b2", f"model.encoder_weights={tmp_path}")
    with pytest.raises(ValueError, match=r"config\.json: expected a preset of keras_h"):
        encoders.load_weights(None, wanted)


def test_a_preset_without_weights_is_refused(tmp_path):
    wanted = make("mit_b0", write_preset(tmp_path / "preset", "MiTBackbone"))
    with pytest.raises(ValueError, match=r"preset/model\.weights\.h5, which does not"):
        encoders.load_weights(None, wanted)


@pytest.mark.parametrize(
    ("about", "mean", "deviation"),
    [
        # Pixels in -1..1, for all channels alike.
        ({"scale": 1 / 127.5, "offset": -1.0}, [0.5] * 3, [0.5] * 3),
        ({"scale": [1, 0.5, 1]}, [0] * 3, [1 / 255, 2 / 255, 1 / 255]),
        ({"scale": None, "offset": [-51, 0, 0]}, [0.2, 0, 0], [1 / 255] * 3),
    ],
)
def test_a_preset_may_say_how_its_images_are_scaled(about, mean, deviation, tmp_path):
    content = json.dumps({"class_name": "MiTImageConverter", "config": about})
    (tmp_path / "image_converter.json").write_text(content, encoding="utf-8")
    received = weights._scaling_of(tmp_path)
    np.testing.assert_allclose(received.mean, mean, atol=1e-12)
    np.testing.assert_allclose(received.deviation, deviation)


def test_a_preset_that_does_not_say_it_has_the_scaling_of_its_family(tmp_path):
    assert weights._scaling_of(tmp_path) is None
