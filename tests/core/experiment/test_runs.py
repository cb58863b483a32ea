"""The folder of a run, and its faults."""

import pytest

from competition.core import files
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


def test_a_runs_name_is_that_of_its_folder(tmp_path):
    _, run = by_hand.scored_run(tmp_path)
    about = files.read_json(run.files.config) | {"name": "../../elsewhere"}
    files.write_json(run.files.config, about)
    assert runs.read(run.files).name == "by-hand"


def test_a_run_that_was_only_locked_may_change_its_config(tmp_path):
    dataset, _ = by_hand.scored_run(tmp_path)
    place = runs.start(dataset, "mine", configs.load("smoke")).files
    with files.locked(place.fold(0), doing="training"):
        pass
    wanted = configs.load("smoke", ("training.batch=2",))
    assert runs.start(dataset, "mine", wanted).config == wanted
    files.write_text(place.history(0), "begun")
    with pytest.raises(ValueError, match="batch"):
        runs.start(dataset, "mine", configs.load("smoke"))
