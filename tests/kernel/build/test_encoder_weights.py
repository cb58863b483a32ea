"""Which weights each encoder of a training begins with, and how they travel."""

import pytest

from competition.core import files
from competition.core.experiment import configs
from competition.kernel.build import encoder_weights

MODEL = "keras/mit/keras/mit_b0_ade20k_512/4"
WIDTHS = "model.widths=[4, 4, 4, 8, 8]"


def trained(**encoders):
    """Configs of runs, each over an encoder by its name; None is none."""
    return {
        name: configs.load(
            "smoke", (f"model.encoder={encoder}", WIDTHS) if encoder else ()
        )
        for name, encoder in encoders.items()
    }


@pytest.fixture
def preset(tmp_path):
    for name in ("config.json", "model.weights.h5", "tokenizer.json"):
        files.write_text(tmp_path / "mit_b0" / name, name)
    return str(tmp_path / "mit_b0")


@pytest.fixture
def file(tmp_path):
    files.write_text(tmp_path / "b0_notop.h5", "weights")
    return str(tmp_path / "b0_notop.h5")


def test_each_run_has_the_weights_that_name_it_or_its_encoder(file):
    runs = trained(one="mit_b0", two="EfficientNetB0", plain=None)
    given = [f"two:{file}", f"one:{MODEL}"]
    assert encoder_weights.of_runs(given, runs) == {"one": MODEL, "two": file}
    both = trained(one="mit_b0", two="mit_b0", plain=None)
    assert encoder_weights.of_runs([MODEL], both) == {"one": MODEL, "two": MODEL}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("/no/where.h5", r"expected the path of a file .* Received: /no/where\.h5, wh"),
        ("weights/b0.h5", r"a dataset of Kaggle \(owner/slug\).* Received: weights/b0"),
        ("imagenet", "Received: imagenet, which is no path"),
        ("keras/mit/keras", "owner/model/framework/variation/version.*Received: keras"),
        (
            "keras/mit/keras/mit_b0",
            r"a version of a model\. Add .* as keras/mit/k.*/1;",
        ),
        ("plain:ann/weights", r"plain has no encoder.*with an encoder: one, two"),
        ("ann/weights", r"share one encoder.*one mit_b0, two EfficientNetB0\. Leav"),
    ],
)
def test_weights_of_no_encoder_and_of_no_place_are_refused(given, message):
    runs = trained(one="mit_b0", two="EfficientNetB0", plain=None)
    with pytest.raises(ValueError, match=message):
        encoder_weights.of_runs([given], runs)


def test_an_experiment_without_an_encoder_takes_no_weights(file):
    with pytest.raises(ValueError, match=r"encoder\)\. Received: none\. Leave it out"):
        encoder_weights.of_runs([file], trained(unet=None))


def test_a_folder_that_is_no_preset_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"a preset's folder, with config\.json and mo"
    ):
        encoder_weights.of_runs([str(tmp_path)], trained(unet="mit_b0"))


def test_what_lies_here_travels_and_what_lies_on_kaggle_is_attached(file, preset):
    by_run = {"a": file, "b": preset, "c": MODEL, "d": "ann/weights", "e": file}
    sent = encoder_weights.contents(by_run)
    assert list(sent) == [
        "weights/0/b0_notop.h5",
        "weights/1/mit_b0/config.json",
        "weights/1/mit_b0/model.weights.h5",
    ]
    assert sent["weights/0/b0_notop.h5"].read_text("utf-8") == "weights"
    assert encoder_weights.sources(by_run) == (["ann/weights"], [MODEL])
