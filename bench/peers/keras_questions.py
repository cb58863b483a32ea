"""The questions of `bench.peers.keras_peers`: functions from a package to an answer.

`keras_packages` says what they need of a package.
"""

import importlib.metadata
import os
import pathlib
import subprocess
import sys
import tempfile
import textwrap
from typing import Any

import numpy as np

ROOT = pathlib.Path(__file__).parents[2]
LOADED = "loaded.npy"
MODULES = "bench.peers.keras_packages."
ODD, SLICES = (97, 113), 5
SIDE = 64
# Plain Keras, in which neither a peer nor this project is imported.
ALONE = "import sys, keras; keras.saving.load_model(sys.argv[1])"
Package = Any


def version(package: Package) -> str:
    """Return the versions of its packages."""
    return ", ".join(f"{p} {importlib.metadata.version(p)}" for p in package.PACKAGES)


def odd_size(package: Package) -> str:
    """Does its U-Net return an image of 97 x 113 at that size?"""
    try:
        shape = package.network(*ODD, 3).output_shape[1:3]
    except ValueError as error:
        return _no(error)
    return "yes" if shape == ODD else f"no: {shape}"


def false_positive(package: Package) -> str:
    """Does its Dice see a square that is predicted on an empty slice?

    Another slice of the batch has an organ, which is predicted without an error.
    """
    truth = np.zeros((2, SIDE, SIDE, 1), np.float32)
    truth[0, 10:30, 10:30] = 1
    wrong = truth.copy()
    wrong[1, 40:50, 40:50] = 1
    answers = []
    for name, dice in package.DICE.items():
        without, with_it = dice(truth, truth), dice(truth, wrong)
        seen = "yes" if with_it < without else "no"
        answers.append(f"{seen}: {without:.3f} to {with_it:.3f} ({name})")
    return "; ".join(answers)


def empty_mask(package: Package) -> str:
    """Return the Dice loss of an empty slice at probabilities 0, 0.0001 and 1."""
    truth = np.zeros((1, SIDE, SIDE, 1), np.float32)
    return ", ".join(
        f"{_loss(package, truth, np.full_like(truth, logit))[0]:.3f}"
        for logit in (-100, np.log(0.0001), 100)
    )


def gradient_alone(package: Package) -> str:
    """Return the slope of the Dice loss on an empty slice, at probability 0.01."""
    return _slope(package, np.zeros((1, SIDE, SIDE, 1), np.float32))


def gradient_beside(package: Package) -> str:
    """Return the same on an empty slice in a batch with one that has an organ."""
    truth = np.zeros((2, SIDE, SIDE, 1), np.float32)
    truth[1, 10:30, 10:30] = 1
    return _slope(package, truth)


def weights_on_slices(package: Package) -> str:
    """May an encoder begin with weights of three channels, on three and five slices?"""
    return ", ".join(f"{n}: {_begins_with(package, n)}" for n in (3, SLICES))


def absent_weights(package: Package) -> str:
    """Is a file of encoder weights refused that is not there?"""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "absent.weights.h5"
        try:
            package.pretrained(path, 3)
        except (ValueError, OSError):
            return "yes"
    return "no: the weights stay random, nothing is said"


def volumetric(package: Package) -> str:
    """Is there a 3D U-Net over the same encoder?"""
    try:
        package.volumetric()
    except ValueError:
        return "no"
    return "yes"


def reload(package: Package) -> str:
    """Are outputs equal to the bit once a network was loaded in a new process?"""
    made = package.network(SIDE, SIDE, 3)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        package.save(made, folder)
        answer = package.__name__.removeprefix(MODULES)
        run([*command(sys.executable, answer), "--load", name])
        apart = np.abs(np.load(folder / LOADED) - output(made)).max()
    return "yes" if apart == 0 else f"no: {apart:.1g} apart"


def keras_alone(package: Package) -> str:
    """Does plain Keras load its `.keras` file, where the package is not imported?"""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/network.keras"
        package.network(SIDE, SIDE, 3).save(path)
        # Away from here, so that this project is not found either.
        done = run([sys.executable, "-c", ALONE, path], folder, check=False)
    return "no" if done.returncode else "yes"


def choice(package: Package) -> str:
    """Return how many networks and encoders there are."""
    networks, encoders = package.counts()
    return f"{networks}, {encoders}"


QUESTIONS = {
    "versions": version,
    "97 x 113 in, the same size out": odd_size,
    "Dice sees a false positive on an empty slice": false_positive,
    "Dice loss of an empty slice at probability 0, 0.0001, 1": empty_mask,
    "its slope at 0.01": gradient_alone,
    "the same beside a slice with an organ": gradient_beside,
    "weights of 3 channels begin an encoder of slices": weights_on_slices,
    "a missing file of encoder weights is refused": absent_weights,
    "a 3D U-Net over the same encoder": volumetric,
    "saved, loaded in a new process: equal to the bit": reload,
    "its `.keras` file is loaded by Keras alone": keras_alone,
    "networks, encoders": choice,
}


def command(python: str, name: str) -> list[str]:
    """Return the command by which a package answers in a process of its own."""
    module = "bench.peers.keras_peers"
    return [python, "-m", module, "--python", python, "--answer", name]


def run(
    command: list[str], folder: str | pathlib.Path = ROOT, *, check: bool = True
) -> subprocess.CompletedProcess:
    """Run a command on TensorFlow, without a GPU; its failure is an error."""
    quiet = {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | quiet | {"KERAS_BACKEND": "tensorflow"},
        capture_output=True,
        text=True,
        check=False,
    )
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return done


def output(network: Any) -> np.ndarray:
    """Return the output of a network for an image that is always the same."""
    image = np.random.default_rng(0).random((1, SIDE, SIDE, 3), np.float32)
    return np.asarray(network(image, training=False))


def _begins_with(package: Package, channels: int) -> str:
    encoder = package.encoder()
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "encoder.weights.h5"
        encoder.save_weights(path)
        try:
            network = package.pretrained(path, channels)
        except ValueError as error:
            return _no(error)
    largest = max(encoder.get_weights(), key=np.size)
    same = [w for w in network.get_weights() if np.array_equal(w, largest)]
    return "yes" if same else "no: the weights are others"


def _loss(package: Package, truth: np.ndarray, logits: Any) -> tuple[float, Any]:
    import tensorflow as tf

    variable = tf.Variable(logits)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(package.dice_loss(tf.constant(truth), variable))
    return float(loss), tape.gradient(loss, variable).numpy()


def _slope(package: Package, truth: np.ndarray) -> str:
    """Return the sum of the gradients by the logits of the first slice."""
    logits = np.full_like(truth, np.log(0.01 / 0.99))
    slope = float(_loss(package, truth, logits)[1][0].sum())
    return f"{slope:.2g}" if np.isfinite(slope) else "not finite"


def _no(error: Exception) -> str:
    """Return a refusal with the beginning of its reason, on one line."""
    return f"no ({textwrap.shorten(str(error), 48, placeholder=' ...')})"
