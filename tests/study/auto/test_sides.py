"""Classes that a mirror would exchange, by places in mm from the body's middle."""

import numpy as np
import pytest

from competition.core import geometry
from competition.study.auto import sides
from competition.study.auto.sides import Place

LEFT, RIGHT = Place(100, 40.0, 120.0, -70.0), Place(120, 55.0, 115.0, 62.0)
KIDNEYS = {0: LEFT, 2: RIGHT}


def test_kidneys_are_exchanged_and_may_lack_in_some_scans():
    assert sides.exchanged([KIDNEYS] * 10) == (0, 2)
    assert sides.exchanged([KIDNEYS] * 6 + [{0: LEFT}] * 4) == (0, 2)
    assert sides.exchanged([KIDNEYS] * 4 + [{0: LEFT}] * 6) is None
    assert sides.exchanged([]) is None and sides.exchanged([{}]) is None


@pytest.mark.parametrize("others", [1, 2])
def test_they_are_the_same_way_round_in_nearly_all_scans(others):
    turned = {0: RIGHT, 2: LEFT}
    scans = [KIDNEYS] * (10 - others) + [turned] * others
    assert sides.exchanged(scans) == ((0, 2) if others == 1 else None)


@pytest.mark.parametrize(
    "other",
    [
        # A bowel beside a stomach: near the middle, or farther down, or larger.
        Place(100, 40.0, 120.0, 20.0),
        Place(100, 110.0, 120.0, 70.0),
        Place(100, 40.0, 200.0, 70.0),
        Place(201, 40.0, 120.0, 70.0),
        # On the same side.
        Place(100, 40.0, 120.0, -30.0),
    ],
)
def test_what_is_no_mirror_image_is_not_exchanged(other):
    assert sides.exchanged([{0: LEFT, 1: other}] * 10) is None


def test_places_are_in_mm_from_the_middle_of_the_body():
    moments = np.zeros((3, 4))
    plane = np.zeros((10, 20), bool)
    plane[4:6, 2] = True
    for index in (1, 4):
        moments[2] += sides.moments(plane, index)
    body = geometry.Box(0, 10, 1, 12)
    # The columns 1 to 11 have their middle at 6.
    assert sides.places(moments, body, (3.0, 2.0, 1.5)) == {2: Place(4, 7.5, 9.0, -6.0)}
