"""As many networks of a blend as time and files allow."""

import dataclasses

import numpy as np
import pytest

from competition.core import blending, files, geometry, rules
from competition.core.data import arrays
from competition.core.experiment import runs
from competition.submit import event_log, members, reports
from tests import copies

NAMES = ("first", "second", "third")


@pytest.fixture
def blend(finished, tmp_path):
    return copies.blend(finished[0], tmp_path / "work", names=NAMES)


@pytest.fixture
def volume(finished):
    store = arrays.Arrays(finished[0].dataset)
    return store.scan(sorted(finished[0].dataset.root.glob("scans/*.npy"))[0].stem)


def grid_of(volume):
    return geometry.Grid(volume.shape[1:])


def start(run, tmp_path, *, weights=()):
    decided = rules.read(run.files.decision, run.classes)
    decided = [dataclasses.replace(rule, weights=weights) for rule in decided]
    log = event_log.EventLog(tmp_path / "submit.log")
    return members.LoadedMembers(run, decided, reports.Reports(log.warn)), log


def test_members_that_agree_say_what_one_says_at_every_effort(blend, volume, tmp_path):
    loaded, _ = start(blend, tmp_path, weights=(0.2, 0.5, 0.3))
    networks, counts, decisions = loaded.all_networks, [], []
    while networks:
        predictions, class_rules = loaded.predict(volume, grid_of(volume), networks)
        counts.append((len(predictions.members), networks.passes))
        decisions.append(blending.decide(predictions, class_rules))
        networks = networks.smaller()
    assert counts == [(3, 6), (2, 4), (1, 2), (1, 1)]
    for bits in decisions[1:3]:
        np.testing.assert_array_equal(bits, decisions[0])


def test_the_weakest_member_goes_first_and_weights_follow(blend, volume, tmp_path):
    loaded, _ = start(blend, tmp_path, weights=(0.2, 0.5, 0.3))
    assert loaded.all_networks.members == ("second", "third", "first")
    _, class_rules = loaded.predict(
        volume, grid_of(volume), loaded.all_networks.smaller()
    )
    assert class_rules[0].weights == (0.5, 0.3), "in the order of the config"


def test_a_member_without_any_network_is_left_to_the_others(blend, tmp_path):
    for fold in (0, 1):
        runs.members(blend)[1].files.weights(fold).write_bytes(b"none")
    runs.members(blend)[2].files.weights(1).unlink()
    loaded, log = start(blend, tmp_path)
    assert loaded.all_networks.members == ("first", "third")
    assert dict(loaded.all_networks.folds) == {"first": (0, 1), "third": (0,)}
    assert log.counts == {"network left out": 2, "not trained": 1}


def gated(blend, **about):
    """Change the members and gates of the blend."""
    record = files.read_json(blend.files.config)
    record["config"] |= about
    files.write_json(blend.files.config, record)
    return runs.read(blend.files)


def test_a_gate_is_asked_at_every_effort(blend, volume, tmp_path):
    run = gated(blend, members=["first"], gate=["second", "third"])
    loaded, _ = start(run, tmp_path)
    networks, gates = loaded.all_networks, []
    while networks:
        predictions, _ = loaded.predict(volume, grid_of(volume), networks)
        # Copies of one run agree, however many of them there are.
        seen, drawn = predictions.gate, predictions.members[0]
        np.testing.assert_array_equal(seen.probability, drawn.probability)
        gates.append(networks.gates)
        networks = networks.smaller()
    assert gates == [("second", "third")] * 2 + [("second",)]


def test_where_no_gate_loads_the_members_decide_alone(blend, volume, tmp_path):
    run = gated(blend, members=["first", "second"], gate=["third"])
    for fold in (0, 1):
        runs.gates(run)[0].files.weights(fold).write_bytes(b"none")
    loaded, log = start(run, tmp_path)
    assert log.counts == {"network left out": 2}
    predictions, _ = loaded.predict(volume, grid_of(volume), loaded.all_networks)
    assert predictions.gate is None and len(predictions.members) == 2


def test_the_rate_is_measured_after_compiling(blend, tmp_path):
    loaded, _ = start(blend, tmp_path)
    assert 0 < loaded.measure((40, 40), loaded.all_networks) < 5


def test_without_any_member_it_is_an_error(blend, tmp_path):
    for member in runs.members(blend):
        for fold in (0, 1):
            member.files.weights(fold).unlink()
    with pytest.raises(ValueError, match="no weights of any fold can be loaded"):
        start(blend, tmp_path)


def test_members_are_ordered_by_what_they_weigh_over_all_classes():
    decided = [rules.Rule(weights=(1.0, 3.0)), rules.Rule(weights=(1.0, 1.0))]
    assert members.by_weight(["a", "b"], decided) == ("b", "a")
    assert members.by_weight(["a", "b"], [rules.Rule()]) == ("a", "b")


def test_the_rules_of_some_members_keep_their_weights():
    decided = [rules.Rule(weights=(1.0, 3.0, 0.0)), rules.Rule()]
    changed = members.rules_for(decided, ["a", "b", "c"], ["c", "a"])
    assert [rule.weights for rule in changed] == [(1.0, 0.0), ()]
    assert members.rules_for(decided, ["a", "b", "c"], ["c"])[0].weights == ()
