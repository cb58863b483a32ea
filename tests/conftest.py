"""Small competition folders that all tests share."""

import gc
import os
import pathlib
import shutil
from typing import NamedTuple

os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")

import hypothesis
import pytest

# `net` sets variables that TensorFlow reads once: here before any test imports Keras.
from competition import net, opening, pipeline  # noqa: F401
from competition.core.experiment import layout, runs
from competition.sources import phantom

# A shared machine stalls for longer than any deadline of an example.
hypothesis.settings.register_profile(
    "suite",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("suite")

ROOT = pathlib.Path(__file__).parents[1]
REAL = ROOT.parent / "shared" / "data"


def pytest_collection():
    """Collect no garbage while test files are loaded, and frameworks with them."""
    gc.disable()


def pytest_collection_finish():
    """Let garbage collection pass over all that is loaded from now on.

    Frameworks are a million objects; looking through them over and over again took a
    fifth of the time of tests that build networks.
    """
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items):
    """Begin with the longest tests: at the end, one worker would wait for them."""
    longest = {
        "test_experiments.py",
        "test_smoke.py",
        "test_disturb.py",
        "test_fuzz.py",
    }
    items.sort(key=lambda item: item.path.name not in longest)


@pytest.fixture(scope="session")
def real():
    """Real slices and masks, where a checkout has them beside it."""
    if not REAL.is_dir():
        pytest.skip("no real data beside the checkout")
    return REAL


@pytest.fixture(scope="session")
def tiny_phantom(tmp_path_factory):
    """A phantom of 4 training cases and 6 slices a scan; read it, do not change it."""
    out = tmp_path_factory.mktemp("phantom") / "tiny"
    phantom.write(out, cases=6, days=1, slices=6, small=False, public=False, seed=3)
    return out


@pytest.fixture
def competition(tiny_phantom, tmp_path):
    """A copy of the tiny phantom's competition folder, to be damaged."""
    return pathlib.Path(
        shutil.copytree(tiny_phantom / "competition", tmp_path / "competition")
    )


TINY = (
    "geometry.height=32",
    "geometry.width=32",
    "model.widths=[4, 8]",
    "training.epochs=2",
    "training.batch=4",
    "training.score_every=1",
    # In so few steps organs would stay as rare as a network begins with.
    "training.learning_rate=0.03",
    "training.fresh_process=false",
    "folds=[0, 1]",
)


class Job(NamedTuple):
    """A run, and the competition folder, data set and truth that belong to it."""

    data: pathlib.Path
    dataset: layout.DatasetFiles
    run: runs.Run
    truth: pathlib.Path


def open_job(experiment, *, data, **asked):
    """Open the run of an experiment on prepared data of the phantom."""
    opened = opening.open_experiment(experiment, data=data, **asked)
    return Job(data, *opened, data.parent / "solution.csv")


@pytest.fixture(scope="session")
def finished(tiny_phantom, tmp_path_factory):
    """A whole run of a tiny network on the tiny phantom: (job, results)."""
    work = tmp_path_factory.mktemp("work")
    asked = dict(data=tiny_phantom / "competition", work=work, overrides=TINY)
    results = pipeline.run("smoke", **asked, truth=tiny_phantom / "solution.csv")
    return open_job("smoke", **asked), results
