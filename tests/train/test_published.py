"""Weights that encoders begin with, looked for before any fold is trained."""

import pytest

from competition import pipeline, train
from competition.core import files
from competition.core.experiment import history
from competition.machine import process
from competition.train import published
from tests import conftest
from tests.train import test_train

ENCODER = (
    "model.encoder=EfficientNetB0",
    "model.widths=[4, 4, 4, 4, 4]",
    "model.encoder_weights=nowhere.h5",
)


def test_weights_that_are_missing_are_said_before_any_fold(
    tiny_phantom, tmp_path, monkeypatch
):
    data = tiny_phantom / "competition"
    pipeline.prepare(data, work=tmp_path)
    asked = dict(data=data, work=tmp_path, overrides=(*test_train.FEW, *ENCODER))
    job = conftest.open_job("smoke", **asked)
    commands = []

    def run_all(given, environments):
        commands.extend(given)
        (environment,) = environments
        assert environment["CUDA_VISIBLE_DEVICES"] == "-1"
        published.main(*commands[-1][2:])

    monkeypatch.setattr(process, "run_all", run_all)
    with pytest.raises(
        ValueError, match=r"Received: nowhere\.h5, which does not exist"
    ):
        train.run(job.dataset, job.run)
    # Two folds begin with the same weights.
    module = "competition.train.published"
    assert commands == [["-m", module, "EfficientNetB0", "nowhere.h5"]]
    for fold in (0, 1):
        row = history.Epoch(epoch=0, loss=0.5, score=0.25, seconds=60.0)
        history.write(job.run.files.history(fold), [row])
    published.get([(job.run, 0), (job.run, 1)])
    assert len(commands) == 1
    assert not files.exists(job.run.files.weights(0))
