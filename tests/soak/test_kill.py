"""A fold that is killed again and again ends like one that never was.

Five kills of a tiny fold; behind `make soak` twenty of one of the smoke experiment.
"""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from competition import pipeline
from competition.core.experiment import history
from competition.net.inference import trained_network
from competition.sources import phantom
from tests import conftest

SOAK = os.environ.get("SOAK") == "1"
KILLS, SECONDS = (20, "8") if SOAK else (5, "0.2")
TINY = (*conftest.TINY, "augment.engine=none", "training.ema=0.8")
OVERRIDES = (
    f"training.epochs={2 * KILLS}",
    "training.swa_epochs=2",
    "training.score_every=2",
)


@pytest.fixture
def job(tiny_phantom, tmp_path):
    """Open a run by name, on the tiny phantom or, soaking, on the small one."""
    data = tiny_phantom / "competition"
    if SOAK:
        phantom.write(tmp_path / "small", small=True, seed=0)
        data = tmp_path / "small" / "competition"
    pipeline.prepare(data, work=tmp_path / "work")
    overrides = (*(() if SOAK else TINY), *OVERRIDES)

    def open_job(name):
        return conftest.open_job(
            "smoke", data=data, work=tmp_path / "work", overrides=overrides, name=name
        )

    return open_job


def trained(job, *, kills):
    command = [sys.executable, "-m", "tests.soak.kill"]
    arguments = [job.run.files.root, str(kills), SECONDS]
    done = subprocess.run(
        [*command, *arguments], capture_output=True, encoding="utf-8", cwd=conftest.ROOT
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["killed_after_epochs"]


def state(job):
    with np.load(job.run.files.fold(0) / "state.npz") as stored:
        arrays = {name: stored[name] for name in stored.files if name != "about"}
        return arrays, json.loads(str(stored["about"]))


def test_killed_at_random_moments_it_ends_as_if_it_had_not_been(job):
    whole, broken = job("whole"), job("broken")
    trained(whole, kills=0)
    killed = trained(broken, kills=KILLS)
    assert len(killed) == KILLS
    arrays, about = state(whole)
    others, other_about = state(broken)
    assert arrays.keys() == others.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, others[name], name)
    assert about["best"] == other_about["best"]
    rows = [history.read(each.run.files.history(0)) for each in (whole, broken)]
    untimed = [[row | {"seconds": 0, "scoring": 0} for row in each] for each in rows]
    assert untimed[0] == untimed[1]
    for one, other in zip(weights(whole), weights(broken), strict=True):
        np.testing.assert_array_equal(one, other)


def weights(job):
    path = job.run.files.weights(0)
    return trained_network.load(
        path, job.run.config, len(job.run.classes)
    ).get_weights()
