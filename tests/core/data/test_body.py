"""The box around the body."""

import csv
import itertools
import os

import numpy as np
import pytest

from competition.core import rle
from competition.core.data import body, images, intensities
from competition.sources import phantom
from competition.sources.phantom import anatomy, scanner

SEEDS = range(20) if os.environ.get("SOAK") else range(2)


def is_inside(box, organs):
    """Whether all pixels of organs (H, W) lie in the box."""
    assert organs.any()
    outside = organs.copy()
    outside[box.slices] = False
    return not outside.any()


def test_the_box_is_that_of_the_bright_part_with_a_margin():
    volume = np.random.default_rng(0).integers(0, 60, (40, 90, 120)).astype(np.uint16)
    volume[:, 30:60, 40:80] += 500
    top, bottom, left, right = body.box(volume)
    assert 30 - body.MARGIN - 3 <= top <= 30 - body.MARGIN
    assert 60 + body.MARGIN <= bottom <= 60 + body.MARGIN + 3
    assert 40 - body.MARGIN - 3 <= left <= 40 - body.MARGIN
    assert 80 + body.MARGIN <= right <= 80 + body.MARGIN + 3


def test_a_body_at_the_border_keeps_the_box_within_the_slice():
    volume = np.zeros((3, 20, 24), np.uint16)
    volume[:, 4:, 6:] = 100
    assert body.box(volume) == (0, 20, 0, 24)


@pytest.mark.parametrize("grey", [0, 300])
def test_a_scan_of_one_grey_value_has_no_body(grey):
    assert body.box(np.full((4, 20, 24), grey, np.uint16)) is None


@pytest.mark.parametrize("seed", SEEDS)
def test_no_organ_of_a_phantom_lies_outside(seed):
    for scan in phantom.plan(cases=4, days=2, slices=16, seed=seed):
        case = anatomy.draw_body(
            np.random.default_rng([seed, scan.case]),
            scan.grid.height * scan.grid.spacing_mm,
            scan.turn,
        )
        random = np.random.default_rng([seed, scan.case, scan.day + 1])
        drawn = anatomy.another_day(case, random)
        distances = anatomy.distances(drawn, scan.grid)
        organs = anatomy.masks(drawn, scan.grid, distances)
        slices = scanner.slices(drawn, scan.grid, (distances, organs), random)
        box = body.box(np.stack(list(slices)))
        assert is_inside(box, organs.any(axis=(0, -1)))
        assert np.prod(box.shape) < 0.9 * np.prod(scan.grid.height * scan.grid.width)


def test_no_label_of_the_real_scans_lies_outside(real):
    data = real / "uw_madison" / "scans_8bit"
    found = images.find(data, "train")
    shapes = {image.id: image.shape for image in found}
    with (data / "train.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["segmentation"]]
    for scan, of_scan in itertools.groupby(found, lambda image: image.scan):
        volume, _, _ = intensities.read_scan(data, list(of_scan))
        organs = np.zeros(volume.shape[1:], bool)
        for row in rows:
            if row["id"].startswith(f"{scan}_"):
                organs |= rle.decode(row["segmentation"], shapes[row["id"]])
        box = body.box(volume)
        assert is_inside(box, organs)
        assert np.prod(box.shape) < 0.75 * organs.size
