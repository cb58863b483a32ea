"""The slices of an epoch, by the config's `sampling.slices`."""

import numpy as np
import pytest

from competition.core.experiment import schema
from competition.net.input import sampling

# Four with class 0, one with class 1 alone, one with both, ten empty.
PRESENT = np.array([1] * 4 + [2, 3] + [0] * 10)


def kind(slices: str, empties: float = 0.2) -> schema.Sampling:
    return schema.Sampling(slices=slices, empties=empties)


def order(slices: str, *, epoch: int = 0, empties: float = 0.2) -> np.ndarray:
    return sampling.order(PRESENT, kind(slices, empties), seed=0, epoch=epoch)


def test_all_shows_every_slice_once():
    assert sorted(order("all")) == list(range(16))
    assert (order("all") != order("all", epoch=1)).any()


def test_positives_come_with_a_share_of_empties_that_changes():
    epochs = [order("positives", epoch=epoch) for epoch in range(20)]
    for rows in epochs:
        assert sorted(rows)[:6] == list(range(6))
        assert len(set(rows)) == 8
    assert len(set(np.concatenate(epochs))) == 16


def test_without_empties_only_positives_are_left():
    assert sorted(order("positives", empties=0.0)) == list(range(6))


def test_balanced_draws_each_class_equally_often():
    assert len(order("balanced")) == 8
    rows = order("balanced", empties=0.0)
    assert len(rows) == 6
    # Three for class 1, of which there are but two; three for class 0, of five.
    of_second = (PRESENT[rows] & 2 > 0).sum()
    assert 3 <= of_second <= 4
    epochs = [order("balanced", empties=0.0, epoch=epoch) for epoch in range(20)]
    assert all({4, 5} <= set(rows) for rows in epochs)


@pytest.mark.parametrize("slices", ["positives", "balanced"])
def test_an_epoch_is_repeatable(slices):
    np.testing.assert_array_equal(order(slices, epoch=3), order(slices, epoch=3))


def test_presence_is_read_from_the_masks_of_the_rows(table, store):
    shuffled = table.sample(frac=1, random_state=0).reset_index(drop=True)
    present = sampling.presence(shuffled, store)
    np.testing.assert_array_equal(present, np.where(shuffled["index"] == 0, 0, 3))
