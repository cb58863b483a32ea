"""Store the out-of-fold prediction of a scan, one byte a voxel and class."""

import dataclasses
import pathlib
import zipfile
import zlib

import numpy as np

from competition.core import files
from competition.core.data import arrays

# The compressed bytes of a stored prediction per voxel and class, on phantoms.
STORED = 0.04
_REMEDY = "Delete it and run `python -m competition predict` again."


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Prediction:
    """The predicted probability of each voxel and the presence in each slice.

    `probability` is uint8 (D, H, W, C), `presence` uint8 (D, C): the probability that
    a slice holds a class. 255 stands for 1.
    """

    probability: np.ndarray
    presence: np.ndarray


def prediction(
    probability: np.ndarray, presence: np.ndarray | None = None
) -> Prediction:
    """Return the prediction with probabilities uint8 (D, H, W, C).

    `presence` is uint8 (D, C), from presence heads. Without such heads the presence of
    a class in a slice is the probability of its most probable pixel there.
    """
    if presence is None:
        depth, height, width, classes = probability.shape
        # The maximum over rows comes first: NumPy compares whole rows at a time, which
        # is 70 times as fast as one maximum over both axes.
        rows = probability.reshape(depth, height, width * classes).max(axis=1)
        presence = rows.reshape(depth, width, classes).max(axis=1)
    return Prediction(probability, presence)


def quantise(probability: np.ndarray) -> np.ndarray:
    """Turn probabilities 0..1 into uint8, which `decide` and `submit` both use."""
    return np.rint(probability * 255).astype(np.uint8)


def write(path: pathlib.Path, predicted: Prediction, *, digest: str) -> None:
    """Write the prediction of a scan with the digest of the weights that made it.

    The file is named after the scan, and holds the name as well.
    """
    named = {
        "probability": predicted.probability,
        "presence": predicted.presence,
        "made_by": np.array(digest),
        "scan": np.array(path.stem),
    }
    with files.replacing(path) as temporary:
        arrays.write_archive(temporary, named, compressed=True)


def read(path: pathlib.Path) -> Prediction:
    """Read the prediction of a scan."""
    probability, presence = _load(path, "probability", "presence")
    expected = (probability.shape[0], probability.shape[-1])
    if probability.ndim != 4 or presence.shape != expected:
        raise ValueError(
            f"{path}: expected probabilities (D, H, W, C) and presence (D, C), "
            f"received the shapes {probability.shape} and {presence.shape}. {_REMEDY}"
        )
    return Prediction(probability, presence)


def made_by(path: pathlib.Path) -> str:
    """Read the digest of the weights that made a prediction."""
    return str(_load(path, "made_by", kind="U")[0])


def is_made_by(path: pathlib.Path, digest: str) -> bool:
    """Return whether an undamaged file exists that the weights of a digest made.

    The whole file is read: only then its checksums show that no byte has changed.
    """
    try:
        read(path)
        return made_by(path) == digest
    except (ValueError, OSError):
        return False


def _load(path: pathlib.Path, *keys: str, kind: str = "u") -> list[np.ndarray]:
    files.require(path, "predict", fault="no out-of-fold probabilities")
    damage = (ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)
    try:
        with arrays.HEADER, np.load(path) as stored:
            loaded = [np.asarray(stored[key]) for key in keys]
            # Files of older versions have no name in them.
            scan = str(stored["scan"]) if "scan" in stored else path.stem
    # A damaged bit may say that the file is encrypted: that is a RuntimeError.
    except (*damage, RuntimeError, AttributeError) as error:
        raise ValueError(f"{path} is damaged ({error}). {_REMEDY}") from None
    if scan != path.stem:
        raise ValueError(
            f"{path}: expected the probabilities of {path.stem}, received those of "
            f"{scan}. {_REMEDY}"
        )
    for key, array in zip(keys, loaded, strict=True):
        if array.dtype.kind != kind or (kind == "u" and array.dtype != np.uint8):
            raise ValueError(
                f"{path}: {key} must be uint8. Received: {array.dtype}. {_REMEDY}"
            )
    return loaded
