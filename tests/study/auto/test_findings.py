"""What is found in prepared data, of which masks are read in a sample."""

import dataclasses

import numpy as np
import pytest

from competition.core.data import arrays, slice_table
from competition.study.auto import choices, findings


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
    monkeypatch.setattr(findings, "SCANS", 2)
    monkeypatch.setattr(findings, "SLICES", 4)
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
    assert findings.spread(range(9), 3) == [0, 4, 8]
    assert findings.spread("ab", 3) == ["a", "b"]
    assert findings.spread([], 3) == []


@pytest.mark.parametrize("breadth", [2, 4, 10])
def test_the_thickness_is_that_of_what_is_thinner(breadth):
    plane = np.zeros((100, 100), bool)
    plane[:, 40 : 40 + breadth] = True
    assert findings.thickness(plane) == pytest.approx(breadth)
    assert findings.thickness(~plane) == pytest.approx(breadth)


def test_neighbours_differ_more_where_each_slice_was_stretched():
    random = np.random.default_rng(0)
    rows = np.linspace(0, 6, 40)
    scene = 500 + 300 * np.sin(rows[:, None] + rows + rows[:20, None, None] / 9)
    for gains in (np.ones(20), random.uniform(0.2, 1, 20)):
        volume = (scene * gains[:, None, None]).astype(np.uint16)
        own = np.stack([volume.min(axis=(1, 2)), volume.max(axis=(1, 2))], axis=1)
        of_scan = np.tile([volume.min(), volume.max()], (20, 1))
        jump = findings.jump(volume, {"slice": own, "scan": of_scan})
        assert jump < 1.01 if gains.min() == 1 else jump > 2


def test_a_scan_without_anything_does_not_jump(finished):
    job, _ = finished
    empty, window = np.zeros((3, 4, 4), np.uint16), np.tile([0.0, 1.0], (3, 1))
    assert findings.jump(empty, {"slice": window, "scan": window}) == 1
    assert 0.9 < findings.of(job.dataset).jump < 1.02


def test_it_decides_how_slices_are_scaled(finished):
    job, _ = finished
    found = findings.of(job.dataset)
    for jump, intensity in ((1.0, "scan"), (1.3, "slice")):
        changed = dataclasses.replace(found, jump=jump)
        assert choices.intensity(changed).value == intensity
