"""The smoke experiment learns the small phantom; a bad model would not."""

import json
import os
import re
import subprocess
import sys

import pytest

from competition.sources import phantom

# TensorFlow 2.21 says this while it is imported, whatever it is told; and a fold says
# what it computes on.
EXPECTED = re.compile(
    r"[IW]0000 |WARNING: All log messages before absl::InitializeLog"
    r"|smoke, fold \d: 1 CPU \("
)
# The other two are behind `make soak`.
SEEDS = (0, 1, 2) if os.environ.get("SOAK") == "1" else (0,)
NOISE = ("tensorflow", "cuda", "XLA", "onednn", "Traceback", "Warning")


@pytest.mark.parametrize("seed", SEEDS)
def test_smoke_scores_at_least_090(tmp_path, seed):
    phantom.write(tmp_path / "phantom", small=True, seed=seed)
    data = tmp_path / "phantom" / "competition"
    command = [sys.executable, "-m", "competition", "run", "--json"]
    command += ["--data", data, "--work", tmp_path / "work", "--experiment", "smoke"]
    command += ["--truth", tmp_path / "phantom" / "solution.csv"]
    # Keras imports JAX where it is there, and JAX sets this for every process after it.
    env = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        command, capture_output=True, encoding="utf-8", check=True, env=env
    )
    results = json.loads(done.stdout)
    assert results["validate"]["ok"]
    assert results["score"]["submission"]["score_per_class"] >= 0.90
    assert results["score"]["oof"]["score_per_class"] >= 0.85
    said = "\n".join(
        line for line in done.stderr.splitlines() if not EXPECTED.match(line)
    )
    assert not [word for word in NOISE if word.lower() in said.lower()]
