"""Pixels of mask images as numbers: a grey value, or a colour such as #ff0000.

A colour of equal red, green and blue is its grey value, because some formats store grey
pixels as colours.
"""

import re

import numpy as np

# Above every grey value, so that no colour has the number of a grey value.
_FIRST = 1 << 24


def encode(pixels: np.ndarray) -> np.ndarray:
    """Return grey (H, W) or 8-bit RGB (H, W, 3) pixels as numbers (H, W)."""
    if pixels.ndim == 2:
        return pixels
    red, green, blue = np.moveaxis(pixels.astype(np.uint32), -1, 0)
    is_grey = (red == green) & (green == blue)
    return np.where(is_grey, red, _FIRST + (red << 16) + (green << 8) + blue)


def decode(numbers: np.ndarray) -> np.ndarray:
    """Return the pixels of numbers (H, W): RGB (H, W, 3) if one of them is a colour."""
    largest = int(numbers.max())
    if largest < _FIRST:
        return numbers.astype(np.min_scalar_type(largest))
    each = numbers[..., None]
    return np.where(each < _FIRST, each, each >> np.array([16, 8, 0]) & 255).astype(
        np.uint8
    )


def parse(text: str) -> int | None:
    """Return the number of a text such as "255" or "#ff0000", None if it is neither."""
    if text.isdecimal():
        return int(text)
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        return None
    pixel = np.frombuffer(bytes.fromhex(text[1:]), np.uint8).reshape(1, 1, 3)
    return int(encode(pixel).item())


def text(number: int) -> str:
    """Return a number as `parse` reads it."""
    return str(number) if number < _FIRST else f"#{number - _FIRST:06x}"
