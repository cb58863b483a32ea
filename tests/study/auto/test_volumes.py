"""Which data gets a 3D network, and of which patches."""

import dataclasses
import math

import pytest

from competition.core.experiment import blends, configs
from competition.machine import deadline
from competition.net import timing
from competition.study import amounts, auto
from competition.study.auto import (
    choices,
    findings,
    frames,
    networks,
    stacks,
    volumes,
)
from tests.study.plan import test_plan

# Volumes of 35 x 51 x 35 voxels, each a millimetre long.
FOUND = findings.Findings(
    amount=amounts.Amounts(
        slices=7000,
        positives=5000,
        scans=200,
        pixels=12 * 10**6,
        classes=2,
        folds=5,
        slices_y=10_000,
        positives_y=7_800,
    ),
    cases=200,
    depth=35,
    whole=frames.Frame(51, 35),
    front=frames.Frame(47, 35),
    body=frames.Frame(51, 35),
    saving=0.0,
    anisotropy=1.0,
    outside=0.0,
    exchanged=None,
    thickness=8.0,
    jump=1.0,
    fewest=100,
)


def chosen(**found):
    changed = dataclasses.replace(FOUND, **found)
    lines = volumes.of_data(changed, choices.Effort(16, 1.0))
    return {line.key: line.value for line in lines}


def test_a_small_volume_is_one_patch():
    lines = chosen()
    assert (lines["geometry.height"], lines["geometry.width"]) == (56, 40)
    assert lines["model.architecture"] == "residual_unet_3d"
    assert lines["model.patch"] == [40, 56, 40]
    assert lines["model.widths"] == [16, 32, 64, 128]


def test_of_a_larger_one_a_large_part_is():
    patch = chosen(depth=100, whole=frames.Frame(120, 120))["model.patch"]
    assert volumes.MOST_VOXELS / 2 < math.prod(patch) <= volumes.MOST_VOXELS
    assert max(patch) - min(patch) <= 8


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"anisotropy": 2.0}, True),
        ({"anisotropy": 2.5}, False),
        ({"depth": 1}, False),
        ({"depth": 100, "whole": frames.Frame(120, 120)}, True),
        # A patch would be a small part.
        ({"depth": 144, "whole": frames.Frame(266, 266)}, False),
        # A flat stack.
        ({"depth": 16, "whole": frames.Frame(160, 160)}, False),
    ],
)
def test_volumes_fit_where_they_are_thick_and_small(changes, expected):
    assert volumes.fit(dataclasses.replace(FOUND, **changes)) == expected


@pytest.fixture
def planned(finished, monkeypatch):
    """Plan for FOUND where a step of a 3D network, and of stacks, takes so long."""
    job, _ = finished

    def plan(seconds, budget, stacks):
        def measure(config, classes, *, slices, depth):
            step = seconds if config.model.volumetric else stacks
            return dataclasses.replace(test_plan.MEASURED, step=step, slice=0.0)

        monkeypatch.setattr(timing, "measure", measure)
        path = str(auto.write(job.dataset, budget))
        return configs.load(path), blends.load(path)

    monkeypatch.setattr(findings, "of", lambda dataset: FOUND)
    yield plan
    for path in job.dataset.root.glob("auto*.toml"):
        path.unlink()


def test_volumes_get_a_3d_network(planned):
    config, members = planned(0.5, "2h", stacks=0.5)
    assert not members
    assert config.model.architecture == "residual_unet_3d"
    assert config.training.batch == 2 and config.training.ema == 0.99


@pytest.mark.parametrize("seconds", [60.0, None])
def test_where_it_is_too_slow_or_too_large_they_get_stacks(planned, seconds):
    config, _ = planned(seconds, "2h", stacks=0.1)
    assert config.model.architecture == "unet"


def test_planned_anew_nothing_is_left_of_an_earlier_blend(planned, finished):
    job, _ = finished
    planned(0.5, "8h", stacks=0.1)
    members = sorted(job.dataset.root.glob("auto_*.toml"))
    assert [path.stem for path in members] == ["auto_2d", "auto_2d_y"]
    job.dataset.automatic.unlink()
    planned(0.5, "2h", stacks=0.5)
    assert not any(path.exists() for path in members)


def test_a_blend_that_lacks_the_file_of_a_member_is_refused(planned, finished):
    job, _ = finished
    planned(0.5, "8h", stacks=0.1)
    job.dataset.automatic.with_stem("auto_2d_y").unlink()
    fault = r"auto\.toml: its member auto_2d_y.*Delete auto\.toml to plan anew"
    with pytest.raises(ValueError, match=fault):
        auto.write_apart(job.dataset, "8h")
    with pytest.raises(ValueError, match=fault):
        auto.planned("auto", job.dataset)


@pytest.mark.parametrize(
    ("seconds", "budget", "stacks"), [(0.5, "8h", 2.0), (0.05, "1h30m", 0.2)]
)
def test_with_plenty_of_time_both_are_trained_and_averaged(
    planned, seconds, budget, stacks
):
    config, members = planned(seconds, budget, stacks)
    assert config.members == ("auto_2d", "auto_3d") == tuple(members)
    architectures = [member.model.architecture for member in members.values()]
    assert architectures == ["unet", "residual_unet_3d"]
    assert {member.folds for member in members.values()} == {config.folds}
    steps = steps_of(members)
    assert steps["auto_3d"] > 0.9 * networks.PLENTY
    trained = len(config.folds) * (
        stacks * steps["auto_2d"] + seconds * steps["auto_3d"]
    )
    whole = deadline.parse(budget)
    assert 0.6 * whole < trained < 0.9 * whole


def test_where_stacks_are_fast_they_are_seen_along_two_axes(planned):
    config, members = planned(0.5, "2h", stacks=0.1)
    assert config.members == ("auto_2d", "auto_2d_y") == tuple(members)
    front = members["auto_2d_y"]
    assert [member.axis for member in members.values()] == ["z", "y"]
    assert (members["auto_2d"].geometry.frame, front.geometry.frame) == (
        (56, 40),
        (48, 40),
    )
    assert front.intensity == "scan" and front.geometry.box == "none"
    steps = steps_of(members)
    assert min(steps.values()) > 0.9 * networks.TWO_AXES
    trained = len(config.folds) * 0.1 * sum(steps.values())
    assert 0.6 < trained / deadline.parse("2h") < 0.9


@pytest.mark.parametrize(
    "changes",
    [{"jump": 2.0}, {"saving": 0.5}, {"whole": frames.Frame(51, 35, "spacing")}],
)
def test_one_axis_is_seen_where_bodies_are_cut_out_or_slices_stand_alone(changes):
    assert stacks.fit_across_y(FOUND)
    assert not stacks.fit_across_y(dataclasses.replace(FOUND, **changes))


def steps_of(members):
    return {
        name: member.training.epochs * amounts.steps(member, FOUND.amount)
        for name, member in members.items()
    }


def test_two_axes_are_for_the_largest_network_alone(planned):
    """A smaller one, which has the steps, was not compared with a 3D network."""
    config, members = planned(0.5, "2h", stacks=0.15)
    assert not members and config.model.volumetric
