"""The size that slices are brought to: by all of them, by most, or by their spacing."""

import numpy as np
import pytest

from competition.core import geometry
from competition.core.experiment import configs
from competition.study.auto import choices, frames, writing


def of(sizes, spacings=(1.0,)):
    """The frame of square slices with square pixels."""
    count = max(len(sizes), len(spacings))
    sides = np.resize(sizes, count), np.resize(spacings, count)
    return frames.of(*(np.stack([side, side], axis=1) for side in sides))


def test_slices_that_differ_little_are_padded_to_the_largest():
    # The competition's: a few have other pixels.
    frame = of([266, 310, 276, 234], [1.5, 1.5, 1.63, 1.5])
    assert (frame.height, frame.width, frame.fit) == (310, 310, "pad")


def test_one_large_slice_does_not_decide_for_all():
    frame = of([400] * 23 + [2000])
    assert (frame.height, frame.width, frame.fit) == (400, 400, "letterbox")
    assert "2000 x 2000" in frame.reason and "nine in ten" in frame.about
    # It is no exception among so few, nor where it saves little.
    assert of([400] * 9 + [2000]).height == 2000
    assert of([400] * 23 + [500]).height == 500


def test_slices_of_both_orientations_fit_in():
    sizes = np.array([(600, 400)] * 12 + [(400, 600)] * 12)
    frame = frames.of(sizes, np.ones((24, 2)))
    assert (frame.height, frame.width, frame.fit) == (600, 600, "pad")


def test_slices_whose_spacings_differ_are_scaled_to_the_median():
    frame = of([500, 250, 100], [0.5, 1.0, 2.5])
    assert (frame.height, frame.fit, frame.spacing_mm) == (250, "spacing", 1.0)
    assert of([500], [1.0, 1.4]).fit == "pad"


def test_a_spacing_that_must_be_wrong_scales_nothing():
    assert of([300], [1.0, 1.0, 1000.0]).fit == "pad"
    assert of([300], [1.0] * 20 + [1000.0]).fit == "pad"


@pytest.mark.parametrize("scale", [1.0, 0.7, 0.35])
def test_no_slice_is_cropped_whatever_the_spacing(scale):
    sizes = np.array([(512, 512), (301, 255), (96, 128)])
    spacings = np.array([(0.53, 0.53), (0.97, 0.97), (4.5, 4.1)])
    lines = choices.geometry(frames.of(sizes, spacings), scale)
    config = configs.load("base", tuple(map(writing.override, lines))).geometry
    assert config.fit == "spacing"
    for size, spacing in zip(sizes, spacings, strict=True):
        height, width = geometry.Grid(tuple(size), tuple(spacing)).scaled(config)
        assert height <= config.height and width <= config.width
        # The same length is as many pixels in all of them.
        assert height == pytest.approx(size[0] * spacing[0] * scale / 0.97, abs=1)


def test_one_scan_of_another_spacing_does_not_set_the_size_of_all():
    sizes = np.array([[512, 512]] * 25)
    spacings = np.array([[0.4, 0.4]] * 12 + [[0.8, 0.8]] * 13)
    assert frames.of(sizes, spacings).fit == "spacing"
    spacings[-1] = 2.4
    found = frames.of(sizes, spacings)
    assert (found.fit, found.height, found.width) == ("pad", 512, 512)
