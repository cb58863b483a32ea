"""A fold's weights on disk: damaged, not finite, or of another fold."""

import h5py
import keras
import numpy as np
import pytest

from competition.net import weights_file

OWNER = "fold 0 of the training 0123"
KERNEL = "layers/dense/vars/0"


@pytest.fixture
def network():
    return keras.Sequential([keras.Input((20,)), keras.layers.Dense(30)])


@pytest.fixture
def path(network, tmp_path):
    path = tmp_path / "best.weights.h5"
    weights_file.write(path, network, owner=OWNER)
    return path


def change(path, value, *, sealed=True):
    with h5py.File(path, "r+") as file:
        file[KERNEL][3, 4] = value
        if not sealed:
            del file.attrs["digest"], file.attrs["owner"]


def test_keras_loads_the_weights_as_it_saved_them(network, path):
    expected = network.get_weights()
    network.set_weights([np.zeros_like(values) for values in expected])
    network.load_weights(path)
    for one, other in zip(network.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(one, other)
    weights_file.check(path, owner=OWNER)


def test_the_same_weights_give_the_same_bytes(network, path):
    first = path.read_bytes()
    weights_file.write(path, network, owner=OWNER)
    assert path.read_bytes() == first


def test_a_changed_number_is_noticed(path):
    change(path, 0.25)
    with pytest.raises(ValueError, match=r"best\.weights\.h5: the weights are not tho"):
        weights_file.check(path, owner=OWNER)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_must_be_finite_also_in_files_of_older_versions(path, value):
    change(path, value, sealed=False)
    with pytest.raises(ValueError, match=rf"damaged \({KERNEL} holds NaN or infinity"):
        weights_file.check(path, owner=OWNER)


def test_a_file_of_an_older_version_passes(path):
    change(path, 0.25, sealed=False)
    weights_file.check(path, owner=OWNER)


def test_weights_of_another_fold_are_refused(path):
    other = OWNER.replace("fold 0", "fold 1")
    with pytest.raises(ValueError, match=f"expected weights of {other}, received fol"):
        weights_file.check(path, owner=other)


def test_a_file_without_its_owner_alone_is_refused(path):
    with h5py.File(path, "r+") as file:
        del file.attrs["owner"]
    with pytest.raises(ValueError, match="received None"):
        weights_file.check(path, owner=OWNER)


def test_damaged_bytes_are_an_error_or_change_nothing(network, path):
    whole, random = path.read_bytes(), np.random.default_rng(0)
    expected, refused = network.get_weights(), 0
    for count in [1] * 60 + [64] * 20:
        damaged = bytearray(whole)
        for place in random.integers(0, len(whole), count):
            damaged[place] ^= 1 << int(random.integers(8))
        path.write_bytes(damaged)
        try:
            weights_file.check(path, owner=OWNER)
        except ValueError as error:
            assert str(error).startswith(str(path))
            refused += 1
        else:
            network.load_weights(path)
            for one, other in zip(network.get_weights(), expected, strict=True):
                np.testing.assert_array_equal(one, other)
    assert refused > 20


def test_a_shape_larger_than_the_file_takes_no_memory(path):
    with h5py.File(path, "r+") as file:
        # The file grows by nothing: no number of it was ever written.
        file.create_dataset("large", (2**40,), np.float32)
    with pytest.raises(ValueError, match=r"large has 4398046511104 bytes, the file"):
        weights_file.check(path, owner=OWNER)
