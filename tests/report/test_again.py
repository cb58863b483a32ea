"""The command that makes a run again gives the config that it has."""

import itertools
import shlex

import pytest

from competition.core import files
from competition.core.experiment import configs, layout, starting
from competition.report import again

MANIFEST = {
    "folds": 5, "classes": ["a", "b"], "fingerprint": "0123", "exclusive": False,
    "source": "/data/my scans", "options": {"folds": 5, "fold_seed": 0},
}  # fmt: skip
ALL = 'folds=["all"]', "training.keep=last"


@pytest.fixture
def started(tmp_path):
    def start(name, experiment, *overrides, manifest=MANIFEST):
        dataset = layout.DatasetFiles(tmp_path / "data")
        files.write_json(dataset.manifest, manifest)
        return starting.start(dataset, name, configs.load(experiment, overrides))

    return start


def parsed(command):
    """The experiment of a command, its --set values and all its words."""
    words = shlex.split(command.replace("\\\n", " "))
    sets = [value for key, value in itertools.pairwise(words) if key == "--set"]
    return words[words.index("--experiment") + 1], tuple(sets), words


def test_a_shipped_experiment_needs_no_more(started):
    (command,) = again.commands(started("unet", "unet"), MANIFEST)
    assert command == (
        "python -m competition run --data '/data/my scans' --experiment unet"
    )


def test_what_was_set_is_set_again_under_the_same_name(started):
    wanted = ("training.batch=3", "model.widths=[4, 8]", 'model.norm="group"')
    run = started("mine", "smoke", *wanted)
    (command,) = again.commands(run, MANIFEST)
    experiment, sets, words = parsed(command)
    assert experiment == "smoke" and sorted(sets) == sorted(wanted)
    assert words[-2:] == ["--name", "mine"]
    assert configs.load(experiment, sets).training == run.config.training


def test_folds_that_few_cases_do_not_have_are_not_set(started):
    manifest = {**MANIFEST, "folds": 3}
    (command,) = again.commands(started("unet", "unet", manifest=manifest), manifest)
    assert "folds" not in command


def test_exclusive_classes_are_set_only_against_the_data(started):
    manifest = {**MANIFEST, "exclusive": True}
    run = started("unet", "unet", manifest=manifest)
    assert "exclusive" not in again.commands(run, manifest)[0]
    run = started("open", "unet", "model.exclusive=false", manifest=manifest)
    assert "--set model.exclusive=false" in again.commands(run, manifest)[0]


def test_the_data_is_prepared_alike(started):
    options = {"folds": 3, "fold_seed": 7, "fold_file": "case,fold\n1,0\n",
               "faulty": "host", "quarantine": True}  # fmt: skip
    (command,) = again.commands(
        started("unet", "unet"), {**MANIFEST, "options": options}
    )
    _, _, words = parsed(command)
    text = " ".join(words)
    assert "--folds 3 --fold-seed 7 --fold-file folds.csv --faulty host" in text
    assert "--quarantine" in words
    # The contents of a file of a single line, of which the end was lost.
    options["faulty"] = "case3_day0"
    (command,) = again.commands(
        started("other", "unet"), {**MANIFEST, "options": options}
    )
    assert "--faulty faulty.txt" in " ".join(parsed(command)[2])


def test_members_are_set_as_they_were_and_strange_ones_come_first(started):
    started("unet", "unet", "training.epochs=3")
    started("own", "smoke", "training.epochs=4", "folds=[0,1,2,3,4]")
    blend = started("both", "unet", 'members=["unet", "own"]')
    first, last = again.commands(blend, MANIFEST)
    assert "--name own" in first and "training.epochs=4" in first
    _, sets, words = parsed(last)
    assert "unet:training.epochs=3" in sets and 'members=["unet", "own"]' in sets
    assert words[-2:] == ["--name", "both"]


def test_the_run_whose_rules_it_takes_comes_first(started):
    source = started("tinyb", "smoke", "training.epochs=3")
    run = started("every", "smoke", *ALL, 'rules="tinyb"')
    first, last = again.commands(run, MANIFEST)
    assert [first] == again.commands(source, MANIFEST)
    _, sets, _ = parsed(last)
    assert {'folds=["all"]', 'rules="tinyb"'} <= {*sets}
    source.files.config.unlink()
    named, same = again.commands(run, MANIFEST)
    assert named.startswith("# First make the run tinyb,") and same == last


def test_a_blend_and_the_run_whose_rules_it_takes_list_a_member_once(started):
    every = *ALL, 'rules="own"'
    started("own", "smoke", "folds=[0, 1, 2, 3, 4]")
    started("unet", "unet")
    started("blend", "unet", 'members=["unet", "own"]')
    members = [started(name, "smoke", *every).name for name in ("one", "two")]
    named = f"members={members}".replace("'", '"')
    whole = started("whole", "smoke", named, *ALL, 'rules="blend"')
    listed = [parsed(each)[2][-1] for each in again.commands(whole, MANIFEST)]
    assert listed == ["own", "blend", "one", "two", "whole"]


def test_differences_from_the_default_in_words(started):
    config = started("mine", "unet", "training.tensorboard=false").config
    rows = {row["key"]: row for row in again.differences(config)}
    assert rows["training.tensorboard"]["value"] == "no"
    assert rows["training.tensorboard"]["default"] == "yes"
    assert "training.momentum" not in rows
    tables = again.tables(config)
    assert tables["run"]["seed"] == "0" and tables["training"]["momentum"] == "0.9"
