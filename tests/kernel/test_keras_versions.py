"""Weights that one version of Keras saves load in another, as on Kaggle."""

import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

from competition.core.experiment import configs, layout, runs
from competition.net import weights_file
from competition.net.inference import trained_network
from competition.net.networks import build
from tests import conftest

SIDES = ".venv", ".venv-latest"


def predict(root):
    """Return what the network of a folder predicts; weights that it lacks are made."""
    settings = configs.load("smoke", conftest.TINY)
    place = layout.RunFiles(pathlib.Path(root))
    run = runs.Run("made", place, settings, ("a", "b", "c"), fingerprint="0")
    if not place.weights(0).is_file():
        network = build.build(settings, classes=3)
        weights_file.write(place.weights(0), network, owner=runs.owner(run, 0))
    network = trained_network.load(run, 0)
    print(keras.__version__)
    shape = 2, 32, 32, len(settings.slices)
    stack = np.random.default_rng(0).random(shape, np.float32)
    return np.asarray(network(stack))


def test_weights_of_one_keras_load_in_the_other_and_the_other_way_round(tmp_path):
    here = pathlib.Path(sys.prefix).name
    other = conftest.ROOT / SIDES[here == SIDES[0]] / "bin" / "python"
    if not other.is_file():
        pytest.skip(f"no {other}: `make setup` and `make test-latest` make both")
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    expected = predict(ours)
    done = subprocess.run(
        [other, "-m", "tests.kernel.test_keras_versions", ours, theirs],
        cwd=conftest.ROOT,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    assert keras.__version__ not in done.stdout.split()
    received = np.load(ours / "predicted.npy")
    np.testing.assert_allclose(received, expected, atol=1e-5)
    expected = np.load(theirs / "predicted.npy")
    np.testing.assert_allclose(predict(theirs), expected, atol=1e-5)


if __name__ == "__main__":
    for folder in map(pathlib.Path, sys.argv[1:]):
        np.save(folder / "predicted.npy", predict(folder))
