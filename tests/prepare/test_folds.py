"""Folds keep cases apart."""

import numpy as np
import pandas as pd
import pytest

from competition.prepare import folds


def test_no_fold_is_empty_and_all_have_about_as_much():
    random = np.random.default_rng(0)
    amounts = random.integers(0, 1000, (40, 4))
    given = folds.assign(amounts, count=5, seed=0)
    shares = np.stack([amounts[given == fold].sum(axis=0) for fold in range(5)])
    assert sorted(set(given)) == [0, 1, 2, 3, 4]
    assert (np.abs(shares / amounts.sum(axis=0) - 0.2) < 0.05).all()


def test_the_seed_decides_and_repeats():
    amounts = np.ones((12, 2))
    one, same = (folds.assign(amounts, 3, seed=1) for _ in range(2))
    assert (one == same).all()
    assert (one != folds.assign(amounts, 3, seed=2)).any()


def test_a_class_that_nobody_has_changes_nothing():
    assert set(folds.assign(np.array([[1, 0], [1, 0]]), 2, seed=0)) == {0, 1}


@pytest.mark.parametrize("count", [1, 4])
def test_one_fold_or_more_folds_than_cases_is_an_error(count):
    with pytest.raises(
        ValueError, match=rf"3 cases .* 2 to 3 folds\. Received: {count}"
    ):
        folds.assign(np.ones((3, 1)), count, seed=0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("case,part\n1,0\n", "expected the columns case, fold; received case, part"),
        ("case,fold\n1,0\n1,1\n2,0\n", "case 1 stands in 2 folds"),
        ("case,fold\n1,0\n3,1\n", "no fold for case 2"),
        ("case,fold\n1,0.5\n2,1\n", "whole numbers 0, 1, .* Received: 0.5, 1.0"),
        ("case,fold\n1,-1\n2,0\n", "whole numbers 0, 1"),
        ("case,fold\n1,5\n2,7\n", "none left out"),
        ("case,fold\n1,0\n2,0\n", "two at least"),
        ("case,fold\n1,a\n2,0\n", "whole numbers"),
        ("case,fold\n1,0\n2,2\n3,1\n", "fold 1 holds none of the cases"),
        ("", r"folds\.csv: expected a CSV with the columns"),
    ],
)
def test_a_wrong_fold_file_is_named(text, message):
    table = pd.DataFrame({"case": [1, 2]})
    with pytest.raises(ValueError, match=message):
        folds.parse(text, table, name="folds.csv")


def test_a_fold_file_decides():
    table = pd.DataFrame({"case": [1, 2, 1]})
    given = folds.parse("case,fold\n2,0\n1,1\n", table, name="folds.csv")
    assert given.tolist() == [1, 0, 1]
