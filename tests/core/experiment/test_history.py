"""The history of a fold."""

import pytest

from competition.core.experiment import configs, history

ROWS: list[history.Epoch] = [
    {
        "epoch": 0, "loss": 0.5, "score": None, "seconds": 1.5,
        "mean_score": None, "rate": 1e-3, "scoring": 0.0, "memory": None,
        "waiting": None,
    },
    {
        "epoch": 1, "loss": 0.25, "score": 0.75, "seconds": 1.0,
        "mean_score": 0.5, "rate": 0.0, "scoring": 0.25, "memory": 3 * 10**9,
        "waiting": 0.5,
    },
]  # fmt: skip


def test_a_history_survives_and_a_missing_score_is_empty(tmp_path):
    path = tmp_path / "history.csv"
    history.write(path, ROWS)
    assert path.read_text("utf-8").splitlines()[1] == "0,0.5,,1.5,,0.001,0.0,,"
    assert history.read(path) == ROWS


def test_before_the_first_epoch_a_history_is_empty(tmp_path):
    assert history.read(tmp_path / "history.csv") == []


def test_the_best_score_is_the_highest():
    assert history.best(ROWS) == 0.75
    assert history.best(ROWS[:1]) is None


def test_a_mean_of_epochs_may_be_the_best():
    assert history.best([ROWS[1] | {"mean_score": 0.8}]) == 0.8


def test_each_way_to_keep_weights_has_its_score():
    rows = [ROWS[1], ROWS[1] | {"score": 0.25, "mean_score": 0.5}]
    assert history.scores(rows) == {"best": 0.75, "last": 0.25, "swa": 0.5}
    kept = {keep: history.kept(rows, keep) for keep in ("best", "last", "swa")}
    assert kept == {"best": 0.75, "last": 0.25, "swa": 0.5}


def test_until_there_is_a_mean_the_last_weights_stand_for_it():
    assert history.kept([ROWS[1] | {"mean_score": None}], "swa") == 0.75
    assert history.kept([], "swa") is None


def test_a_history_of_fewer_columns_is_read(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("epoch,loss,score,seconds\n0,0.5,,1.5\n")
    row = {"epoch": 0, "loss": 0.5, "score": None, "seconds": 1.5}
    assert history.read(path)[0].items() >= row.items()


@pytest.mark.parametrize(
    "row", ["x,0.5,,1", "0,0.5", "0,0.5,best,1", "0,nan,,1", "0,0.5,inf,1"]
)
def test_a_damaged_history_is_named(tmp_path, row):
    path = tmp_path / "history.csv"
    path.write_text(f"epoch,loss,score,seconds\n{row}\n")
    with pytest.raises(ValueError, match=r"history\.csv: not the history .*Delete"):
        history.read(path)


@pytest.mark.parametrize(
    ("scores", "patience", "is_over"),
    [
        ([0.1, 0.3, 0.2], 2, False),
        ([0.1, 0.3, 0.2, 0.3], 2, True),
        ([0.1, None, 0.3, None, None, 0.2], 2, False),
        ([0.3, 0.2, 0.1, 0.0], 0, False),
        ([None, None], 1, False),
        ([0.1] * 9, 0, True),
    ],
)
def test_a_fold_is_over_after_its_epochs_or_its_patience(scores, patience, is_over):
    rows = [ROWS[0] | {"score": score} for score in scores]
    wanted = "training.epochs=9", f"training.patience={patience}"
    assert history.is_over(rows, configs.load("smoke", wanted).training) is is_over
