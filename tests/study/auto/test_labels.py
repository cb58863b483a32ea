"""What masks tell, of which a sample is read."""

import numpy as np
import pytest

from competition.core.data import arrays, slice_table
from competition.study.auto import findings, labels


def counted(dataset):
    store, table = arrays.Arrays(dataset), slice_table.read(dataset)
    return sum(
        int(store.masks(scan).any(axis=(1, 2)).sum())
        for scan in slice_table.scans(table)
    )


def test_of_few_scans_all_masks_are_counted(finished):
    job, _ = finished
    assert findings.of(job.dataset).amount.positives == counted(job.dataset)


def test_of_many_scans_some_masks_are_read(finished, monkeypatch):
    job, _ = finished
    whole, read = findings.of(job.dataset), []
    monkeypatch.setattr(labels, "SCANS", 2)
    monkeypatch.setattr(labels, "SLICES", 4)
    load = arrays.Arrays.masks

    def watched(self, scan):
        read.append(scan)
        return load(self, scan)

    monkeypatch.setattr(arrays.Arrays, "masks", watched)
    sampled = findings.of(job.dataset)
    assert len(read) == 2 < sampled.amount.scans
    assert sampled.amount.positives == pytest.approx(whole.amount.positives, rel=0.3)
    assert sampled.thickness == pytest.approx(whole.thickness, rel=0.5)


def test_a_sample_is_spread_evenly():
    assert labels.spread(range(9), 3) == [0, 4, 8]
    assert labels.spread("ab", 3) == ["a", "b"]
    assert labels.spread([], 3) == []


@pytest.mark.parametrize("breadth", [2, 4, 10])
def test_the_thickness_is_that_of_what_is_thinner(breadth):
    plane = np.zeros((100, 100), bool)
    plane[:, 40 : 40 + breadth] = True
    assert labels.thickness(plane) == pytest.approx(breadth)
    assert labels.thickness(~plane) == pytest.approx(breadth)


def test_labelled_pixels_outside_of_bodies_are_counted(finished):
    job, _ = finished
    table, classes = slice_table.read(job.dataset), ["a", "b", "c"]
    assert labels.of(job.dataset, table, classes).outside == 0
    store = arrays.Arrays(job.dataset)
    volumes = [store.masks(scan) for scan in slice_table.scans(table)]
    left = sum(int((volume[:, :, :150] != 0).sum()) for volume in volumes)
    whole = sum(int((volume != 0).sum()) for volume in volumes)
    table["box_right"] = 150
    outside = labels.of(job.dataset, table, classes).outside
    assert 0 < outside == pytest.approx(1 - left / whole)


def test_classes_on_opposite_sides_of_the_body_are_named(finished, monkeypatch):
    job, _ = finished
    table = slice_table.read(job.dataset)
    scan = table["scan"][0]
    body = slice_table.grids(table)[scan].body
    volume = np.zeros((6, 400, 400), np.uint8)
    volume[2:4, 90:110, body.left + 30 : body.left + 60] = 1
    volume[2:4, 90:110, body.right - 60 : body.right - 30] = 4
    monkeypatch.setattr(arrays.Arrays, "__init__", lambda self, dataset: None)
    monkeypatch.setattr(arrays.Arrays, "masks", lambda self, scan: volume)
    table = table[table["scan"] == scan]
    found = labels.of(job.dataset, table, ["left", "liver", "right"])
    assert found.exchanged == ("left", "right")
    assert found.outside == 0


def test_slices_across_y_are_counted(finished):
    job, _ = finished
    found = findings.of(job.dataset).amount
    store, table = arrays.Arrays(job.dataset), slice_table.read(job.dataset)
    volumes = [store.masks(scan) for scan in slice_table.scans(table)]
    assert found.slices_y == sum(volume.shape[1] for volume in volumes)
    filled = sum(int(volume.any(axis=(0, 2)).sum()) for volume in volumes)
    assert found.positives_y == pytest.approx(filled, abs=1)
