"""A whole run, its resumption, and the calls that kernels make."""

import shutil

import numpy as np
import pytest

from competition import pipeline
from competition.core import files, probabilities
from competition.core.data import mask_csv, slices
from competition.core.experiment import configs, layout, runs
from tests import conftest


def test_a_run_makes_every_file_of_the_design(finished):
    job, results = finished
    place = job.run.files
    for path in (place.config, place.decision, place.score, place.report):
        assert path.is_file()
    for fold in (0, 1):
        made = {path.name for path in place.fold(fold).iterdir()}
        assert made >= {"best.weights.h5", "state.npz", "history.csv"}
    assert list(results) == ["prepare", *pipeline.STEPS]
    assert results["validate"]["ok"] is True
    hidden = [path.name for path in job.dataset.root.rglob(".*")]
    assert all(name.endswith(".lock") for name in hidden), "nothing half-written"


def test_every_held_out_scan_is_predicted_at_its_own_size(finished):
    job, _ = finished
    table = slices.read(job.dataset.slices)
    scans = slices.held_out_scans(table, [0, 1])
    assert len(scans) == len(list(job.run.files.oof("x").parent.iterdir())) > 0
    for scan in scans:
        rows = table[table["scan"] == scan]
        probability = probabilities.read(job.run.files.oof(scan))
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


def test_another_config_under_the_same_name_is_an_error(finished):
    job, _ = finished
    with pytest.raises(ValueError, match=r"training\.epochs: 2 -> 3\nGo on .*--name"):
        pipeline.open_job(
            "smoke",
            data=job.data,
            work=job.dataset.root.parent,
            overrides=(*conftest.TINY, "training.epochs=3"),
        )


def test_folds_that_the_data_lacks_are_an_error(finished):
    job, _ = finished
    with pytest.raises(
        ValueError, match=r"has the folds 0 to \d, the experiment trains"
    ):
        runs.start(job.dataset, "other", configs.load("smoke", ("folds=[9]",)))


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
    with pytest.raises(ValueError, match=r"config\.json: not found\. --run expects"):
        pipeline.submit(tmp_path, data=job.data)
    bare = layout.RunFiles(tmp_path / "bare")
    files.write_json(bare.config, files.read_json(job.run.files.config))
    with pytest.raises(ValueError, match=r"no trained fold .* competition train"):
        pipeline.submit(bare.root, data=job.data)
    shutil.copytree(job.run.files.fold(0), bare.fold(0))
    with pytest.raises(ValueError, match=r"decision\.json: not found\. .* decide"):
        pipeline.submit(bare.root, data=job.data)


def test_unprepared_data_says_what_to_do(competition, tmp_path):
    with pytest.raises(ValueError, match=r"manifest\.json: not found\. .* prepare"):
        pipeline.open_job("smoke", data=competition, work=tmp_path / "none")


def test_the_time_that_preparing_takes_is_part_of_the_budget(
    competition, tmp_path, monkeypatch
):
    passed, told = [0.0], []
    timed = pipeline.deadline.Deadline
    monkeypatch.setattr(
        pipeline.deadline, "Deadline", lambda seconds: timed(seconds, lambda: passed[0])
    )
    prepare = pipeline.prepare

    def slow(*arguments, **options):
        passed[0] += 600
        return prepare(*arguments, **options)

    def train(dataset, run, *, fold, budget):
        told.append(budget)
        return {"folds": {fold: {"finished": True}}}

    monkeypatch.setattr(pipeline, "prepare", slow)
    monkeypatch.setattr(pipeline.train_step, "run", train)
    asked = dict(data=competition, work=tmp_path / "work", overrides=conftest.TINY)
    pipeline.run("smoke", **asked, fold=0, budget="1h")
    assert told == ["3000s"]
    with pytest.raises(ValueError, match="A budget is hours, minutes and seconds"):
        pipeline.run("smoke", **asked, budget="soon")
    assert passed == [600]


def test_where_training_leaves_hardly_any_time_the_next_call_goes_on(
    competition, tmp_path, monkeypatch, capsys
):
    passed, taken = [0.0], []
    timed = pipeline.deadline.Deadline
    monkeypatch.setattr(
        pipeline.deadline, "Deadline", lambda seconds: timed(seconds, lambda: passed[0])
    )

    def train(job):
        passed[0] += 3300
        return {"folds": {0: {"finished": True}}}

    steps = {"train": train, "predict": lambda job: taken.append("predict")}
    monkeypatch.setattr(pipeline, "STEPS", steps)
    asked = dict(data=competition, work=tmp_path / "work", overrides=conftest.TINY)
    pipeline.run("smoke", **asked, budget="1h")
    assert taken == []
    assert "the next call goes on with `predict`" in capsys.readouterr().err
    pipeline.run("smoke", **asked, budget="2h")
    assert taken == ["predict"]
