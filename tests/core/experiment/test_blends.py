"""The members and gates of an experiment, found and loaded by name."""

import pytest

from competition.core.experiment import blends, configs
from tests import by_hand


@pytest.fixture
def experiments(tmp_path):
    """TOML files of these names and contents: experiments(name=content)."""

    def write(**contents):
        for name, content in contents.items():
            (tmp_path / f"{name}.toml").write_text(content)
        return str(tmp_path / f"{next(iter(contents))}.toml")

    return write


def test_members_lie_beside_the_blend_or_are_shipped(experiments):
    blend = experiments(
        blend='members = ["fine", "unet"]\ngate = ["smoke"]',
        fine="[training]\nepochs = 7",
        smoke="[training]\nepochs = 9",
    )
    loaded = blends.load(blend)
    assert list(loaded) == ["smoke", "fine", "unet"]
    assert loaded["unet"] == configs.load("unet")
    # Its own file goes before the shipped one of the same name.
    epochs = [config.training.epochs for config in loaded.values()]
    assert epochs[:2] == [9, 7]


def test_a_gate_of_a_member_comes_before_it(experiments):
    blend = experiments(
        blend='members = ["gated", "unet"]', gated='gate = ["first"]', first=""
    )
    assert list(blends.load(blend)) == ["first", "gated", "unet"]


def test_experiments_that_name_each_other_end(experiments):
    one = experiments(one='gate = ["two"]', two='gate = ["one"]')
    assert list(blends.load(one)) == ["one", "two"]


def test_overrides_are_for_all_or_for_one(experiments):
    blend = experiments(blend='members = ["fine", "unet"]', fine="")
    given = ("fine:training.batch=2", "training.epochs=3", "training.batch=8")
    loaded = blends.load(blend, (*given, 'gate=["unet"]'))
    settings = {name: config.training for name, config in loaded.items()}
    assert {each.epochs for each in settings.values()} == {3}
    assert (settings["fine"].batch, settings["unet"].batch) == (2, 8)
    assert not any(config.gate for config in loaded.values())
    own = configs.load(blend, given)
    assert (own.training.batch, own.training.epochs) == (8, 3)


def test_an_override_for_another_run_is_an_error(experiments):
    blend = experiments(blend='members = ["fine", "unet"]', fine="")
    with pytest.raises(
        ValueError,
        match=r"is for the run fin, .* gates: fine, unet\. Did you mean 'fine",
    ):
        blends.load(blend, ("fin:training.batch=2",))
    with pytest.raises(ValueError, match=r"smoke has the members and gates: none\."):
        configs.load("smoke", ("fine:training.batch=2",))


def test_an_override_of_all_that_a_member_refuses_names_the_way_to_set_its_own(
    experiments,
):
    cropped = "[geometry]\ncrop = [96, 96]\nheight = 128\nwidth = 128"
    blend = experiments(blend='members = ["fine", "unet"]', fine=cropped)
    given = "geometry.height=64", "geometry.width=64"
    with pytest.raises(
        ValueError,
        match=r"fine\.toml --set [\s\S]*apply: geometry\.height=64, "
        r"geometry\.width=64\. [\s\S]*`--set fine:KEY=VALUE`",
    ):
        blends.load(blend, given)
    fitting = blends.load(blend, (*given, "fine:geometry.crop=[32, 32]"))
    assert fitting["fine"].geometry.crop == (32, 32)
    with pytest.raises(ValueError, match=r"Correct|Use crop|fit") as own:
        blends.load(blend, ("fine:geometry.height=64",))
    assert "KEY=VALUE" not in str(own.value)


def test_misspelt_rules_are_said_before_training(tmp_path, capsys):
    dataset, _ = by_hand.scored_run(tmp_path)

    def begin(rules):
        blends.start(dataset, "smoke", (f"rules={rules}",), name="everything")
        return " ".join(capsys.readouterr().err.split())

    said = begin("by-hnad")
    assert "`rules` is 'by-hnad', which is neither a run in" in said
    assert "Did you mean 'by-hand'?" in said
    for known in "by-hand", "unet", "none":
        assert not begin(known)


def test_a_name_of_no_experiment_is_left_to_its_run(experiments):
    assert list(blends.load(experiments(blend='gate = ["by-hand"]'))) == []
    with pytest.raises(ValueError, match="one part of a path"):
        blends.load(experiments(blend='gate = ["../smoke"]'))


def test_an_override_for_a_run_of_no_experiment_is_an_error(experiments):
    blend = experiments(blend='members = ["fine", "by-hand"]', fine="")
    given = "by-hand:training.batch=2", "fine:training.batch=4"
    with pytest.raises(ValueError, match=r"by-hand:training\.batch=2 is for a run t"):
        blends.load(blend, given)
    assert blends.load(blend, given[1:])["fine"].training.batch == 4
