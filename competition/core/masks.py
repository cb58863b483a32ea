"""Masks as bits: bit c of a pixel is set if class c is there, so organs may overlap."""

from typing import Any

import numpy as np

Bits = np.ndarray[Any, np.dtype[Any]]
# Each class needs one bit.
MOST_CLASSES = 16


def bits_type(classes: int) -> type[np.unsignedinteger[Any]]:
    """Return the smallest unsigned type with a bit for every class."""
    if not 1 <= classes <= MOST_CLASSES:
        raise ValueError(
            f"Masks hold 1 to {MOST_CLASSES} classes, one bit each. Received: "
            f"{classes} classes. Merge classes in train.csv."
        )
    return np.uint8 if classes <= 8 else np.uint16


def pack(planes: np.ndarray) -> Bits:
    """Pack boolean planes (..., C) into bits (...)."""
    kind = bits_type(planes.shape[-1])
    bits = np.zeros(planes.shape[:-1], kind)
    for index in range(planes.shape[-1]):
        bits |= planes[..., index].astype(kind) << kind(index)
    return bits


def unpack(bits: Bits, classes: int) -> np.ndarray:
    """Unpack bits (...) into boolean planes (..., C)."""
    return np.stack([plane(bits, index) for index in range(classes)], axis=-1)


def plane(bits: Bits, index: int) -> np.ndarray:
    """Return the boolean mask (...) of the class at `index`."""
    return (bits & bits.dtype.type(1 << index)) != 0
