"""The search for the rules on out-of-fold probabilities."""

import numpy as np
import pytest

from competition import decide
from competition.core import files, masks, probabilities, rules
from competition.core.data import arrays
from competition.core.experiment import configs
from tests import by_hand


def decided(dataset, run):
    run.files.decision.unlink(missing_ok=True)
    return decide.run(dataset, run)


@pytest.fixture
def prepared(tmp_path):
    """By-hand scans with weights for two folds, so that the run counts as trained."""
    dataset, run = by_hand.scored_run(tmp_path)
    for fold in (0, 1):
        files.write_bytes(run.files.weights(fold), b"weights")
    for scan in by_hand.OFF:
        confuse(dataset, run, scan)
    return dataset, run


def confuse(dataset, run, scan):
    """Predict the truth at 0.45, and a lone block at 0.45 in another slice."""
    planes = masks.unpack(np.asarray(arrays.Arrays(dataset).masks(scan)), 2)
    probability = np.where(planes, 115, 0).astype(np.uint8)
    probability[0, 0:3, 14:18] = 115
    seen = probabilities.prediction(probability)
    probabilities.write(run.files.oof(scan), seen, digest="hand")


def test_a_rule_that_helps_is_found_and_told(prepared, capsys):
    decision = decided(*prepared)
    for rule in decision["rules"].values():
        assert rule["threshold"] < 0.46
    assert decision["nested"]["score"] > decision["baseline"] + 0.1
    gains = decision["nested"]["gains"].values()
    assert decision["baseline"] + sum(gains) == pytest.approx(
        decision["nested"]["score"]
    )
    told = capsys.readouterr().err
    assert "threshold 0.5" in told and "which flatters by" in told


def test_the_decision_scores_as_it_says(prepared):
    from competition import score

    dataset, run = prepared
    decision = decided(dataset, run)
    scored = score.of_run(dataset, run, data=dataset.root)["oof"]["score_per_class"]
    assert scored == pytest.approx(decision["in_sample"])


def test_its_form_and_that_it_reads_back(prepared):
    dataset, run = prepared
    decision = decided(dataset, run)
    assert set(decision) == {"rules", "baseline", "nested", "in_sample", "key"}
    assert set(decision["nested"]) == {"score", "gains", "kept"}
    assert set(decision["nested"]["kept"]["gate"]) == set(run.classes)
    assert len(rules.read(run.files.decision, run.classes)) == 2


def test_called_twice_it_does_nothing_and_newer_probabilities_are_decided_anew(
    prepared,
):
    dataset, run = prepared
    first = decided(dataset, run)
    before = run.files.decision.stat().st_mtime_ns
    assert decide.run(dataset, run) == first
    assert run.files.decision.stat().st_mtime_ns == before
    path = run.files.oof("case1_day0")
    same = probabilities.prediction(probabilities.read(path))
    probabilities.write(path, same, digest="newer")
    assert decide.run(dataset, run)["key"] != first["key"]


OFF = tuple(
    f"decide.{key}={value}"
    for key, value in {
        "weights": "[]", "thresholds": "[]", "gates": "[]", "smooth": "false",
        "pixels": "[]", "voxels": "[]", "largest": "[]", "holes": "false",
    }.items()
)  # fmt: skip


def test_every_rule_is_a_switch():
    everything = configs.load("base").decide
    names = [step.name for step in decide.steps(everything, members=1)]
    assert names == [
        "threshold", "gate", "smooth", "pixels", "voxels", "largest", "holes",
        "threshold, finer",
    ]  # fmt: skip
    assert not decide.steps(configs.load("base", OFF).decide, members=2)
    for off, name in (("gates=[]", "gate"), ("holes=false", "holes")):
        chosen = configs.load("base", (f"decide.{off}",)).decide
        assert name not in [step.name for step in decide.steps(chosen, members=1)]


def test_steps_propose_other_values_and_off():
    steps = {s.name: s for s in decide.steps(configs.load("base").decide, members=2)}
    proposed = steps["pixels"].propose(rules.Rule(pixels=10))
    assert [rule.pixels for rule in proposed] == [0, 25, 50]
    assert steps["smooth"].propose(rules.Rule()) == [rules.Rule(smooth=True)]
    near = steps["threshold, finer"].propose(rules.Rule(0.3))
    assert [rule.threshold for rule in near] == [0.2, 0.25, 0.35, 0.4]


def test_a_members_weight_is_tried_beside_the_others():
    steps = {s.name: s for s in decide.steps(configs.load("base").decide, members=2)}
    first = steps["weight 1"].propose(rules.Rule())
    assert [rule.weights for rule in first] == [
        (0.0, 1.0), (0.3333, 0.6667), (0.6667, 0.3333),
    ]  # fmt: skip
    # The other has no weight, so nothing is beside it: this one keeps all.
    assert steps["weight 2"].propose(rules.Rule(weights=(0.0, 1.0))) == []
