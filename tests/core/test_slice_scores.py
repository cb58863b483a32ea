"""The table of slices: a row where truth or prediction has a pixel."""

import numpy as np
import pytest

from competition.core import files, metric, slice_scores
from competition.core.experiment import layout

CLASSES = ("bowel", "stomach")


@pytest.fixture
def written(tmp_path):
    """A scan of four slices: one found, one missed, one false alarm, one empty."""
    run_files = layout.RunFiles(tmp_path)
    truth, predicted = np.zeros((2, 4, 3, 3), np.uint8)
    truth[0, 0], truth[1, 0] = 1, [1, 1, 0]
    predicted[0, 0, 0], predicted[2] = 1, 1
    measured = metric.measure(truth, predicted, classes=2)
    rows = slice_scores.rows(
        "case1_day0", measured, classes=CLASSES, numbers=[7, 8, 9, 10]
    )
    digest = slice_scores.write(run_files, list(rows))
    pooled = metric.summarise({"case1_day0": measured}, CLASSES)
    files.write_json(
        run_files.score, {"oof": pooled, "slices": digest, "submission": None}
    )
    return run_files


def test_slices_are_read_back_with_their_pixels_and_dice(written):
    table = slice_scores.read(written)
    assert table.values.tolist() == [
        ["case1_day0", 7, "bowel", 3, 1, 0.5],
        ["case1_day0", 8, "bowel", 2, 0, 0.0],
        ["case1_day0", 9, "bowel", 0, 9, 0.0],
    ]


def test_presence_is_counted_by_class(written):
    table = slice_scores.read(written)
    counts = slice_scores.count(table, slices=4, classes=CLASSES)
    assert [*counts["bowel"].values()] == [1, 1, 1, 1]
    assert [*counts["stomach"].values()] == [0, 0, 0, 4]


def test_an_older_score_has_no_table(written):
    score = files.read_json(written.score)
    del score["slices"]
    files.write_json(written.score, score)
    assert slice_scores.read(written) is None


def test_a_table_that_is_missing_or_of_another_scoring_is_named(written):
    written.slices.write_text(written.slices.read_text() + "case1_day0,9,x,1,1,1\n")
    with pytest.raises(ValueError, match=r"oof_slices\.csv is not .* score` again"):
        slice_scores.read(written)
    written.slices.unlink()
    with pytest.raises(ValueError, match=r"not found\. Run `.* score` first"):
        slice_scores.read(written)
