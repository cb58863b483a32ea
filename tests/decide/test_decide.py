"""The decision on the out-of-fold probabilities of a run."""

import numpy as np
import pytest

from competition import decide
from competition.core import files, masks, probabilities, rules
from competition.core.data import arrays
from competition.core.experiment import predicted, runs
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
    store(run, scan, probabilities.prediction(probability))


def store(run, scan, prediction):
    """Store probabilities as made by the present weights, which all folds have."""
    made_by = predicted.digest(run, 0)
    probabilities.write(run.files.oof(scan), prediction, digest=made_by)


def test_a_rule_that_helps_is_found_and_printed(prepared, capsys):
    decision = decided(*prepared)
    for rule in decision["rules"].values():
        assert rule["threshold"] < 0.46
    assert decision["nested"]["score"] > decision["baseline"] + 0.1
    gains = decision["nested"]["gains"].values()
    assert decision["baseline"] + sum(gains) == pytest.approx(
        decision["nested"]["score"]
    )
    printed = capsys.readouterr().err
    assert "threshold 0.5" in printed and "which flatters by" in printed


def test_the_decision_scores_as_it_says(prepared):
    from competition import score

    dataset, run = prepared
    decision = decided(dataset, run)
    scored = score.of_run(dataset, run, data=dataset.root)
    assert scored["oof"]["score_per_class"] == pytest.approx(decision["in_sample"])
    nested = decision["nested"]["score"]
    assert scored["nested"]["score_per_class"] == pytest.approx(nested)


def test_each_scan_has_the_rules_that_were_chosen_without_its_fold(prepared):
    dataset, run = prepared
    # In fold 0 the block is as likely as the truth, in fold 1 it is less likely.
    for scan in ("case2_day0", "case3_day0"):
        path = run.files.oof(scan)
        volume = probabilities.read(path).probability.copy()
        volume[0, 0:3, 14:18] = 80
        store(run, scan, probabilities.prediction(volume))
    decision = decided(dataset, run)
    scans = [split["scans"] for split in decision["nested"]["splits"]]
    assert sorted(scans) == [["case1_day0"], ["case2_day0", "case3_day0"]]
    by_scan = rules.read_nested(run.files.decision, run.classes)
    assert by_scan["case2_day0"] == by_scan["case3_day0"] != by_scan["case1_day0"]


def test_a_decision_has_these_keys_and_is_read_back(prepared):
    dataset, run = prepared
    decision = decided(dataset, run)
    found = {"rules", "baseline", "nested", "in_sample"}
    assert decision.keys() == found | {"folds", "key"}
    assert decision["folds"] == [0, 1]
    assert set(decision["nested"]) == {"score", "gains", "kept", "splits"}
    assert set(decision["nested"]["kept"]["gate"]) == set(run.classes)
    assert len(rules.read(run.files.decision, run.classes)) == 2


def test_a_decision_of_another_form_is_made_again_or_named(prepared):
    dataset, run = prepared
    first = decided(dataset, run)
    run.files.decision.write_text("{}")
    assert decide.run(dataset, run) == first
    run.files.decision.write_text("[]")
    with pytest.raises(ValueError, match=r"decision\.json: the document: .*Delete it"):
        decide.run(dataset, run)


def test_only_newer_probabilities_are_decided_on_again(prepared):
    dataset, run = prepared
    first = decided(dataset, run)
    before = run.files.decision.stat().st_mtime_ns
    assert decide.run(dataset, run) == first
    assert run.files.decision.stat().st_mtime_ns == before
    for fold in (0, 1):
        files.write_bytes(run.files.weights(fold), b"newer")
    message = "present weights of fold 0; 1 of its scans have none, the first is case1_"
    with pytest.raises(ValueError, match=f"{message}.*competition predict` first"):
        decide.run(dataset, run)
    for scan in by_hand.OFF:
        store(run, scan, probabilities.read(run.files.oof(scan)))
    assert decide.run(dataset, run)["key"] != first["key"]


def test_a_sample_of_the_scans_is_searched_and_the_others_have_its_rules(
    prepared, capsys
):
    dataset, run = prepared
    stored = files.read_json(run.files.config)
    stored["config"]["decide"]["scans"] = 2
    files.write_json(run.files.config, stored)
    run = runs.read(run.files)
    decision = decided(dataset, run)
    assert "searched on 2 of 3 scans" in capsys.readouterr().err
    *tested, others = decision["nested"]["splits"]
    # A scan of each fold is searched on; the third was not looked at.
    assert sorted(split["scans"] for split in tested) == [
        ["case1_day0"],
        ["case2_day0"],
    ]
    assert others == {"scans": ["case3_day0"], "rules": decision["rules"]}
    by_scan = rules.read_nested(run.files.decision, run.classes)
    assert by_scan["case3_day0"] == rules.read(run.files.decision, run.classes)


def test_as_many_scans_as_wanted_are_all_searched(prepared, capsys):
    dataset, run = prepared
    scans = [
        s for split in decided(dataset, run)["nested"]["splits"] for s in split["scans"]
    ]
    assert sorted(scans) == ["case1_day0", "case2_day0", "case3_day0"]
    assert "searched on" not in capsys.readouterr().err
