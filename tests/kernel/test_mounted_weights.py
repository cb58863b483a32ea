"""Encoder weights among a kernel's inputs, found by what they are."""

import json

import pytest

from competition.core import files
from competition.kernel import mounted_weights

ABOUT = {"run": "gated"}


def entry(run, **where):
    return {"run": run, "encoder": "mit_b0", **where}


def published(path, encoder):
    """Write weights of an encoder as they are published: legacy .h5, or a preset."""
    import h5py
    from keras.src.legacy.saving import legacy_h5_format

    from competition.net.networks.encoders import families

    whole = families.FAMILIES[encoder].build(encoder, (32, 32, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix:
        with h5py.File(path, "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(file, whole)
        return path
    about = {"module": "keras_hub", "class_name": "MiTBackbone", "config": {}}
    files.write_json(path / "config.json", about)
    whole.save_weights(path / "model.weights.h5")
    return path


def test_weights_are_found_by_loading_them_into_the_encoder(tmp_path):
    inputs = tmp_path / "input"
    bundle = inputs / "bundle"
    preset = published(inputs / "models/keras/mit/keras/mit_b0/4", "mit_b0")
    # Neither the bundle's own, nor a fold of a run, nor something else is taken for it.
    for name in ("config.json", "model.weights.h5"):
        files.write_text(bundle / "weights/0/mit_b0" / name, "sent")
    files.write_text(inputs / "notebooks/ann/runs/one/fold0/best.weights.h5", "fold")
    files.write_json(inputs / "other/config.json", {"class_name": "ResNetBackbone"})
    files.write_text(inputs / "other/model.weights.h5", "no weights")
    about = ABOUT | {
        "weights": [
            entry("gated", source="keras/mit/keras/mit_b0/4"),
            entry("small", file="weights/0/mit_b0"),
            entry("plain", value="none"),
        ]
    }
    assert mounted_weights.overrides(inputs, bundle, about) == [
        f'model.encoder_weights="{preset}"',
        f'small:model.encoder_weights="{bundle / "weights/0/mit_b0"}"',
        'plain:model.encoder_weights="none"',
    ]


def test_a_file_of_keras_applications_is_tried_in_its_layout(tmp_path, capsys):
    file = published(tmp_path / "b0_notop.h5", "EfficientNetB0")
    files.write_text(tmp_path / "other.h5", "no")
    mounted_weights.main("EfficientNetB0", str(tmp_path / "other.h5"), str(file))
    faults = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert "other.h5: not weights of a EfficientNetB0" in faults[0]
    assert faults[1] == ""


@pytest.fixture
def inputs(tmp_path, monkeypatch):
    """Two datasets, of which each file that says "fits" does."""

    def tried(encoder, paths):
        return ["" if "fits" in p.read_text("utf-8") else f"{p} is no" for p in paths]

    monkeypatch.setattr(mounted_weights, "_try", tried)
    files.write_text(tmp_path / "a" / "one.h5", "fits")
    files.write_text(tmp_path / "b" / "two.h5", "")
    return tmp_path


def find(inputs):
    return mounted_weights.find(inputs, inputs / "bundle", "mit_b0", "ann/weights")


def test_the_same_file_under_two_mounts_is_one(inputs):
    (inputs / "again").symlink_to(inputs / "a")
    assert find(inputs).samefile(inputs / "a" / "one.h5")


def test_none_or_two_that_fit_are_named_with_what_to_do(inputs):
    (inputs / "b" / "two.h5").write_text("fits")
    message = r"one file .* of mit_b0, of ann/weights\. Received:\n.*one\.h5\n.*two"
    with pytest.raises(ValueError, match=message):
        find(inputs)
    for name in ("a/one.h5", "b/two.h5"):
        (inputs / name).write_text("")
    with pytest.raises(ValueError, match=r"one\.h5 is no\n.*two\.h5 is no\nAttach ann"):
        find(inputs)
    for name in ("a/one.h5", "b/two.h5"):
        (inputs / name).unlink()
    with pytest.raises(ValueError, match=r"Received:\n  none\n"):
        find(inputs)
