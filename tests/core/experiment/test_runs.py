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


def test_a_run_that_was_only_locked_may_change_its_config(tmp_path):
    dataset, _ = by_hand.scored_run(tmp_path)
    place = runs.start(dataset, "mine", configs.load("smoke")).files
    with locks.locked(place.fold(0), doing="training"):
        pass
    wanted = configs.load("smoke", ("training.batch=2",))
    assert runs.start(dataset, "mine", wanted).config == wanted
    files.write_text(place.history(0), "begun")
    with pytest.raises(ValueError, match="batch"):
        runs.start(dataset, "mine", configs.load("smoke"))


def test_the_weights_of_an_encoder_may_lie_elsewhere_the_next_time(tmp_path):
    dataset, _ = by_hand.scored_run(tmp_path)

    def begin(path, *more):
        about = ("model.encoder=mit_b0", "model.widths=[4, 4, 4, 8, 8]", *more)
        wanted = configs.load("smoke", (*about, f"model.encoder_weights={path}"))
        return runs.start(dataset, "mine", wanted)

    run = begin("/kaggle/input/weights/b0.h5")
    files.write_text(run.files.history(0), "begun")
    moved = begin("/kaggle/input/datasets/ann/weights/b0.h5")
    path = moved.config.model.encoder_weights
    assert path == "/kaggle/input/datasets/ann/weights/b0.h5"
    assert runs.read(run.files) == moved
    assert runs.owner(run, 0) == runs.owner(moved, 0)
    with pytest.raises(ValueError, match=r"encoder_weights: .*b0\.h5 -> /other\.h5"):
        begin("/other.h5")
    with pytest.raises(ValueError, match=r"seed: 0 -> 1"):
        begin("/elsewhere/b0.h5", "seed=1")


def test_what_only_decide_reads_may_change_once_a_run_has_begun(tmp_path):
    dataset, _ = by_hand.scored_run(tmp_path)
    begun = runs.start(dataset, "mine", configs.load("smoke"))
    files.write_text(begun.files.history(0), "begun")
    # As a run was kept before these keys were there.
    record = files.read_json(begun.files.config)
    record["config"]["decide"] |= {"gates": [[3, 0.0, 0.0]], "thresholds": [0.25]}
    del record["config"]["decide"]["fallback"]
    files.write_sealed(begun.files.config, record)
    again = runs.start(dataset, "mine", configs.load("smoke"))
    assert again.config == configs.load("smoke")
    assert runs.read(again.files) == again
    assert runs.owner(again, 0) == runs.owner(begun, 0)
    with pytest.raises(ValueError, match=r"seed: 0 -> 1"):
        runs.start(
            dataset, "mine", configs.load("smoke", ("seed=1", "decide.gates=[]"))
        )


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


def test_of_two_runs_begun_at_once_under_one_name_one_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "ENDING_SECONDS", 0.0)
    dataset, _ = by_hand.scored_run(tmp_path)
    other = configs.load("smoke", ("training.epochs=3",))
    first = runs.start(dataset, "twice", configs.load("smoke"))
    # While it trains, its config stays.
    with locks.locked(first.files.root, doing="training", shared=True):
        with pytest.raises(ValueError, match="another process is training here"):
            runs.start(dataset, "twice", other)
    second = runs.start(dataset, "twice", other)
    with pytest.raises(ValueError, match=r"config\.json was written by another proc"):
        runs.check_data(first, dataset)
    runs.check_data(second, dataset)


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
