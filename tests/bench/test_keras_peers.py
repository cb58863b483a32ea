"""`-m bench.peers.keras_peers`: this project's answers, and those of made packages."""

import types

import keras
import numpy as np
import pytest

from bench.peers import keras_peers, keras_questions
from bench.peers.keras_packages import own

on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="all packages are asked on it"
)


@pytest.fixture
def encoders():
    """Skip where the library is missing of which our encoder is."""
    pytest.importorskip("keras_hub")


def _made(**has):
    return types.SimpleNamespace(**has)


def _refuse(*arguments):
    raise ValueError(
        "Height and width must divide by 32, as every encoder halves them."
    )


def test_a_table_has_a_column_for_each_package_and_a_row_for_each_question():
    lines = keras_peers.table({"own": {"odd": "yes"}, "peer": {"odd": "no"}})
    assert lines == ["|  | own | peer |", "| --- | --- | --- |", "| odd | yes | no |"]


def test_our_unet_over_an_encoder_keeps_an_odd_size(encoders):
    assert keras_questions.odd_size(own) == "yes"


def test_a_refusal_is_told_with_the_beginning_of_its_reason():
    said = "no (Height and width must divide by 32, as every ...)"
    assert keras_questions.odd_size(_made(network=_refuse)) == said


def test_another_size_is_told():
    network = types.SimpleNamespace(output_shape=(None, 96, 112, 1))
    package = _made(network=lambda *size: network)
    assert keras_questions.odd_size(package) == "no: (96, 112)"


def test_our_dice_of_two_slices_falls_to_a_half_by_a_false_positive_on_one():
    said = keras_questions.false_positive(own)
    assert said == "yes: 1.000 to 0.500 (dice)"


def test_a_dice_that_leaves_empty_slices_out_sees_no_false_positive():
    def of_organs(truth, predicted):
        return 2 * (truth * predicted).sum() / (truth + predicted)[:1].sum()

    said = keras_questions.false_positive(_made(DICE={"organs": of_organs}))
    assert said == "no: 1.000 to 1.000 (organs)"


@on_tensorflow
def test_our_dice_loss_of_an_empty_slice_is_small_where_nothing_is_predicted():
    # 0.2 of 4096 pixels at 0.0001 beside 4.1 pixels of smoothing.
    assert keras_questions.empty_mask(own) == "0.000, 0.048, 0.998"
    assert float(keras_questions.gradient_alone(own)) > 0.01
    assert float(keras_questions.gradient_beside(own)) > 0.001


@on_tensorflow
def test_a_gradient_that_is_not_finite_is_told():
    package = _made(dice_loss=lambda truth, logits: logits * np.inf)
    assert keras_questions.gradient_alone(package) == "not finite"


def test_our_encoder_begins_with_weights_of_three_channels_on_five_slices(encoders):
    assert keras_questions.weights_on_slices(own) == "3: yes, 5: yes"


def test_weights_that_are_not_those_of_the_file_are_told():
    encoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    package = _made(encoder=lambda: encoder, pretrained=lambda path, channels: other)
    said = "no: the weights are others"
    assert keras_questions.weights_on_slices(package) == f"3: {said}, 5: {said}"


def test_a_missing_file_is_refused_by_us_and_silence_about_it_is_told(encoders):
    assert keras_questions.absent_weights(own) == "yes"
    silent = _made(pretrained=lambda path, channels: None)
    assert "nothing is said" in keras_questions.absent_weights(silent)


def test_our_networks_in_3d_refuse_an_encoder():
    assert keras_questions.volumetric(own) == "no"


@on_tensorflow
def test_our_network_is_the_same_in_a_new_process(encoders):
    assert keras_questions.reload(own) == "yes"


def test_a_process_that_fails_is_an_error_that_holds_its_last_words():
    with pytest.raises(RuntimeError, match="no module named nothing at all"):
        keras_questions.run(
            ["sh", "-c", "echo no module named nothing at all >&2; false"]
        )
