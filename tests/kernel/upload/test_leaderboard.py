"""Submitting with Kaggle's real client, against a server that plays Kaggle."""

import pytest

from competition.core import files
from competition.kernel import build
from competition.kernel.upload import client, leaderboard, push
from tests.kernel import stand_in

KERNEL = "jane-doe/uwm-smoke-submit"


def scored(bundle, **options):
    """Submit, and return the public and the private score."""
    result = leaderboard.run(bundle, **options)
    return result["public"], result["private"]


def test_the_pushed_version_is_submitted_and_its_score_returned(built, kaggle):
    push.run(built)
    kaggle.score_after = 3
    kaggle.verdict |= {"privateScore": "0.79"}
    assert scored(built) == (0.81, 0.79)
    (asked,) = kaggle.of("CreateCodeSubmission")
    assert asked["competitionName"] == build.COMPETITION
    assert (asked["kernelOwner"], asked["kernelSlug"]) == tuple(KERNEL.split("/"))
    assert asked["kernelVersion"] == 1 and asked["fileName"] == "submission.csv"
    assert files.read_json(built.run.root / "kernel.json")["submit"]["scores"] == {
        "public": 0.81,
        "private": 0.79,
    }


def test_submitting_a_version_again_costs_no_submission(built, kaggle):
    push.run(built)
    scored(built)
    assert scored(built) == (0.81, None)
    assert len(kaggle.submissions) == 1


def test_a_submission_whose_answer_was_lost_is_not_made_twice(built, kaggle):
    push.run(built)
    kaggle.faults["CreateCodeSubmission"] = [(503, "late")]
    with pytest.raises(ValueError, match="late"):
        scored(built)
    assert len(kaggle.of("CreateCodeSubmission")) == 1


def test_without_waiting_there_is_no_score(built, kaggle):
    push.run(built)
    kaggle.score_after = 99
    assert scored(built, wait=False) == (None, None)


def test_a_used_up_quota_is_an_error(built, kaggle):
    push.run(built)
    kaggle.faults["CreateCodeSubmission"] = [(400, "Daily submission limit exceeded")]
    with pytest.raises(ValueError, match="A quota is used up"):
        scored(built)


def test_a_submission_that_dies_says_how_in_kaggles_words(built, kaggle):
    push.run(built)
    kaggle.verdict = {"status": "ERROR", "errorDescription": "Notebook Timeout"}
    with pytest.raises(ValueError, match=r"Notebook Timeout. Rehearse the kernel"):
        scored(built)


def test_records_of_another_form_are_named(built, kaggle):
    push.run(built)
    path = built.built / "kernel" / "kernel-metadata.json"
    files.write_json(path, files.read_json(path) | {"competition_sources": []})
    with pytest.raises(
        ValueError, match=r"metadata\.json: competition_sources: .*Build"
    ):
        scored(built)
    files.write_json(built.record, {"submit": "COMPLETE"})
    with pytest.raises(ValueError, match=r"kernel\.json: submit: .*push the kernel"):
        scored(built)


def test_without_a_complete_version_there_is_nothing_to_submit(built, kaggle):
    with pytest.raises(ValueError, match="no version of the kernel is complete"):
        scored(built)
    kaggle.kernel_statuses = ["ERROR"]
    with pytest.raises(ValueError, match="ended as ERROR"):
        push.run(built)
    with pytest.raises(ValueError, match="no version of the kernel is complete"):
        scored(built)
    assert kaggle.submissions == []


def test_the_version_that_is_pushed_meanwhile_stays_on_record(
    built, kaggle, monkeypatch
):
    push.run(built)
    kaggle.score_after = 2
    wait, waited = client.wait, []

    def pushed_meanwhile(what, poll, *, hours):
        if "is being scored" in what and not waited:
            waited.append(what)
            decision = built.run.decision
            decision.write_text(decision.read_text("utf-8") + "\n", "utf-8")
            build.run(built, user=stand_in.USER)
            push.run(built)
        return wait(what, poll, hours=hours)

    monkeypatch.setattr(client, "wait", pushed_meanwhile)
    leaderboard.run(built)
    state = built.state()
    assert waited and state["version"] == 2 and "scores" not in state


def test_a_run_that_was_decided_since_is_not_scored_by_its_old_version(built, kaggle):
    push.run(built)
    files.write_json(built.run.decision, {"rules": {}, "key": "other"})
    with pytest.raises(
        ValueError, match="anew since version 1 was pushed, so its score"
    ):
        leaderboard.run(built)
    assert not kaggle.submissions
