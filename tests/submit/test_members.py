"""As many networks of a blend as time and files allow."""

import dataclasses

import numpy as np
import pytest

from competition.core import blending, files, rules
from competition.core.data import arrays
from competition.core.experiment import runs
from competition.submit import event_log, members
from tests import copies

NAMES = ("first", "second", "third")


@pytest.fixture
def blend(finished, tmp_path):
    return copies.blend(finished[0], tmp_path / "work", names=NAMES)


@pytest.fixture
def volume(finished):
    store = arrays.Arrays(finished[0].dataset)
    return store.scan(sorted(finished[0].dataset.root.glob("scans/*.npy"))[0].stem)


def start(run, tmp_path, *, weights=()):
    decided = rules.read(run.files.decision, run.classes)
    decided = [dataclasses.replace(rule, weights=weights) for rule in decided]
    return members.LoadedMembers(
        run, decided, event_log.EventLog(tmp_path / "submit.log")
    )


def test_members_that_agree_say_what_one_says_at_every_effort(blend, volume, tmp_path):
    team = start(blend, tmp_path, weights=(0.2, 0.5, 0.3))
    effort, counts, said = team.full, [], []
    while effort:
        seen, decided = team.look(volume, effort)
        counts.append((len(seen.probability), effort.cost))
        said.append(blending.decide(seen, decided))
        effort = effort.lower()
    assert counts == [(3, 6), (2, 4), (1, 2), (1, 1)]
    for bits in said[1:3]:
        np.testing.assert_array_equal(bits, said[0])


def test_the_weakest_member_goes_first_and_weights_follow(blend, volume, tmp_path):
    team = start(blend, tmp_path, weights=(0.2, 0.5, 0.3))
    assert team.full.members == ("second", "third", "first")
    _, decided = team.look(volume, team.full.lower())
    assert decided[0].weights == (0.5, 0.3), "in the order of the config"


def test_a_member_without_any_network_is_left_to_the_others(blend, tmp_path):
    for fold in (0, 1):
        runs.members(blend)[1].files.weights(fold).write_bytes(b"none")
    runs.members(blend)[2].files.weights(1).unlink()
    team = start(blend, tmp_path)
    assert team.full.members == ("first", "third")
    assert dict(team.full.folds) == {"first": (0, 1), "third": (0,)}
    assert team.journal.counts == {"model left out": 3}


def test_a_gate_is_asked_at_every_effort(blend, volume, tmp_path):
    about = files.read_json(blend.files.config)
    about["config"] |= {"members": ["first", "second"], "gate": ["third"]}
    files.write_json(blend.files.config, about)
    team = start(runs.read(blend.files), tmp_path)
    effort = team.full
    while effort:
        seen, _ = team.look(volume, effort)
        assert seen.gate is not None
        assert effort.runs[-1] == "third"
        effort = effort.lower()


def test_the_rate_is_measured_after_compiling(blend, tmp_path):
    team = start(blend, tmp_path)
    assert 0 < team.measure((40, 40), team.full) < 5


def test_without_any_member_it_is_an_error(blend, tmp_path):
    for member in runs.members(blend):
        for fold in (0, 1):
            member.files.weights(fold).unlink()
    with pytest.raises(ValueError, match="no weights of any fold can be loaded"):
        start(blend, tmp_path)
