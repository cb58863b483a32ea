"""The file that tells how far a fold is while it is trained."""

import json
import os
import time

import pytest

from competition.core.experiment import heartbeat


def wait_for(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_it_says_where_the_fold_is_and_goes_with_it(tmp_path):
    path, used = tmp_path / ".fold0.heartbeat", iter([5, 9, *[7] * 9999])
    with heartbeat.Heartbeat(path, lambda: next(used), every=0.01) as heart:
        assert heartbeat.read(path)["doing"] == "starting"
        heart.now("training", epoch=1, step=2, steps=8, seconds=0.5, loss=0.25)
        wait_for(lambda: heartbeat.read(path).get("step") == 2)
        heart.now("scoring")
        wait_for(lambda: heartbeat.read(path)["doing"] == "scoring")
        assert heartbeat.read(path) == {
            "doing": "scoring", "epoch": 1, "step": 2, "steps": 8, "seconds": 0.5,
            "loss": 0.25, "memory": 9,
        }  # fmt: skip
        assert heart.memory == 9
    assert list(tmp_path.iterdir()) == []


def test_a_loss_that_is_not_finite_is_none(tmp_path):
    path = tmp_path / ".fold0.heartbeat"
    with heartbeat.Heartbeat(path, lambda: None, every=0.01) as heart:
        heart.now("training", loss=float("nan"), step=1)
        wait_for(lambda: "step" in heartbeat.read(path))
        assert heartbeat.read(path)["loss"] is None


def test_a_folder_that_is_taken_away_is_not_made_anew(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    with heartbeat.Heartbeat(folder / ".fold0.heartbeat", lambda: 1, every=0.01):
        os.rename(folder, tmp_path / "away")
        time.sleep(0.1)
    assert not folder.exists()


def test_memory_that_cannot_be_measured_is_none(tmp_path):
    def fail():
        raise RuntimeError("no driver")

    with heartbeat.Heartbeat(tmp_path / ".fold0.heartbeat", fail) as heart:
        assert heartbeat.read(heart.path) == {
            "doing": "starting", "loss": None, "memory": None
        }  # fmt: skip


@pytest.mark.parametrize("text", [None, "", '{"doing": "tr', "[1]", '{"doing": 3}'])
def test_a_missing_or_damaged_file_tells_nothing(tmp_path, text):
    path = tmp_path / ".fold0.heartbeat"
    if text is not None:
        path.write_text(text)
    assert heartbeat.read(path) is None


def test_the_age_of_a_file(tmp_path):
    path = tmp_path / ".fold0.heartbeat"
    assert heartbeat.age(path) == float("inf")
    path.write_text(json.dumps({"doing": "training"}))
    os.utime(path, (time.time() - 100, time.time() - 100))
    assert heartbeat.age(path) == pytest.approx(100, abs=10)
