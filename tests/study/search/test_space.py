"""What may be searched in an experiment, and what is refused before anything trains."""

import pytest

from competition.core.experiment import configs
from competition.study.search import space


@pytest.fixture
def load(tmp_path):
    """Load the plan of an experiment with these lines in its [search.space]."""

    def load(*lines, settings="", head=""):
        path = tmp_path / "mine.toml"
        table = "\n".join(("[search]", settings, "[search.space]", *lines))
        path.write_text(f"{head}\n{table}\n")
        return space.load(str(path))

    return load


def test_ranges_and_choices_with_the_defaults_of_base(load):
    plan = load(
        '"training.learning_rate" = { low = 1e-4, high = 1e-2, log = true }',
        '"model.widths" = { choices = [[4, 8], [8, 16]] }',
        '"training.batch" = { low = 4, high = 16, step = 4 }',
    )
    assert plan.base == configs.load("base")
    assert (plan.search.trials, plan.search.folds) == (30, (0,))
    rate, widths, batch = plan.search.space.values()
    assert rate.ends == (1e-4, 1e-2) and rate.log
    assert widths.values == {"[4, 8]": [4, 8], "[8, 16]": [8, 16]}
    assert batch.step == 4


def test_the_search_is_no_part_of_a_config(load):
    load('"training.epochs" = { low = 1, high = 3 }', settings="trials = 7")
    assert "search" not in configs.load("smoke").model_dump()
    assert configs.load("smoke", ("search.trials=3",)) == configs.load("smoke")
    assert space.load("smoke", ("search.trials=3",)).search.trials == 3


def test_changed_values_are_checked_and_the_rest_stays(load):
    plan = load('"training.epochs" = { low = 1, high = 3 }')
    changed = space.change(
        plan, {"training.epochs": 2, "model.widths": [4, 8]}, source="trial 1"
    )
    assert configs.changes(plan.base.model_dump(), changed.model_dump()) == [
        "model.widths: (32, 64, 128, 256, 512) -> (4, 8)",
        "training.epochs: 20 -> 2",
    ]
    with pytest.raises(ValueError, match=r"trial 2: `training\.epochs`: .*Received: 0"):
        space.change(plan, {"training.epochs": 0}, source="trial 2")


def test_an_experiment_written_as_toml_is_that_experiment(tmp_path):
    overrides = (
        "seed=5", "slices=[-1, 0, 1]", 'model.encoder_weights="a \\"b\\" ü.h5"',
        "model.encoder=ResNet50", "training.learning_rate=1e-5", "decide.smooth=false",
        "decide.gates=[[3, 0.5, 0.5]]", "submit.tta=[]",
    )  # fmt: skip
    wanted = configs.load("smoke", overrides)
    path = tmp_path / "written.toml"
    path.write_text(space.as_toml(wanted), "utf-8")
    assert configs.load(str(path)) == wanted
    assert path.read_text("utf-8").startswith("seed = 5\n")
    assert "[loss]" not in path.read_text("utf-8")
    path.write_text(space.as_toml(configs.load("base")))
    assert configs.load(str(path)) == configs.load("base")


RATE = '"training.learning_rate" = '


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", r"mine\.toml: nothing to search\. Add"),
        ('"training.epoch" = { low = 1, high = 2 }',
         r"`training\.epoch` is no key\. Did you mean 'training\.epochs'"),
        ('"training" = { low = 1, high = 2 }', "`training` is no key"),
        ('"decide.smooth" = { choices = [true] }',
         r"`decide\.smooth` is no part of a fold's training"),
        ('"folds" = { choices = [[0]] }', "`folds` is no part"),
        (RATE + "{ low = 1e-4, hihg = 1e-2 }",
         r"unknown key `search\.space\.training\.learning_rate\.hihg`\. "
         "Did you mean 'high'"),
        (RATE + "{ low = 1e-4 }", "either `choices`, or `low` and `high`"),
        (RATE + "{ low = 1e-4, choices = [1e-3] }", "either `choices`, or"),
        (RATE + "{ low = 1e-2, high = 1e-4 }", "`low` must be below `high`"),
        (RATE + "{ low = 0.0, high = 1e-4, log = true }", "above 0 with `log`"),
        (RATE + "{ low = -1e-4, high = 1e-2 }",
         r"training\.learning_rate = -0\.0001: `training\.learning_rate`: .*greater"),
        ('"training.batch" = { low = 1.5, high = 4 }', "is a whole number.*1.5"),
        ('"model.architecture" = { low = 1, high = 4 }', "no number but 'unet'.*choic"),
        ('"model.architecture" = { choices = ["unet", "vnet"] }',
         r"model\.architecture = vnet: `model\.architecture`: .*'vnet'"),
        ('"model.norm" = { choices = ["group", 2026-01-01] }',
         r"`model\.norm`: .*datetime\.date\(2026, 1, 1\)"),
        ('"model.widths" = { choices = [[4, 8], []] }', r"model\.widths = \[\]"),
    ],
)  # fmt: skip
def test_a_wrong_space_is_named(load, line, message):
    with pytest.raises(ValueError, match=message):
        load(line)


def test_choices_must_go_together(load):
    names = '"model.architecture" = { choices = ["unet", "fcn"] }'
    encoders = '"model.encoder" = { choices = ["none", "ResNet50"] }'
    with pytest.raises(
        ValueError, match=r"architecture = fcn, model\.encoder = ResNet50: .*not fcn"
    ):
        load(names, encoders)
    load(names)


def test_of_many_combinations_a_sample_is_checked(load):
    ranges = [f'"augment.{key}" = {{ low = 0.1, high = 0.2 }}' for key in (
        "flip", "affine", "shift", "scale", "elastic", "tone", "gain", "gamma", "bias",
        "blur", "noise",
    )]  # fmt: skip
    assert len(load(*ranges).search.space) == 11
    with pytest.raises(ValueError, match=r"`augment\.holes`"):
        load(*ranges, '"augment.holes" = { low = 0.5, high = 1.5 }')


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (dict(settings="folds = [7]"), r"`search\.folds` must be of.*Received: \[7\]"),
        (dict(settings="folds = [0, 0]"), r"`search\.folds`: .*Name it once"),
        (dict(settings="trials = 0"), r"`search\.trials`: .*greater"),
        (dict(settings="trails = 3"), r"`search\.trails`\. Did you mean 'trials'"),
        (dict(head='members = ["a", "b"]'), "Search one of its members, a, b"),
    ],
)
def test_wrong_settings_are_named(load, asked, message):
    with pytest.raises(ValueError, match=message):
        load('"training.epochs" = { low = 1, high = 3 }', **asked)
