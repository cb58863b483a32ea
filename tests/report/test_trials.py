"""The trials of a search on the page of its experiment."""

import pytest

from competition.core import files
from competition.core.experiment import configs, layout
from competition.report import trials

TABLE = """trial,state,score,epochs,seconds,training.learning_rate,decide.x,fault
0,complete,0.5,6,60.5,0.001,True,
1,pruned,0.9,2,20.0,0.5,False,
2,failed,,0,1.0,0.2,True,no memory
3,complete,0.75,6,70.0,0.00001234567,True,
"""


@pytest.fixture
def search(tmp_path):
    return layout.SearchFiles(tmp_path / "search")


def summary(search, text=TABLE):
    files.write_text(search.table, text)
    return trials.summary(search, configs.load("smoke"))


def test_without_a_search_there_is_nothing(search):
    assert trials.summary(search, configs.load("smoke")) is None


def test_the_best_values_stand_beside_those_of_the_run(search):
    found = summary(search)
    assert found["best"]["trial"] == 3
    assert found["states"] == {"complete": 2, "pruned": 1, "failed": 1}
    assert found["chosen"] == [
        {"key": "training.learning_rate", "best": "0.00001235", "here": "0.003"},
        {"key": "decide.x", "best": "yes", "here": "none"},
    ]


def test_equal_values_look_alike(search):
    config = configs.load("smoke", ("model.widths=[8, 16, 16]",))
    text = TABLE.replace("decide.x", "model.widths").replace("True", '"[8, 16, 16]"')
    files.write_text(search.table, text)
    _, widths = trials.summary(search, config)["chosen"]
    assert widths["best"] == widths["here"] == "8, 16, 16"


def test_scores_are_drawn_by_trial_and_by_each_number(search):
    by_trial, by_rate = (each.chart for each in summary(search)["drawings"])
    marks, best = by_trial.series
    assert marks.points == [(0, 0.5), (3, 0.75)] and best.points == marks.points
    assert marks.labels[0].startswith("trial 0, 0.5000: training.learning_rate 0.001")
    assert by_rate.title == "Score by learning_rate"
    assert by_rate.xlabel == "training.learning_rate, as a power of 10"
    assert by_rate.series[0].points[0] == (-3, 0.5)


def test_without_a_complete_trial_nothing_is_drawn(search):
    found = summary(search, "\n".join(TABLE.splitlines()[:1] + TABLE.splitlines()[2:3]))
    assert found["best"] is None
    assert found["chosen"] == found["drawings"] == []


def test_a_table_of_another_form_is_named(search):
    with pytest.raises(ValueError, match=r"trials\.csv: expected .*Received: a, b"):
        summary(search, "a,b\n1,2\n")


@pytest.mark.parametrize(
    ("before", "damaged"),
    [
        ("0.5,6,60.5", "abc,6,60.5"),
        ("0.5,6,60.5", "nan,6,60.5"),
        ("0.5,6,60.5", ",6,60.5"),
        ("6,70.0", "6.5,70.0"),
        (",0.00001234567,True,", ""),
    ],
)
def test_a_damaged_row_is_named_with_what_to_do(search, before, damaged):
    with pytest.raises(ValueError, match=r"trials\.csv: expected a trial .* Run the"):
        summary(search, TABLE.replace(before, damaged))
