import csv

import numpy as np
import pytest

from competition.sources import phantom
from competition.sources.phantom import faults

NAMES = ("large_bowel", "small_bowel", "stomach")
KINDS = ("moved", "shifted", "dropped", "swapped")


@pytest.fixture
def planes():
    """Three boxes in 24 slices of 100 x 120 pixels, with room to be shifted."""
    planes = np.zeros((24, 100, 120, 3), bool)
    planes[6:18, 40:50, 40:50, 0] = True
    planes[6:16, 40:50, 52:60, 1] = True
    planes[8:14, 52:60, 40:50, 2] = True
    return planes


def planted(planes, kind, seed=0):
    changed, (fault,) = faults.plant(planes, kind, np.random.default_rng(seed))
    assert fault.kind == kind
    return changed, fault


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("kind", KINDS)
def test_only_the_named_slices_and_classes_change(planes, kind, seed):
    changed, fault = planted(planes, kind, seed)
    differs = (changed != planes).any(axis=(1, 2))
    assert differs.any()
    assert set(np.flatnonzero(differs.any(axis=0))) <= set(fault.classes)
    if kind != "moved":
        slices = np.flatnonzero(differs.any(axis=1))
        assert fault.first <= slices.min() and slices.max() <= fault.last


@pytest.mark.parametrize("kind", KINDS)
def test_the_masks_given_are_left_alone(planes, kind):
    before = planes.copy()
    planted(planes, kind)
    assert (planes == before).all()


@pytest.mark.parametrize("seed", range(8))
def test_a_shift_is_30_pixels_and_loses_none(planes, seed):
    changed, fault = planted(planes, "shifted", seed)
    c = fault.classes[0]
    for index in range(fault.first, fault.last + 1):
        was, now = planes[index, ..., c], changed[index, ..., c]
        assert was.sum() == now.sum()
        away = np.argwhere(now).mean(axis=0) - np.argwhere(was).mean(axis=0)
        assert abs(np.hypot(*away) - 30) < 1


@pytest.mark.parametrize("seed", range(8))
def test_a_dropped_slice_lies_between_two_masks(planes, seed):
    changed, fault = planted(planes, "dropped", seed)
    plane = changed[..., fault.classes[0]].any(axis=(1, 2))
    assert fault.first == fault.last
    assert plane[fault.first - 1 : fault.first + 2].tolist() == [True, False, True]


def test_swapped_classes_have_each_others_masks(planes):
    changed, fault = planted(planes, "swapped")
    one, other = fault.classes
    part = slice(fault.first, fault.last + 1)
    assert (changed[part, ..., one] == planes[part, ..., other]).all()
    assert (changed[part, ..., other] == planes[part, ..., one]).all()


def test_moved_masks_keep_their_shape_and_leave_empty_slices(planes):
    changed, fault = planted(planes, "moved")
    step = fault.first - 6
    assert 3 <= abs(step) <= 5
    assert (changed == np.roll(planes, step, axis=0)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_masks_without_room_come_back_unchanged(kind):
    empty = np.zeros((4, 20, 20, 3), bool)
    changed, found = faults.plant(empty, kind, np.random.default_rng(0))
    assert not found and not changed.any()


def test_a_mask_that_fills_the_slice_cannot_be_shifted():
    full = np.ones((9, 40, 40, 1), bool)
    assert faults.plant(full, "shifted", np.random.default_rng(0))[1] == []


def test_ten_of_twelve_scans_get_one_fault_of_all_kinds():
    scans = [f"case{number}_day0" for number in range(12)]
    kinds = faults.assign(scans, np.random.default_rng(0))
    assert len(kinds) == 10 and set(kinds.values()) == set(KINDS)
    assert kinds == faults.assign(scans, np.random.default_rng(0))


def test_lines_count_slices_from_one_and_name_no_class_for_all():
    found = [
        faults.PlantedFault("swapped", 4, 6, (0, 2)),
        faults.PlantedFault("moved", 0, 9, (0, 1, 2)),
    ]
    assert faults.lines("case1_day2", found, NAMES) == [
        "case1_day2,5,7,large_bowel stomach,swapped\n",
        "case1_day2,1,10,,moved\n",
    ]


def rows(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_phantom_with_faults_differs_in_the_named_masks_alone(tmp_path):
    sound, faulty = tmp_path / "sound", tmp_path / "faulty"
    for out in (sound, faulty):
        size = {"cases": 5, "days": 1, "slices": 12, "public": True}
        phantom.write(out, **size, faults=out is faulty, seed=4)
    images = sorted((sound / "competition").rglob("*.png"))
    for image in images:
        other = faulty / image.relative_to(sound)
        assert image.read_bytes() == other.read_bytes()
    listed = {fault["scan"]: fault for fault in rows(faulty / "faults.csv")}
    assert listed and not (sound / "faults.csv").exists()
    tables = (rows(out / "competition" / "train.csv") for out in (sound, faulty))
    changed = {
        (row["id"].partition("_slice_")[0], row["class"])
        for row, other in zip(*tables, strict=True)
        if row != other
    }
    assert {scan for scan, _ in changed} == listed.keys()
    for scan, class_name in changed:
        assert class_name in (listed[scan]["class"] or class_name).split()
