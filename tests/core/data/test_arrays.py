"""Arrays on disk."""

import numpy as np
import pytest

from competition.core.data import arrays


@pytest.mark.parametrize("size", [0, 100, 200])
def test_a_cut_off_array_is_named_and_so_is_the_way_out(tmp_path, size):
    path = tmp_path / "case1_day0.npy"
    arrays.write(path, np.ones((2, 10, 10), np.uint16))
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ValueError, match=r"day0\.npy is damaged .* with `verify`\."):
        arrays.load(path)


def test_planes_come_back_with_their_checksum_empty_ones_too(tmp_path):
    array = np.zeros((4, 3, 5), np.uint16)
    array[1], array[2, 0, 0] = 7, 1
    path = tmp_path / "case1_day0.npy"
    checksum = arrays.write(path, array)
    np.testing.assert_array_equal(arrays.load(path), array)
    assert arrays.checksum(arrays.load(path)) == checksum
