"""Which scans of a score are shown as examples."""

import pytest

from competition.core.pages import examples


def result(scores):
    """A score of scans "a", "b", ... of one class each."""
    names = [chr(ord("a") + index) for index in range(len(scores))]
    return {
        "by_scan": {
            name: {"bowel": {"score_per_class": score}}
            for name, score in zip(names, scores, strict=True)
        }
    }


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([], []),
        ([0.5], ["Worst a"]),
        ([0.5, 0.2], ["Worst b", "Best a"]),
        ([0.5, 0.2, 0.9], ["Worst b", "Median a", "Best c"]),
        ([0.5, None, 0.2, 0.9, 0.1], ["Worst e", "Median c", "Best d"]),
    ],
)
def test_the_worst_median_and_best_scan_are_each_named_once(scores, expected):
    rows = examples.ranked(result(scores))
    chosen = [f"{word} {row['scan']}" for word, row in examples.chosen(rows)]
    assert chosen == expected


def test_examples_have_words():
    assert examples.words(result([0.5, 0.2, 0.9])) == {
        "a": "median", "b": "worst", "c": "best"
    }  # fmt: skip


def test_scans_without_a_score_come_last_and_the_first_stands_for_all_of_them():
    rows = examples.ranked(result([None, 0.5, None]))
    assert [row["scan"] for row in rows] == ["b", "a", "c"]
    assert examples.scans(result([None, None])) == ["a"]
    assert examples.scans(result([])) == []


def test_the_score_of_a_scan_is_the_mean_of_its_classes_that_have_one():
    scores = {"bowel": 0.5, "liver": None, "stomach": 1.0}
    by_class = {name: {"score_per_class": score} for name, score in scores.items()}
    (row,) = examples.ranked({"by_scan": {"a": by_class}})
    assert row["score"] == 0.75
