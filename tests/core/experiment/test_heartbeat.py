"""The file that tells how far a fold is while it is trained."""

import json
import os
import platform
import time

import pytest

from competition.core import locks
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
        assert heartbeat.read(path) == heartbeat.read(path) | {
            "doing": "scoring", "epoch": 1, "step": 2, "steps": 8, "seconds": 0.5,
            "loss": 0.25, "memory": 9, "node": platform.node(),
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
        beat = heartbeat.read(heart.path)
        assert (beat["doing"], beat["loss"], beat["memory"]) == ("starting", None, None)


@pytest.mark.parametrize("text", [None, "", '{"doing": "tr', "[1]", '{"doing": 3}'])
def test_a_missing_or_damaged_file_tells_nothing(tmp_path, text):
    path = tmp_path / ".fold0.heartbeat"
    if text is not None:
        path.write_text(text)
    assert heartbeat.read(path) is None


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """The path of a file that a process of another machine has written."""
    path = tmp_path / ".fold0.heartbeat"
    with monkeypatch.context() as patch:
        patch.setattr(platform, "node", lambda: "node7")
        other = heartbeat.Heartbeat(path, lambda: 1, every=0.02)
    other._write()
    return other


def test_a_fold_that_another_machine_trains_is_not_begun(elsewhere, monkeypatch):
    monkeypatch.setattr(locks, "ENDING_SECONDS", 0.0)
    with (
        elsewhere,
        pytest.raises(ValueError, match=r"fold0\.heartbeat: node7 works on"),
    ):
        heartbeat.Heartbeat(elsewhere.path, lambda: 2, every=0.2).__enter__()


def test_what_a_lost_machine_left_is_no_hindrance(elsewhere):
    with heartbeat.Heartbeat(elsewhere.path, lambda: 2, every=0.02) as heart:
        assert heartbeat.read(heart.path)["node"] == platform.node()


def test_of_two_machines_that_begin_at_once_one_ends(elsewhere):
    elsewhere.path.unlink()
    with heartbeat.Heartbeat(elsewhere.path, lambda: 2, every=0.02) as heart:
        # Again, since this heart may write between its own reading and renaming.
        wait_for(lambda: elsewhere._write() or heart._rival)
        with pytest.raises(ValueError, match="node7 works on this fold just now"):
            heart.now("training")
    assert heartbeat.read(elsewhere.path)["node"] == "node7"


def test_the_age_of_a_file(tmp_path):
    path = tmp_path / ".fold0.heartbeat"
    assert heartbeat.age(path) == float("inf")
    path.write_text(json.dumps({"doing": "training"}))
    os.utime(path, (time.time() - 100, time.time() - 100))
    assert heartbeat.age(path) == pytest.approx(100, abs=10)
