"""The training step: folds, their processes, budgets, and what cannot be trained."""

import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from competition import pipeline, train
from competition.core import files
from competition.core.data import arrays, slice_table
from competition.core.experiment import configs, heartbeat, history, layout
from competition.machine import deadline, gpus, process
from competition.net import weights_file
from competition.net.input import training_data
from competition.net.training import progress
from competition.train import fold_training
from tests import conftest, fold_processes

ROW = history.Epoch(epoch=0, loss=0.5, score=0.25, seconds=60.0)
FEW = (
    *conftest.TINY,
    # Most of the time is tracing the network, so it has a single level.
    "model.widths=[4]",
    "augment.engine=none",
    "training.tensorboard=false",
    "training.epochs=1",
    "training.fresh_process=true",
    # Also on a machine with several GPUs.
    "training.gpus=one",
)


@pytest.fixture
def prepared(tiny_phantom, tmp_path):
    """Open a run on the prepared tiny phantom: prepared(*overrides)."""
    data = tiny_phantom / "competition"
    pipeline.prepare(data, work=tmp_path)

    def open_job(*overrides, name=None):
        return conftest.open_job(
            "smoke", data=data, work=tmp_path, overrides=(*FEW, *overrides), name=name
        )

    return open_job


def write_history(job, fold, rows):
    history.write(job.run.files.history(fold), rows)
    files.write_bytes(job.run.files.weights(fold), b"weights")


def test_folds_in_processes_learn_what_they_learn_in_one(prepared, capfd):
    here = prepared("training.fresh_process=false", name="here")
    there = prepared(name="there")
    done = train.run(here.dataset, here.run)
    assert train.run(there.dataset, there.run) == done
    assert done["finished"] is True
    assert done["folds"][1]["finished"] and done["folds"][1]["epochs"] == 1
    said = capfd.readouterr().err
    assert "fold 1: epoch 1/1  loss 0." in said
    assert "fold 0: 1 CPU (tensorflow), float32, without XLA, augmentation: no" in said
    assert "fold 0: needs about " in said and "of disk, of which " in said
    assert "Traceback" not in said
    for fold in (0, 1):
        one, other = (job.run.files.weights(fold) for job in (here, there))
        assert weights_file.check(one) == weights_file.check(other)


def test_a_sample_picture_is_drawn_after_an_epoch(prepared):
    job = prepared("training.samples_every=1", "training.tensorboard=true", "folds=[0]")
    train.run(job.dataset, job.run)
    (picture,) = (job.run.files.fold(0) / "samples").iterdir()
    assert picture.name == "epoch001.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert list((job.run.files.fold(0) / "tensorboard").glob("events.*"))


def test_a_fold_tells_others_where_it_is_while_it_is_trained(prepared, monkeypatch):
    job = prepared("training.fresh_process=false", "folds=[0]")
    seen, path = [], job.run.files.heartbeat(0)
    beat = heartbeat.Heartbeat.now

    def now(self, doing, **where):
        beat(self, doing, **where)
        self._write()
        seen.append(heartbeat.read(path))

    monkeypatch.setattr(heartbeat.Heartbeat, "now", now)
    train.run(job.dataset, job.run)
    (row,) = history.read(job.run.files.history(0))
    assert [each["step"] for each in seen[:2]] == [0, 1]
    assert seen[-1]["doing"] == "scoring"
    assert seen[-1]["steps"] == seen[-1]["step"] + 1
    assert row["memory"] >= seen[-1]["memory"] > 10**7
    assert not path.exists()


def test_finished_folds_are_skipped(prepared):
    # Training would fail on these weights, which are not a valid file.
    for fresh in ("true", "false"):
        job = prepared(f"training.fresh_process={fresh}", name=f"fresh-{fresh}")
        for fold in (0, 1):
            write_history(job, fold, [ROW])
        done = train.run(job.dataset, job.run)
        assert done["folds"][0] == {"epochs": 1, "score": 0.25, "finished": True}
        made = {path.name for path in job.run.files.fold(0).iterdir()}
        assert made == {"history.csv", "best.weights.h5"}


def test_a_fold_killed_while_it_was_closed_is_not_finished(prepared):
    job = prepared("training.fresh_process=false", "folds=[0]")
    write_history(job, 0, [ROW])
    assert fold_training.is_finished(job.run, 0)
    files.write_bytes(job.run.files.fold(0) / layout.STATE_BEFORE, b"state")
    assert not fold_training.is_finished(job.run, 0)


def test_the_last_fold_leaves_several_gpus_to_the_steps_after_it(prepared, monkeypatch):
    job = prepared("folds=[0, 1]", "training.gpus=auto")
    write_history(job, 0, [ROW])
    started = []

    def run_all(commands, environments):
        started.append((len(list(commands)), environments))

    monkeypatch.setattr(process, "run_all", run_all)
    monkeypatch.setattr(gpus, "visible", lambda: ["0", "1"])
    train.run(job.dataset, job.run)
    # In a process, which may use both: on JAX they share its batches.
    assert started == [(1, [{}])]
    trained = []
    monkeypatch.setattr(fold_training, "train", lambda *arguments: trained.append(1))
    monkeypatch.setattr(gpus, "visible", lambda: ["0"])
    train.run(job.dataset, job.run)
    assert len(started) == len(trained) == 1


def test_a_budget_is_divided_among_the_folds_that_are_left(prepared, monkeypatch):
    job = prepared("training.fresh_process=false", "folds=[0, 1, 2]")
    write_history(job, 1, [ROW])
    given = {}

    def spend(dataset, run, fold, limit):
        given[fold] = limit.left()

    monkeypatch.setattr(fold_training, "train", spend)
    done = train.run(job.dataset, job.run, budget="2h")
    assert not done["folds"][0]["finished"]
    # Fold 0 took no time, so fold 2 is given both hours.
    assert given == {0: pytest.approx(3600, abs=5), 2: pytest.approx(7200, abs=5)}
    with pytest.raises(ValueError, match="A budget is hours, minutes and seconds"):
        train.run(job.dataset, job.run, budget="soon")


def test_a_budget_of_zero_trains_no_fold_and_says_so(prepared, capsys):
    job = prepared("folds=[0]", "training.epochs=3")
    train.run(job.dataset, job.run, budget="0s")
    assert "fold 0: no time left" in capsys.readouterr().err


def test_a_watched_fold_is_stopped_on_another_backend_and_goes_on_here(
    prepared, monkeypatch, capfd
):
    other = {"tensorflow": "jax", "jax": "tensorflow"}[keras.backend.backend()]
    pytest.importorskip(other)
    job = prepared("training.epochs=20", "training.score_every=20", "folds=[0]")
    path = job.run.files.history(0)
    with monkeypatch.context() as patch:
        patch.setenv("KERAS_BACKEND", other)
        patch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=1")
        go_on = lambda: not history.read(path)  # noqa: E731
        train.watched(job.run, fold=0, limit=None, go_on=go_on)
    begun = history.read(path)
    assert 1 <= len(begun) < 20
    assert f"CPU ({other})" in capfd.readouterr().err
    fold_training.train(job.dataset, job.run, 0, None)
    ended = history.read(path)
    assert ended[: len(begun)] == begun
    assert len(ended) == 20
    assert ended[-1]["loss"] < begun[-1]["loss"]


def test_a_fold_that_is_stopped_says_how_to_go_on(capsys):
    progress.FoldProgress("fold 0", epochs=3).stopped(2)
    said = " ".join(capsys.readouterr().err.split())
    assert said.startswith("fold 0: stopped in time after 2 of 3 epochs. Run the same")


def test_folds_side_by_side_have_the_whole_time_and_others_their_share(prepared):
    job = prepared()
    now = [0.0]
    limit = deadline.Deadline(3600, clock=lambda: now[0])

    def told(at_once, folds=(0, 1, 2)):
        pairs = [(job.run, fold) for fold in folds]
        return fold_training.commands(pairs, at_once=at_once, limit=limit)

    command = ["-m", "competition", "train", "--run", str(job.run.files.root)]
    assert next(told(2)) == [*command, "--fold", "0", "--budget", "1800s"]
    assert [told[-1] for told in told(2, folds=(0, 1))] == ["3600s", "3600s"]
    # A command is made when its turn comes: fold 0 took no time, fold 1 half an hour.
    shares = told(1)
    assert next(shares)[-1] == "1200s"
    assert next(shares)[-1] == "1800s"
    now[0] = 1800
    assert next(shares)[-1] == "1800s"
    unlimited = fold_training.commands([(job.run, 1)], limit=None)
    assert list(unlimited) == [[*command, "--fold", "1"]]


def test_a_line_of_progress_has_loss_score_and_time(capsys):
    lines = progress.FoldProgress("fold 3", epochs=10)
    lines.epoch(ROW | {"scoring": 6.0})
    last = {"epoch": 9, "score": None, "mean_score": 0.5, "scoring": 0.0}
    lines.epoch(ROW | last | {"waiting": 1.2})
    assert capsys.readouterr().err.splitlines() == [
        "fold 3: epoch 1/10  loss 0.5000  score 0.2500  60.0 s (scoring 10%)"
        "  9m00s left",
        "fold 3: epoch 10/10  loss 0.5000  mean 0.5000  60.0 s "
        "(waiting for input 1%, scoring 5%)",
    ]


def test_the_last_line_says_how_much_the_choice_of_the_best_epoch_flatters(capsys):
    rows = [ROW | {"score": 0.75}, ROW | {"score": 0.5, "mean_score": 0.625}]
    lines = progress.FoldProgress("fold 3", epochs=2)
    for *overrides, keep in (
        ["training.keep=best"],
        ["training.swa_epochs=1", "training.keep=swa"],
    ):
        wanted = configs.load("smoke", (*overrides, keep))
        lines.ended(rows, wanted.training)
    lines.ended([ROW | {"score": None}], wanted.training)
    scores = "best epoch 0.7500, last epoch 0.5000, average of the last"
    assert capsys.readouterr().err.splitlines() == [
        f"fold 3: {scores} 0 0.6250; kept: best, chosen by its score, which flatters "
        "by up to 0.2500",
        f"fold 3: {scores} 1 0.6250; kept: swa",
        "fold 3: no epoch has a score; kept: swa",
    ]


def test_a_fold_outside_the_run_is_an_error(prepared):
    job = prepared()
    with pytest.raises(
        ValueError, match=r"one of the run's folds \[0, 1\]\. Received: 3\."
    ):
        train.run(job.dataset, job.run, fold=3)


def test_a_fold_without_positives_says_so_before_the_first_step(prepared):
    job = prepared("folds=[0]")
    table = slice_table.read(job.dataset)
    for scan in slice_table.scans(table):
        masks = np.load(job.dataset.masks(scan))
        job.dataset.record(scan).unlink()
        arrays.write(job.dataset.masks(scan), np.zeros_like(masks))
    with pytest.raises(
        ValueError, match=r"Fold 0 has no mask to learn from: in its \d+ slices of 3 sc"
    ):
        train.run(job.dataset, job.run)


def test_a_batch_larger_than_the_data_says_what_fits(prepared):
    job = prepared("folds=[0]", "training.batch=1000")
    with pytest.raises(
        ValueError, match=r"`training\.batch` is 1000, .* Set tr.*=18 or"
    ):
        train.run(job.dataset, job.run)


def test_more_batches_a_step_than_an_epoch_has_say_what_fits(prepared):
    job = prepared("folds=[0]", "training.accumulate=5")
    with pytest.raises(
        ValueError, match=r"`training\.accumulate` is 5, .* make 4 .* Set tr.*=4 or"
    ):
        train.run(job.dataset, job.run)


def test_the_ids_of_a_batch_are_those_it_was_made_of(prepared):
    job = prepared()
    table = slice_table.training(slice_table.read(job.dataset), 0)
    data = training_data.TrainingData(table, arrays.Arrays(job.dataset))
    with data.batches(job.run.config):
        pass
    batches = [data.ids(number) for number in range(4)]
    flat = [id for batch in batches for id in batch]
    assert len(set(flat)) == len(flat) == 16
    assert set(flat) <= set(table["id"])
    again = data.ids(4)
    assert set(again) != set(batches[0])


def test_the_child_of_a_killed_training_ends_too(prepared):
    job = prepared("training.epochs=500")
    command = [sys.executable, "-m", "competition", "train", "--run"]
    parent = subprocess.Popen(
        [*command, job.run.files.root], cwd=conftest.ROOT, stderr=subprocess.DEVNULL
    )
    path = job.run.files.history(0)
    wait(lambda: len(history.read(path)) > 1, seconds=180)
    child = fold_processes.of(job.run)
    assert child
    parent.kill()
    parent.wait()
    wait(lambda: fold_processes.of(job.run) != child, seconds=10)
    assert not fold_processes.of(job.run)
    assert len(history.read(path)) < 500


def test_a_finished_fold_is_not_watched(prepared):
    job = prepared(name="finished")
    write_history(job, 0, [ROW])

    def never():
        raise AssertionError("there is no process to watch")

    train.watched(job.run, fold=0, limit=None, go_on=never)


def wait(until, *, seconds):
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end
        time.sleep(0.05)
