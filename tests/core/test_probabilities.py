"""Stored predictions."""

import numpy as np
import pytest

from competition.core import probabilities


@pytest.fixture
def path(tmp_path):
    """The stored prediction of a scan, made by weights with the digest "d"."""
    path = tmp_path / "case1_day0.npz"
    values = np.random.default_rng(0).integers(0, 255, (3, 8, 9, 2), np.uint8)
    probabilities.write(path, probabilities.prediction(values), digest="d")
    return path


def test_a_prediction_survives_its_file(path):
    assert probabilities.read(path).probability.shape == (3, 8, 9, 2)
    assert probabilities.made_by(path) == "d"
    assert probabilities.is_made_by(path, "d")
    assert not probabilities.is_made_by(path, "e")


def test_a_damaged_file_is_named_and_is_predicted_again(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"day0\.npz is damaged .*predict` again"):
        probabilities.read(path)
    assert not probabilities.is_made_by(path, "d")


def test_a_bit_that_says_that_it_is_encrypted_is_damage(path):
    data = bytearray(path.read_bytes())
    # The flags of the first entry of the archive's list of entries.
    data[data.index(b"PK\x01\x02") + 8] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"day0\.npz is damaged"):
        probabilities.read(path)


@pytest.mark.parametrize(
    ("arrays", "fault"),
    [
        ({}, "is damaged"),
        ({"probability": np.zeros((3, 8, 9, 2))}, "must be uint8. Received: float64"),
        ({"presence": np.zeros((2, 2), np.uint8)}, "received the shapes"),
        ({"probability": np.array([None, "x"], object)}, "is damaged"),
    ],
)
def test_arrays_of_another_form_are_named(path, arrays, fault):
    whole = {
        "probability": np.zeros((3, 8, 9, 2), np.uint8),
        "presence": np.zeros((3, 2), np.uint8),
    }
    np.savez(path, **(whole | arrays if arrays else {}))
    with pytest.raises(ValueError, match=rf"day0\.npz.*{fault}"):
        probabilities.read(path)
    assert not probabilities.is_made_by(path, "d")


def test_an_empty_file_is_named(path):
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"day0\.npz is damaged"):
        probabilities.read(path)


def test_the_prediction_of_another_scan_is_named_and_is_predicted_again(path):
    other = path.with_name("case2_day0.npz")
    path.rename(other)
    with pytest.raises(ValueError, match=r"2_day0\.npz: exp.* of case1_day0\. Del"):
        probabilities.read(other)
    with pytest.raises(ValueError, match="received those of case1_day0"):
        probabilities.made_by(other)
    assert not probabilities.is_made_by(other, "d")
