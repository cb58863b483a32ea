"""Every step on JAX where TensorFlow is not installed, folds in processes included."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from competition.sources import phantom
from tests import conftest

HIDING = pathlib.Path(__file__).parent / "without_tensorflow"
SMALL = (
    "training.fresh_process=true",
    "training.epochs=1",
    "model.widths=[4]",
    "folds=[0, 1]",
)
SOAK = os.environ.get("SOAK") == "1"


def python(*arguments, check=True):
    """Run Python on JAX without TensorFlow."""
    environment = {
        "KERAS_BACKEND": "jax",
        "PYTHONPATH": str(HIDING),
        # Most of the time is compiling: XLA optimises less than by default.
        "XLA_FLAGS": "" if SOAK else "--xla_backend_optimization_level=1",
        # By default what compiles within a second is compiled by each process anew.
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=conftest.ROOT,
        env=os.environ | environment,
        capture_output=True,
        encoding="utf-8",
        check=check,
    )


def competition(command, *arguments):
    """Run a command and return what it prints as JSON."""
    done = python("-m", "competition", command, *arguments, "--json", check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


def test_tensorflow_is_hidden():
    done = python("-c", "import tensorflow", check=False)
    assert "No module named 'tensorflow'" in done.stderr


def test_a_run_goes_from_phantom_to_a_scored_submission(tiny_phantom, tmp_path):
    data = tiny_phantom / "competition"
    settings = [*conftest.TINY, *SMALL]
    options = ["--data", data, "--work", tmp_path, "--experiment", "smoke"]
    options += [each for setting in settings for each in ("--set", setting)]
    results, said = competition(
        "run", *options, "--truth", tiny_phantom / "solution.csv"
    )
    assert results["validate"]["ok"]
    assert all(fold["finished"] for fold in results["train"]["folds"].values())
    assert results["score"]["submission"]["score_per_class"] is not None
    assert (tmp_path / "competition/runs/smoke/report.html").is_file()
    assert "Traceback" not in said
    out = tmp_path / "out.csv"
    run = tmp_path / "competition" / "runs" / "smoke"
    summary, _ = competition("submit", "--run", run, "--data", data, "--out", out)
    assert summary["complete"] and summary["events"] == {}
    assert out.read_bytes() == (run / "submission.csv").read_bytes()


@pytest.mark.skipif(not SOAK, reason="`make soak` trains smoke on JAX")
def test_smoke_scores_at_least_090(tmp_path):
    phantom.write(tmp_path / "phantom", small=True, seed=0)
    results, _ = competition(
        "run", "--data", tmp_path / "phantom" / "competition", "--work",
        tmp_path / "work", "--experiment", "smoke", "--truth",
        tmp_path / "phantom" / "solution.csv",
    )  # fmt: skip
    assert results["score"]["submission"]["score_per_class"] >= 0.90
