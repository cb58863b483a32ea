"""The history of a fold."""

from competition.core import history

ROWS: list[history.Epoch] = [
    {"epoch": 0, "loss": 0.5, "score": None, "seconds": 1.5},
    {"epoch": 1, "loss": 0.25, "score": 0.75, "seconds": 1.0},
]


def test_a_history_survives_and_an_untaken_score_is_empty(tmp_path):
    path = tmp_path / "history.csv"
    history.write(path, ROWS)
    assert path.read_text().splitlines()[1] == "0,0.5,,1.5"
    assert history.read(path) == ROWS


def test_before_the_first_epoch_there_is_none(tmp_path):
    assert history.read(tmp_path / "history.csv") == []


def test_the_best_score_is_the_highest_that_was_taken():
    assert history.best(ROWS) == 0.75
    assert history.best(ROWS[:1]) is None
