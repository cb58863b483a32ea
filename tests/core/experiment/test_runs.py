"""The folder of a run, and its faults."""

import dataclasses
import pathlib

import pytest

from competition import decide
from competition.core import files, locks
from competition.core.experiment import configs, layout, runs
from tests import by_hand


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{}", "classes: Field required"),
        ("[]", "the document: Input should be an object"),
        ("null", "the document: Input should be an object"),
        ('{"classes": [], "fingerprint": "0", "config": {}}', "classes: .*at least 1"),
        ('{"classes": ["a"], "fingerprint": "0", "config": []}', "config: .*object"),
    ],
)
def test_a_damaged_config_is_named(tmp_path, text, fault):
    (tmp_path / "config.json").write_text(text, "utf-8")
    with pytest.raises(ValueError, match=rf"config\.json: {fault}.*Copy the run again"):
        runs.read(layout.RunFiles(tmp_path))


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"classes": []}, "classes: .*at least 1"),
        ({"folds": "two"}, "folds: .*valid integer. Received: two"),
        ({"fingerprint": None}, "fingerprint: .*valid string"),
    ],
)
def test_a_manifest_of_another_form_is_named(tmp_path, changes, fault):
    dataset, run = by_hand.scored_run(tmp_path)
    about = files.read_json(dataset.manifest) | changes
    files.write_json(dataset.manifest, about)
    with pytest.raises(ValueError, match=rf"manifest\.json: {fault}.*Prepare the data"):
        decide.run(dataset, run)


def test_a_runs_name_is_that_of_its_folder(tmp_path):
    _, run = by_hand.scored_run(tmp_path)
    about = files.read_json(run.files.config) | {"name": "../../elsewhere"}
    files.write_json(run.files.config, about)
    assert runs.read(run.files).name == "by-hand"


def test_a_step_is_refused_while_another_works_on_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "ENDING_SECONDS", 0.0)
    dataset, run = by_hand.scored_run(tmp_path)
    before = run.files.decision.read_bytes()
    with runs.held(run, doing="predicting", dataset=dataset):
        with pytest.raises(ValueError, match="another process is predicting here"):
            decide.run(dataset, run)
    with locks.locked(dataset.root, doing="preparing"):
        with pytest.raises(ValueError, match="another process is preparing here"):
            decide.run(dataset, run)
    assert run.files.decision.read_bytes() == before


def test_a_step_is_refused_on_data_that_was_prepared_anew_meanwhile(tmp_path):
    dataset, run = by_hand.scored_run(tmp_path)
    about = files.read_json(dataset.manifest) | {"fingerprint": "4567"}
    files.write_json(dataset.manifest, about)
    with pytest.raises(ValueError, match=r"other data or folds .* 0123, now 4567"):
        decide.run(dataset, run)


def test_an_owner_is_known_wherever_its_run_lies_and_however_it_predicts():
    config = configs.load(
        "smoke",
        (
            "model.encoder=EfficientNetB0",
            "model.widths=[4, 4, 4, 4, 4]",
            "model.encoder_weights=/home/me/b0.h5",
        ),
    )
    run = runs.Run("mine", layout.RunFiles(pathlib.Path("a")), config, ("x",), "0")
    about = config.model_dump(mode="json")
    about["model"]["encoder_weights"] = "b0.h5"
    about["submit"]["tta"] = ["flip"]
    same = configs.check(about, configs.Config, source="a")
    moved = dataclasses.replace(run, name="yours", config=same)
    assert runs.owner(moved, 1) == runs.owner(run, 1)
    others = [
        dataclasses.replace(run, fingerprint="1"),
        dataclasses.replace(run, classes=("y",)),
        dataclasses.replace(run, config=config.model_copy(update={"seed": 5})),
    ]
    owners = {runs.owner(each, 1) for each in (run, *others)} | {runs.owner(run, 0)}
    assert len(owners) == 5
