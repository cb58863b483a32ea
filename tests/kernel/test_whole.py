"""From a trained run to the ledger, by commands alone."""

import pathlib
import shutil
import sys

from competition import ledger, score, validate
from competition.kernel import build, bundles, rehearse
from competition.kernel.upload import leaderboard, push
from competition.ledger import table
from tests.kernel import stand_in


def test_build_rehearse_push_submit_and_the_ledger(
    finished, tiny_phantom, kaggle, tmp_path
):
    job, results = finished
    work, submissions = tmp_path / "work", tmp_path / "submissions"
    shutil.copytree(job.dataset.root, work / job.dataset.root.name)
    bundle = bundles.find("smoke", work=work)
    build.run(bundle, user=stand_in.USER)

    rehearsed = rehearse.run(
        bundle,
        judges=(validate.run, score.run),
        data=tiny_phantom / "competition",
        truth=tiny_phantom / "solution.csv",
        python=pathlib.Path(sys.executable),
    )
    assert rehearsed["ok"], rehearsed
    left = bundle.folder / "rehearsal" / "hidden" / "working"
    at_home = job.run.files.submission.read_bytes()
    assert (left / "submission.csv").read_bytes() == at_home
    hidden = rehearsed["rehearsals"]["hidden"]["score"]
    assert hidden == results["score"]["submission"]

    assert push.run(bundle)["version"] == 1
    add(submissions)
    leaderboard.run(
        bundle,
        record=lambda public, private: ledger.set_scores(
            "smoke", submissions=submissions, public=public, private=private
        ),
    )
    (entry,) = table.read(submissions).values()
    assert entry.public == 0.81 and entry.private is None


def add(submissions):
    """Enter the run into a ledger, as `ledger add` does."""
    entry = table.Entry(
        experiment="smoke",
        date="2026-01-01",
        revision="",
        fingerprint="",
        folds="0 1",
        score_per_class=0.5,
        score_merged=0.5,
        nested=None,
        public=None,
        private=None,
        submission="",
    )
    table.write(submissions, {"smoke": entry})
