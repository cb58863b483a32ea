"""Runs that are opened: of an experiment, and by their folder."""

import pathlib
import shutil

import pytest

from competition import opening
from competition.core import files
from competition.core.experiment import layout
from tests import conftest


def test_another_config_under_the_same_name_is_an_error(finished):
    job, _ = finished
    with pytest.raises(
        ValueError, match=r"training\.epochs: 2 -> 3\nContinue under another `name`"
    ):
        opening.open_experiment(
            "smoke",
            data=job.data,
            work=job.dataset.root.parent,
            overrides=(*conftest.TINY, "training.epochs=3"),
        )


def test_unprepared_data_says_what_to_do(competition, tmp_path):
    with pytest.raises(ValueError, match=r"manifest\.json: not found\. .* prepare"):
        opening.open_experiment("smoke", data=competition, work=tmp_path / "none")


def test_a_run_is_opened_by_its_folder(finished, tmp_path, monkeypatch):
    job, _ = finished
    assert opening.open_run(job.run.files.root) == (job.dataset, job.run)
    monkeypatch.chdir(job.dataset.root)
    dataset, run = opening.open_run(pathlib.Path("runs", "smoke"))
    assert (dataset, run.name) == (job.dataset, "smoke")
    moved = tmp_path / "elsewhere"
    files.write_json(moved / "config.json", files.read_json(job.run.files.config))
    with pytest.raises(ValueError, match=r"no folder above holds a prepared data set"):
        opening.open_run(moved)
    with pytest.raises(ValueError, match=r"config\.json: not found\. A run.s folder"):
        opening.open_run(tmp_path)


def test_a_run_whose_folder_is_linked_elsewhere_is_opened(finished, tmp_path):
    job, _ = finished
    dataset = layout.DatasetFiles(tmp_path / "work" / "set")
    dataset.root.mkdir(parents=True)
    shutil.copy(job.dataset.manifest, dataset.manifest)
    elsewhere = tmp_path / "output" / "smoke" / "config.json"
    files.write_json(elsewhere, files.read_json(job.run.files.config))
    (dataset.root / "runs").symlink_to(tmp_path / "output", target_is_directory=True)
    found, run = opening.open_run(dataset.run("smoke").root)
    assert (found, run.config) == (dataset, job.run.config)


def test_a_run_on_data_that_was_prepared_anew_is_not_opened(finished, tmp_path):
    job, _ = finished
    dataset = layout.DatasetFiles(tmp_path / "set")
    manifest = files.read_json(job.dataset.manifest) | {"fingerprint": "f00d"}
    files.write_json(dataset.manifest, manifest)
    shutil.copytree(job.run.files.fold(0), dataset.run("smoke").fold(0))
    shutil.copy(job.run.files.config, dataset.run("smoke").config)
    with pytest.raises(ValueError, match=r"made on other data or folds \(fing.* f00d"):
        opening.open_run(dataset.run("smoke").root)


def test_only_decide_changes_what_rules_were_decided_with(finished):
    job, _ = finished
    asked = {"data": job.data, "work": job.dataset.root.parent}
    before = job.run.files.config.read_bytes()
    overrides = (*conftest.TINY, "decide.thresholds=[0.5]")
    _, run = opening.open_experiment(
        "smoke", **asked, overrides=overrides, creates=False, decides=False
    )
    assert run.config == job.run.config
    assert job.run.files.config.read_bytes() == before


def test_a_run_that_is_only_read_is_not_created(finished):
    job, _ = finished
    asked = {"data": job.data, "work": job.dataset.root.parent, "name": "mistyped"}
    with pytest.raises(ValueError, match=r"mistyped.* not found.* beside it: .*smoke"):
        opening.open_experiment("smoke", **asked, creates=False, decides=False)
    assert not job.dataset.run("mistyped").root.exists()
