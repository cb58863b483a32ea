"""Training a fold: what it leaves behind, and that nothing is lost when killed."""

import functools

import numpy as np
import pandas as pd
import pytest

from competition.core import config
from competition.net import build, dataset, inference, training

from .conftest import CLASSES, TINY


class Killed(Exception):
    """What takes the place of a power cut."""


@pytest.fixture
def fold(table, store, tmp_path):
    """Train into a folder of tmp_path: fold(name, score, *overrides)."""

    def train(name, score, *overrides):
        wanted = config.load("smoke", (*TINY, "model.dropout=0.2", *overrides))
        training.seed(0)
        network = build.build(wanted, CLASSES)
        history = training.fit(
            network,
            wanted,
            train=functools.partial(dataset.training, table, store, wanted),
            folder=tmp_path / name,
            score=score,
        )
        return network, history

    return train


def scores(*values):
    """A score that gives these values call by call; an exception is raised."""
    left = list(values)

    def score(network):
        value = left.pop(0)
        if isinstance(value, Exception):
            raise value
        return value

    return score


def state(folder) -> dict[str, np.ndarray]:
    with np.load(folder / "state.npz") as stored:
        return {name: stored[name] for name in stored.files if name != "history"}


def test_the_loss_falls_and_the_files_are_there(fold, tmp_path):
    _, history = fold("run", lambda network: 0.5, "training.epochs=6")
    assert [row["epoch"] for row in history] == list(range(6))
    assert history[-1]["loss"] < history[0]["loss"]
    kept = pd.read_csv(tmp_path / "run" / "history.csv")
    assert list(kept.columns) == ["epoch", "loss", "score", "seconds"]
    assert kept["loss"].tolist() == [row["loss"] for row in history]
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {"best.weights.h5", "state.npz", "history.csv"}


def test_killed_and_called_again_it_ends_as_if_it_had_not_been(fold, tmp_path):
    whole, expected = fold("whole", scores(0.1, 0.2, 0.3, 0.4))
    with pytest.raises(Killed):
        fold("broken", scores(0.1, 0.2, Killed()))
    resumed, history = fold("broken", scores(0.3, 0.4))
    for one, other in zip(whole.variables, resumed.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), one.path)
    one, other = state(tmp_path / "whole"), state(tmp_path / "broken")
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])
    for row, again in zip(expected, history, strict=True):
        assert row | {"seconds": 0} == again | {"seconds": 0}


def test_the_best_weights_are_those_of_the_best_score(fold, tmp_path, tiny):
    kept = {}

    def score(network):
        kept[len(kept)] = [variable.numpy() for variable in network.weights]
        return [0.1, 0.7, 0.7, 0.2][len(kept) - 1]

    fold("run", score)
    wanted = config.load("smoke", (*TINY, "model.dropout=0.2"))
    best = inference.load(tmp_path / "run" / "best.weights.h5", wanted, CLASSES)
    for expected, received in zip(kept[1], best.weights, strict=True):
        np.testing.assert_array_equal(expected, received.numpy())


def test_a_finished_fold_called_again_does_nothing(fold, tmp_path):
    _, history = fold("run", lambda network: 0.5)
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").iterdir()}
    _, again = fold("run", scores(AssertionError("must not be scored")))
    assert again == history
    assert stamps == {path: path.stat().st_mtime_ns for path in stamps}


def test_a_history_that_lags_behind_the_state_is_mended(fold, tmp_path):
    fold("run", lambda network: 0.5, "training.epochs=2")
    path = tmp_path / "run" / "history.csv"
    whole = path.read_text()
    path.write_text("".join(whole.splitlines(keepends=True)[:-1]))
    fold("run", lambda network: 0.5, "training.epochs=2")
    assert path.read_text() == whole


def test_it_is_scored_every_so_often_and_at_the_end(fold):
    epochs = "training.epochs=5", "training.score_every=2"
    _, history = fold("run", scores(0.1, 0.2, 0.3), *epochs)
    assert [row["score"] for row in history] == [None, 0.1, None, 0.2, 0.3]


def test_a_loss_that_is_not_finite_stops_with_its_step(fold, tmp_path):
    with pytest.raises(
        ValueError, match=r"The loss is (nan|inf) at step \d of epoch 1"
    ):
        fold("run", lambda network: 0.5, "training.learning_rate=1e36")
    assert not (tmp_path / "run" / "state.npz").exists()


def test_a_damaged_state_is_named(fold, tmp_path):
    fold("run", lambda network: 0.5, "training.epochs=1")
    path = tmp_path / "run" / "state.npz"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"state\.npz: the state is damaged"):
        fold("run", lambda network: 0.5)


def test_the_state_of_another_network_is_refused(fold):
    fold("run", lambda network: 0.5, "training.epochs=1")
    with pytest.raises(
        ValueError, match=r"state\.npz: the state is of another network"
    ):
        fold("run", lambda network: 0.5, "model.widths=[4, 6]")


def test_the_rate_rises_to_its_full_value_and_falls_to_nothing(tiny):
    overrides = (*TINY, "training.warmup=0.2", "training.learning_rate=0.1")
    wanted = config.load("smoke", overrides).training
    rate = training.build_optimizer(wanted, steps=5)._learning_rate
    values = [float(rate(step)) for step in range(21)]
    assert values[:4] == sorted(values[:4])
    assert values[0] == pytest.approx(0.025)
    assert values[4] == pytest.approx(0.1)
    assert values[4:] == sorted(values[4:], reverse=True)
    assert values[20] == pytest.approx(0, abs=1e-6)
