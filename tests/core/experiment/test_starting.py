"""A run keeps the config and the data that it began with."""

import os

import pytest

from competition.core import files, locks
from competition.core.experiment import configs, runs, starting
from tests import by_hand


def test_a_run_that_was_only_locked_may_change_its_config(tmp_path):
    dataset, _ = by_hand.scored_run(tmp_path)
    place = starting.start(dataset, "mine", configs.load("smoke")).files
    with locks.locked(place.fold(0), doing="training"):
        pass
    # A kernel that was pushed may have failed before its first epoch.
    files.write_json(place.kernel, {})
    wanted = configs.load("smoke", ("training.batch=2", "model.exclusive=false"))
    assert starting.start(dataset, "mine", wanted).config == wanted
    files.write_text(place.history(0), "begun")
    with pytest.raises(ValueError, match="batch"):
        starting.start(dataset, "mine", configs.load("smoke"))


def test_an_old_heartbeat_begins_nothing_and_a_fresh_one_does(tmp_path):
    dataset, _ = by_hand.scored_run(tmp_path)
    place = starting.start(dataset, "mine", configs.load("smoke")).files
    beat = place.heartbeat(0)
    files.write_text(beat, "{}")
    other = configs.load("smoke", ("training.batch=2", "model.exclusive=false"))
    with pytest.raises(ValueError, match="batch"):
        starting.start(dataset, "mine", other)
    # Of a training that was killed before its first epoch.
    os.utime(beat, (1, 1))
    assert starting.start(dataset, "mine", other).config == other


@pytest.mark.parametrize("exclusive", [True, False, None])
def test_the_data_says_whether_classes_exclude_each_other(tmp_path, exclusive):
    dataset, _ = by_hand.scored_run(tmp_path)
    manifest = files.read_json(dataset.manifest)
    manifest.pop("exclusive", None)
    # Older manifests do not say so.
    found = {} if exclusive is None else {"exclusive": exclusive}
    files.write_sealed(dataset.manifest, manifest | found)
    wanted = configs.load("smoke", ("model.exclusive=auto",))
    run = starting.start(dataset, "mine", wanted)
    assert run.config.model.softmax is run.config.model.exclusive is bool(exclusive)
    assert starting.start(dataset, "mine", wanted) == run
    forced = configs.load("smoke", (f"model.exclusive={str(not exclusive).lower()}",))
    run = starting.start(dataset, "other", forced)
    assert run.config.model.exclusive is not bool(exclusive)


def test_a_run_that_began_before_masks_were_looked_at_goes_on_as_it_is(tmp_path):
    dataset, _ = by_hand.scored_run(tmp_path)
    wanted = configs.load("smoke", ("model.exclusive=auto",))
    begun = starting.start(dataset, "mine", wanted)
    record = files.read_json(begun.files.config)
    del record["config"]["model"]["exclusive"]
    files.write_sealed(begun.files.config, record)
    files.write_text(begun.files.history(0), "begun")
    # Prepared again by a version that looks at them.
    manifest = files.read_json(dataset.manifest)
    files.write_sealed(dataset.manifest, manifest | {"exclusive": True})
    assert not starting.start(dataset, "mine", wanted).config.model.softmax
    assert starting.start(dataset, "other", wanted).config.model.softmax


@pytest.mark.parametrize("tta", [["flip"], []])
def test_a_run_of_an_older_version_keeps_its_views_and_is_predicted_alike(
    tmp_path, tta
):
    dataset, _ = by_hand.scored_run(tmp_path)
    wanted = configs.load("unet", ("augment.flip=0", "model.exclusive=false"))
    begun = starting.start(dataset, "mine", wanted)
    assert begun.config.submit.tta == "auto" and begun.config.tta == ()
    record = files.read_json(begun.files.config)
    record["config"]["submit"]["tta"] = tta
    del record["config"]["axis"]
    files.write_sealed(begun.files.config, record)
    files.write_text(begun.files.history(0), "begun")
    run = starting.start(dataset, "mine", wanted)
    assert run.config.tta == tuple(tta) and run.config.axis == "z"
    assert "axis" not in configs.without_newer_defaults(run.config)
    across = configs.load("unet", ("axis=y", "intensity=scan"))
    assert configs.without_newer_defaults(across)["axis"] == "y"


def test_the_weights_of_an_encoder_may_lie_elsewhere_the_next_time(tmp_path):
    dataset, _ = by_hand.scored_run(tmp_path)

    def begin(path, *more):
        about = ("model.encoder=mit_b0", "model.widths=[4, 4, 4, 8, 8]", *more)
        wanted = configs.load("smoke", (*about, f"model.encoder_weights={path}"))
        return starting.start(dataset, "mine", wanted)

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
    begun = starting.start(dataset, "mine", configs.load("smoke"))
    files.write_text(begun.files.history(0), "begun")
    # As a run was kept before these keys were there.
    record = files.read_json(begun.files.config)
    record["config"]["decide"] |= {"gates": [[3, 0.0, 0.0]], "thresholds": [0.25]}
    del record["config"]["decide"]["fallback"]
    files.write_sealed(begun.files.config, record)
    again = starting.start(dataset, "mine", configs.load("smoke"))
    assert again.config == begun.config
    assert runs.read(again.files) == again
    assert runs.owner(again, 0) == runs.owner(begun, 0)
    with pytest.raises(ValueError, match=r"seed: 0 -> 1"):
        starting.start(
            dataset, "mine", configs.load("smoke", ("seed=1", "decide.gates=[]"))
        )


def test_of_two_runs_begun_at_once_under_one_name_one_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "ENDING_SECONDS", 0.0)
    dataset, _ = by_hand.scored_run(tmp_path)
    other = configs.load("smoke", ("training.epochs=3",))
    first = starting.start(dataset, "twice", configs.load("smoke"))
    # While it trains, its config stays.
    with locks.locked(first.files.root, doing="training", shared=True):
        with pytest.raises(ValueError, match="another process is training here"):
            starting.start(dataset, "twice", other)
    second = starting.start(dataset, "twice", other)
    with pytest.raises(ValueError, match=r"config\.json was written by another proc"):
        runs.check_data(first, dataset)
    runs.check_data(second, dataset)
