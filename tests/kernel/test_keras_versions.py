"""Weights that one version of Keras saves load in another, as on Kaggle."""

import subprocess

import numpy as np
import pytest

from tests import conftest

# Run by either interpreter: writes weights that are missing, then predicts by them.
SCRIPT = """
import pathlib
import sys
import numpy as np
from competition.core.experiment import configs, layout, runs
from competition.net import weights_file
from competition.net.inference import trained_network
from competition.net.networks import build
from tests import conftest

root, out = sys.argv[1:]
settings = configs.load("smoke", conftest.TINY)
place = layout.RunFiles(pathlib.Path(root))
run = runs.Run("made", place, settings, ("a", "b", "c"), fingerprint="0")
if not place.weights(0).is_file():
    network = build.build(settings, classes=3)
    weights_file.write(place.weights(0), network, owner=runs.owner(run, 0))
network = trained_network.load(run, 0)
stack = np.random.default_rng(0).random((2, 32, 32, len(settings.slices)), np.float32)
np.save(out, np.asarray(network(stack)))
"""


def python(folder):
    path = conftest.ROOT / folder / "bin" / "python"
    if not path.is_file():
        pytest.skip(f"no {folder}: `make setup` and `make test-latest` make both")
    return path


@pytest.mark.parametrize(
    ("maker", "user"), [(".venv", ".venv-latest"), (".venv-latest", ".venv")]
)
def test_weights_of_one_keras_load_in_the_other(tmp_path, maker, user):
    def predict(interpreter, name):
        out = tmp_path / f"{name}.npy"
        done = subprocess.run(
            [interpreter, "-c", SCRIPT, tmp_path / "run", out],
            cwd=conftest.ROOT,
            capture_output=True,
            encoding="utf-8",
        )
        assert done.returncode == 0, done.stderr
        return np.load(out)

    one, other = python(maker), python(user)
    expected = predict(one, "made")
    received = predict(other, "used")
    np.testing.assert_allclose(received, expected, atol=1e-5)
