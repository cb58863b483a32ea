"""A fold's weights on disk, with a digest of themselves and the name of their owner.

Keras ignores both: they are attributes of the HDF5 file. Files of older versions and
published ones have neither; of these only NaN and infinity are found.
"""

import hashlib
import pathlib
from collections.abc import Iterable, Iterator

import h5py
import keras
import numpy as np

from competition.core import files, storage


def write(path: pathlib.Path, network: keras.Model, *, owner: str) -> str:
    """Write the weights of a network in one step and return their digest.

    `owner` is that of `runs.owner`.
    """
    with files.replacing(path) as temporary:
        network.save_weights(temporary)
        with h5py.File(temporary, "r+") as file:
            written = digest(_arrays(file, temporary))
            file.attrs["digest"] = written
            file.attrs["owner"] = owner
    return written


def check(path: pathlib.Path, *, owner: str | None = None) -> str:
    """Return the digest of weights.

    Damaged weights, and those that are not finite or of another owner, are an error. An
    error of the disk, the storage or the memory is raised as it is.
    """
    try:
        files.check_regular(path)
        with h5py.File(path, "r") as file:
            received = digest(_arrays(file, path))
            stored, belongs = file.attrs.get("digest"), file.attrs.get("owner")
    except storage.StorageError:
        raise
    # The library raises errors of many kinds, and what it reads may have any type.
    except Exception as error:
        if files.is_passing(error):
            raise
        raise ValueError(f"{path}: the weights are damaged ({error}).") from error
    if stored is None and belongs is None:
        return received
    if str(stored) != received:
        raise ValueError(
            f"{path}: the weights are not those that were written: their digest is "
            f"{received[:12]}, expected {str(stored)[:12]}."
        )
    if owner is not None and str(belongs) != owner:
        raise ValueError(f"{path}: expected weights of {owner}, received {belongs}.")
    return received


def digest(arrays: Iterable[tuple[str, np.ndarray]]) -> str:
    """Return the SHA-256 of arrays, and of their names, types and shapes."""
    total = hashlib.sha256()
    for name, array in arrays:
        total.update(repr((name, array.dtype.str, array.shape)).encode())
        total.update(array.tobytes())
    return total.hexdigest()


def _arrays(file: h5py.File, path: pathlib.Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the arrays of a file by name, in their order; all must be finite."""
    names: list[str] = []
    file.visit(names.append)
    size = path.stat().st_size
    for name in names:
        item = file[name]
        if not isinstance(item, h5py.Dataset):
            continue
        # A damaged shape must not fill the memory.
        if item.compression is None and item.nbytes > size:
            raise ValueError(f"{name} has {item.nbytes} bytes, the file {size}")
        array = np.asarray(item[()])
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{name} holds NaN or infinity")
        yield name, array
