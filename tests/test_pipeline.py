"""A whole run, its resumption, and the calls that kernels make."""

import shutil

import numpy as np
import pytest

from competition import decide as decide_step
from competition import pipeline
from competition import predict as predict_step
from competition import prepare as prepare_step
from competition import submit as submit_step
from competition import train as train_step
from competition.commands import output
from competition.core import files, probabilities
from competition.core.data import mask_csv, slice_table
from competition.core.experiment import configs, layout, starting
from tests import conftest


def test_a_run_makes_every_file_of_the_design(finished):
    job, results = finished
    place = job.run.files
    for path in (place.config, place.decision, place.score, place.report):
        assert path.is_file()
    for fold in (0, 1):
        made = {path.name for path in place.fold(fold).iterdir()}
        assert made >= {"best.weights.h5", "state.npz", "history.csv"}
    assert list(results) == [
        "prepare", "train", "predict", "decide", "submit", "validate", "score",
        "report",
    ]  # fmt: skip
    assert results["validate"]["ok"] is True
    hidden = [path.name for path in job.dataset.root.rglob(".*")]
    assert all(name.endswith(".lock") for name in hidden), "nothing half-written"


def test_every_held_out_scan_is_predicted_at_its_own_size(finished):
    job, _ = finished
    table = slice_table.read(job.dataset)
    scans = slice_table.held_out_scans(table, [0, 1])
    assert len(scans) == len(list(job.run.files.oof("x").parent.iterdir())) > 0
    for scan in scans:
        rows = table[table["scan"] == scan]
        probability = probabilities.read(job.run.files.oof(scan)).probability
        size = rows["height"].iloc[0], rows["width"].iloc[0]
        assert probability.shape == (len(rows), *size, len(job.run.classes))
        assert probability.dtype == np.uint8


def test_the_submission_has_the_rows_of_the_sample(finished):
    job, _ = finished
    sample = mask_csv.read(job.data / "sample_submission.csv", "predicted")
    written = mask_csv.read(job.run.files.submission, "predicted")
    assert [(r.id, r.class_name) for r in written] == [
        (r.id, r.class_name) for r in sample
    ]


def test_run_again_it_repeats_nothing(finished):
    job, results = finished
    before = {
        path: path.stat().st_mtime_ns
        for path in job.run.files.root.rglob("*")
        if path.is_file() and path.suffix in {".h5", ".npz", ".csv"}
    }
    again = pipeline.run(
        "smoke",
        data=job.data,
        work=job.dataset.root.parent,
        overrides=conftest.TINY,
        truth=job.truth,
    )
    assert again["predict"]["predicted"] == 0
    assert again["score"] == results["score"]
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_folds_that_the_data_lacks_are_an_error(finished):
    job, _ = finished
    with pytest.raises(
        ValueError, match=r"has the folds 0 to \d, the experiment trains"
    ):
        starting.start(job.dataset, "other", configs.load("smoke", ("folds=[9]",)))


def test_a_run_folder_alone_is_enough_to_submit(finished, tmp_path):
    job, _ = finished
    moved = tmp_path / "elsewhere"
    shutil.copytree(job.run.files.root, moved)
    out = tmp_path / "submission.csv"
    summary = pipeline.submit(moved, data=job.data, out=out)
    assert summary["scans"] > 0
    assert out.read_bytes() == job.run.files.submission.read_bytes()


def test_an_unfinished_run_says_what_to_do(finished, tmp_path):
    job, _ = finished
    with pytest.raises(ValueError, match=r"config\.json: not found\. A run.s folder"):
        pipeline.submit(tmp_path, data=job.data)
    bare = layout.RunFiles(tmp_path / "bare")
    files.write_json(bare.config, files.read_json(job.run.files.config))
    with pytest.raises(ValueError, match=r"no trained fold .* competition train"):
        pipeline.submit(bare.root, data=job.data)
    shutil.copytree(job.run.files.fold(0), bare.fold(0))
    with pytest.raises(ValueError, match=r"decision\.json: not found\. .* decide"):
        pipeline.submit(bare.root, data=job.data)


def test_a_truth_that_is_not_there_is_found_before_the_training(competition, tmp_path):
    work = tmp_path / "work"
    asked = {"data": competition, "work": work, "truth": tmp_path / "truth.csv"}
    with pytest.raises(ValueError, match=r"truth\.csv: no such file"):
        pipeline.run("smoke", **asked)
    assert not work.exists()


@pytest.fixture
def timed(competition, tmp_path, monkeypatch):
    """A run whose steps take the seconds of `takes`: (call, takes, calls, passed)."""
    passed, calls = [0.0], []
    takes = {"prepare": 0.0, "train": 0.0, "predict": 0.0}
    prepare = prepare_step.run

    def slow_prepare(*arguments, **options):
        passed[0] += takes["prepare"]
        return prepare(*arguments, **options)

    def train(dataset, run, *, fold, budget, nodes):
        calls.append(("train", budget))
        passed[0] += takes["train"]
        return {"finished": True}

    def predict(dataset, run, nodes, *, limit):
        calls.append(("predict", None))
        passed[0] += takes["predict"]
        return {"left": int(takes["predict"] > 1800)}

    def submit(run, *, data, budget, nodes):
        calls.append(("submit", budget))
        raise Reached

    monkeypatch.setattr(prepare_step, "run", slow_prepare)
    monkeypatch.setattr(train_step, "run", train)
    monkeypatch.setattr(predict_step, "run", predict)
    monkeypatch.setattr(decide_step, "run", lambda dataset, run: {})
    monkeypatch.setattr(submit_step, "run", submit)
    asked = dict(data=competition, work=tmp_path / "work", overrides=conftest.TINY)

    def call(experiment="smoke", **more):
        return pipeline.run(experiment, **asked, **more, clock=lambda: passed[0])

    return call, takes, calls, passed


class Reached(Exception):
    """The submission was begun."""


def test_the_time_that_preparing_takes_is_part_of_the_budget(timed):
    call, takes, calls, passed = timed
    takes["prepare"] = 600
    call(fold=0, budget="1h")
    assert calls == [("train", "3000s")]
    with pytest.raises(ValueError, match="A budget is hours, minutes and seconds"):
        call(budget="soon")
    assert passed == [600]


def test_a_run_of_one_fold_says_how_it_goes_on(timed, capsys):
    call, *_ = timed
    assert list(call(fold=0)) == ["prepare", "train"]
    assert "fold 0 is trained; a call without `fold`" in capsys.readouterr().err


def test_where_preparing_takes_all_time_nothing_is_planned(timed, monkeypatch, capsys):
    call, takes, calls, _ = timed
    takes["prepare"] = 3300

    def plan(*arguments, **options):
        raise Reached

    monkeypatch.setattr(pipeline, "plan_auto", plan)
    results = call("auto", budget="1h")
    assert list(results) == ["prepare"]
    # The command has nothing else to print.
    output.run(results)
    assert "preparing used the budget up" in capsys.readouterr().err
    with pytest.raises(Reached):
        call("auto", budget="2h")
    assert not calls


def test_where_training_leaves_hardly_any_time_the_next_call_goes_on(timed, capsys):
    call, takes, calls, _ = timed
    takes["train"] = 3300
    call(budget="1h")
    assert [step for step, _ in calls] == ["train"]
    assert "the next call goes on with `predict`" in capsys.readouterr().err
    with pytest.raises(Reached):
        call(budget="2h")
    assert [step for step, _ in calls] == ["train", "train", "predict", "submit"]


def test_predictions_that_had_no_time_go_on_with_the_next_call(timed, capsys):
    call, takes, *_ = timed
    takes |= {"train": 1800, "predict": 1900}
    assert list(call(budget="1h")) == ["prepare", "train", "predict"]
    assert "predicting goes on with the next call" in capsys.readouterr().err


@pytest.mark.parametrize(("predicting", "left"), [(600, "1200s"), (1750, "360s")])
def test_a_submission_has_what_is_left_at_least_a_tenth(timed, predicting, left):
    call, takes, calls, _ = timed
    takes |= {"train": 1800, "predict": predicting}
    with pytest.raises(Reached):
        call(budget="1h")
    assert calls[-1] == ("submit", left)
