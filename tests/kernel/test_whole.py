"""From a trained run to the ledger, by commands alone."""

import pathlib
import shutil
import sys

from typer import testing

from competition import ledger
from competition.commands import app
from competition.kernel import build, bundles, rehearse
from competition.kernel.upload import push
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
    ledger.add("smoke", work=work, submissions=submissions)
    asked = (
        f"kernel submit --experiment smoke --work {work} --submissions {submissions}"
    )
    called = testing.CliRunner().invoke(app.app, asked.split())
    assert called.exit_code == 0, called.output
    (entry,) = table.read(submissions).values()
    assert entry.public == 0.81 and entry.private is None
