"""The pixels of a slice's PNG, its checksum, and their faults."""

import numpy as np
import pytest

from competition.core.data import png
from tests.core.data.test_images import put


def test_a_truncated_png_is_an_error(tmp_path):
    path = put(tmp_path / "a.png", np.arange(4000, dtype=np.uint16).reshape(40, 100))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"a\.png: the PNG is truncated or damaged"):
        png.read(path, (40, 100))


def test_any_changed_byte_of_a_chunk_changes_or_voids_the_checksum(tmp_path):
    path = put(tmp_path / "a.png", np.arange(15, dtype=np.uint16).reshape(3, 5))
    whole = path.read_bytes()
    expected = png.checksum(whole)
    assert expected is not None
    for place in range(8, len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1
        assert png.checksum(bytes(changed)) is None
        assert png.checksum(whole[:place]) is None
    assert png.checksum(b"0" + whole[1:]) != expected
    put(path, np.arange(15, dtype=np.uint16).reshape(3, 5)[::-1])
    assert png.checksum(path.read_bytes()) != expected


def test_an_empty_file_is_an_error(tmp_path):
    (tmp_path / "a.png").touch()
    with pytest.raises(ValueError, match=r"expected a PNG, received 0 bytes"):
        png.read(tmp_path / "a.png", (3, 5))


def test_another_size_than_the_name_says_is_an_error(tmp_path):
    path = put(tmp_path / "a.png", np.zeros((3, 5), np.uint16))
    with pytest.raises(ValueError, match=r"expected 3 x 5 .* received 5 x 3"):
        png.read(path, (5, 3))


@pytest.mark.parametrize(
    ("array", "received"),
    [
        (np.zeros((3, 5), np.uint8), "8 bits and colour type 0"),
        (np.zeros((3, 5, 3), np.uint16), "16 bits and colour type 2"),
    ],
)
def test_eight_bits_or_colour_is_an_error(tmp_path, array, received):
    path = put(tmp_path / "a.png", array)
    with pytest.raises(ValueError, match=f"16-bit grey PNG, received {received}"):
        png.read(path, (3, 5))
