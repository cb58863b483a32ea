"""The slices and steps that are counted for an experiment."""

import dataclasses

from competition.core.experiment import configs
from competition.study import amounts

DATA = amounts.Amounts(slices=100, positives=10, scans=10, pixels=10**4)


def test_across_y_what_was_counted_is_taken():
    front = configs.load("smoke", ("axis=y", "intensity=scan", "model.presence=false"))
    assert amounts.slices(front, DATA) == 100
    assert amounts.share(front, DATA) == 0.1
    counted = dataclasses.replace(DATA, slices_y=200, positives_y=50)
    assert amounts.slices(front, counted) == 200
    assert amounts.share(front, counted) == 0.25
    assert amounts.slices(configs.load("smoke"), counted) == 100


def test_a_scan_has_the_mean_number_of_slices():
    assert DATA.depth == 10
    assert dataclasses.replace(DATA, slices=3).depth == 1
