"""The pictures of one scan."""

import numpy as np
import pytest

from competition.core import files, masks, rules
from competition.core.data import arrays, slices
from competition.study import show
from competition.study.show import stages
from tests import by_hand


@pytest.fixture
def scored(tmp_path):
    return by_hand.scored_run(tmp_path)


def decide(run, rule):
    decided = rules.to_json([rule] * len(run.classes), run.classes)
    files.write_json(run.files.decision, {"rules": decided, "key": "k"})


def test_a_rule_without_parts_has_the_threshold_alone(scored):
    _, run = scored
    (first, _) = stages.trace(run, "case1_day0")
    assert list(first) == ["probability", "threshold"]
    assert first["threshold"].sum() == 3 * 6 * 6


def test_every_part_that_is_on_is_a_stage_and_the_last_is_the_mask(scored):
    dataset, run = scored
    decide(run, rules.Rule(gate=(12, 0.6, 0.5), pixels=10, largest=1, holes=True))
    (first, _) = stages.trace(run, "case1_day0")
    assert list(first) == [
        "probability", "threshold", "gate", "pixels", "largest", "holes",
    ]  # fmt: skip
    truth = masks.plane(arrays.Arrays(dataset).masks("case1_day0"), 0)
    np.testing.assert_array_equal(first["holes"], truth)


def test_a_part_that_takes_all_away_shows_nothing_left(scored):
    dataset, run = scored
    decide(run, rules.Rule(voxels=1000))
    result = show.run(dataset, run, scan="case1_day0")
    assert result["voxels"]["bowel"] == {"threshold": 108, "voxels": 0}


def test_the_picture_lies_in_the_run_and_shows_slices_with_masks(scored):
    dataset, run = scored
    result = show.run(dataset, run, scan="case2_day0", count=2)
    path = run.files.root / "show" / "case2_day0.png"
    assert result["picture"] == str(path)
    assert set(result["slices"]) <= {2, 3, 4}
    assert path.read_bytes().startswith(b"\x89PNG")


def test_an_unknown_scan_names_some_that_there_are(scored):
    dataset, run = scored
    with pytest.raises(ValueError, match=r"no scan 'case9_day9'\. .* case1_day0"):
        show.run(dataset, run, scan="case9_day9")


def test_a_scan_that_no_trained_fold_held_out_is_an_error(finished):
    job, _ = finished
    table = slices.read(job.dataset.slices)
    scan = slices.scans(table[table["fold"] > 1])[0]
    with pytest.raises(ValueError, match=r"held out by no fold of smoke\. Expected"):
        show.run(job.dataset, job.run, scan=scan)
