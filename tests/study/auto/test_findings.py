"""What is found in prepared data, and how bright neighbouring slices are."""

import dataclasses

import numpy as np

from competition.study.auto import choices, findings


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
