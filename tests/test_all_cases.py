"""A run trained on every case: it holds nothing out, and takes another run's rules."""

import json
import pathlib
import shutil

import pytest

from competition import __main__ as command
from competition import decide, ledger, pipeline, predict, score
from competition.core import files, rules
from competition.core.experiment import configs, runs, starting
from competition.kernel import build, bundles
from tests import by_hand, conftest

ALL = 'folds=["all"]', "training.keep=last", "training.epochs=1"


@pytest.fixture(scope="module")
def everything(finished, tmp_path_factory):
    """A run on every case with the rules of the finished run: (job, results)."""
    job, _ = finished
    work = tmp_path_factory.mktemp("everything")
    shutil.copytree(job.dataset.root, work / job.dataset.root.name)
    overrides = (*conftest.TINY, *ALL, "rules=smoke")
    asked = dict(data=job.data, work=work, overrides=overrides, name="everything")
    results = pipeline.run("smoke", **asked, truth=job.truth)
    return conftest.open_job("smoke", **asked), results


def test_it_is_trained_on_every_case_and_submits(everything, capsys):
    job, results = everything
    made = {path.name for path in job.run.files.fold("all").iterdir()}
    assert made >= {"best.weights.h5", "state.npz", "history.csv"}
    assert results["train"]["folds"] == {
        "all": {"epochs": 1, "score": None, "finished": True}
    }
    assert results["submit"]["folds"] == ["all"]
    assert results["validate"]["ok"] is True
    assert job.run.files.report.is_file()


def test_it_has_no_score_out_of_fold_and_one_of_its_submission(everything):
    job, results = everything
    expected = {"folds": ["all"], "left": 0, "predicted": 0, "scans": 0}
    assert results["predict"] == expected
    assert results["score"]["oof"]["score_per_class"] is None
    assert results["score"]["submission"]["score_per_class"] is not None
    assert not job.run.files.oof("x").parent.exists()


def test_its_rules_are_those_of_the_run_that_it_names(everything, finished):
    _, results = everything
    theirs = files.read_json(finished[0].run.files.decision)
    assert results["decide"]["rules"] == theirs["rules"]
    assert results["decide"]["taken_from"] == "smoke"


def test_its_kernels_are_built(everything):
    job, _ = everything
    work = job.dataset.root.parent
    for what in ("submit", "train"):
        bundle = bundles.find("smoke", what, work=work, name="everything")
        overrides = () if what == "submit" else (*conftest.TINY, *ALL, "rules=smoke")
        options = build.BundleOptions(overrides=overrides)
        folder = pathlib.Path(build.run(bundle, user="jane", options=options)["built"])
    weights = folder.with_name("everything-submit") / "dataset/runs/everything/foldall"
    assert [path.name for path in weights.iterdir()] == ["best.weights.h5"]


def test_the_ledger_keeps_it_without_a_score(everything, tmp_path):
    job, _ = everything
    kept = ledger.add(
        "everything", work=job.dataset.root.parent, submissions=tmp_path / "kept"
    )
    assert (kept["folds"], kept["score_per_class"]) == ("all", None)


def test_its_fold_is_named_on_the_command_line(everything, monkeypatch, capsys):
    job, _ = everything
    words = "train", "--run", str(job.run.files.root), "--fold", "all", "--json"
    monkeypatch.setattr("sys.argv", ["competition", *words])
    with pytest.raises(SystemExit) as exit:
        command.main()
    assert not exit.value.code
    assert json.loads(capsys.readouterr().out)["finished"] is True


def test_it_says_that_nothing_is_held_out(everything, capsys):
    job, _ = everything
    predict.run(job.dataset, job.run)
    assert "everything holds nothing out: nothing is pred" in capsys.readouterr().err
    before = job.run.files.decision.stat().st_mtime_ns
    decide.run(job.dataset, job.run)
    assert "it takes the rules of smoke" in capsys.readouterr().err
    assert job.run.files.decision.stat().st_mtime_ns == before
    score.of_run(job.dataset, job.run, data=job.data)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (('folds=["all"]',), r"no epoch is known .* Set keep = \"swa\" with a number"),
        (('folds=["all", 1]',), "cannot stand beside other folds"),
        (ALL, "no decision rule can be searched for it. Set `rules` to the run"),
        (("rules=unet",), r"takes the decision rules of unet, though its folds \[0, 1"),
    ],
)
def test_what_cannot_be_is_said_before_training(tmp_path, overrides, message):
    dataset, _ = by_hand.scored_run(tmp_path)
    with pytest.raises(ValueError, match=message):
        starting.start(dataset, "everything", configs.load("smoke", overrides))


def open_all(dataset, *overrides):
    return starting.start(
        dataset, "everything", configs.load("smoke", (*ALL, *overrides))
    )


def test_until_the_other_run_has_rules_it_is_only_trained(tmp_path):
    dataset, other = by_hand.scored_run(tmp_path)
    run = open_all(dataset, "rules=by-hand")
    assert not runs.lacks_rules(run)
    other.files.decision.unlink()
    assert runs.lacks_rules(run)
    with pytest.raises(
        ValueError, match=r"decision\.json: not found\. .* decide` first"
    ):
        decide.run(dataset, run)


def test_taken_twice_the_rules_are_written_once(tmp_path):
    dataset, other = by_hand.scored_run(tmp_path)
    chosen = [rules.Rule(gate=(12, 0.6, 0.5))] * 2
    entries = rules.to_json(chosen, other.classes)
    files.write_json(other.files.decision, entries)
    run = open_all(dataset, "rules=by-hand")
    first = decide.run(dataset, run)
    before = run.files.decision.stat().st_ino
    assert decide.run(dataset, run) == first
    assert run.files.decision.stat().st_ino == before
    assert rules.read(run.files.decision, run.classes) == chosen


def test_rules_of_another_kind_of_run_are_refused(tmp_path):
    dataset, other = by_hand.scored_run(tmp_path)
    record = files.read_json(other.files.config)
    record["config"]["gate"] = ["x"]
    files.write_json(other.files.config, record)
    with pytest.raises(
        ValueError, match=r"rules of by-hand: it has 0 `gate`, but .* the 1 of"
    ):
        decide.run(dataset, open_all(dataset, "rules=by-hand"))
