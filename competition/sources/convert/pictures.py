"""Find, read and write images of one slice: PNG, JPEG, TIFF, GIF and BMP files."""

import pathlib

import numpy as np

from competition.core import files
from competition.sources.convert import colours, label_names, listing

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".gif", ".bmp")
LOSSY = (".jpg", ".jpeg")
CHANNELS = ("red", "green", "blue", "grey")
# How bright red, green and blue look, as television has it (ITU-R BT.601).
_BRIGHTNESS = np.array([0.299, 0.587, 0.114])


def find(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """Return the images of a folder by their names without suffixes."""
    return listing.by_name(folder, name, f"images ({', '.join(SUFFIXES)})")


def are_in(folder: pathlib.Path) -> bool:
    """Return whether a folder holds images."""
    return folder.is_dir() and any(map(name, folder.iterdir()))


def name(path: pathlib.Path) -> str | None:
    """Return the name of an image without its suffix, None if it is no image."""
    hidden = path.name.startswith(".")
    is_image = path.suffix.lower() in SUFFIXES and not (hidden or path.is_dir())
    return path.stem if is_image else None


def read(path: pathlib.Path) -> np.ndarray:
    """Read an image: grey (H, W) or RGB (H, W, 3), of any type.

    A JPEG is turned as its EXIF says; all others are read as they are stored.
    """
    import cv2

    data = np.frombuffer(files.read_bytes(path), np.uint8)
    try:
        # The image is read before its pages are counted, because reading notices a file
        # that is cut off. A photograph is turned, as viewers turn it.
        how = cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR
        how = how if path.suffix.lower() in LOSSY else cv2.IMREAD_UNCHANGED
        pixels = cv2.imdecode(data, how)
        pages = cv2.imcount(str(path)) if pixels is not None else 0
    except cv2.error:
        pixels, pages = None, 0
    if pixels is None:
        raise ValueError(
            f"{path}: expected an image, received {data.size} bytes that are cut off, "
            "damaged or of another kind. Restore or remove the file."
        )
    if pages != 1:
        raise ValueError(
            f"{path}: expected one image a file, received {pages} pages. Save each as "
            "a file, and say by a table that they are slices of one scan."
        )
    if pixels.ndim == 3 and pixels.shape[2] == 4 and np.ptp(pixels[..., 3]) == 0:
        pixels = pixels[..., :3]
    if pixels.ndim == 3 and pixels.shape[2] != 3:
        raise ValueError(
            f"{path}: expected grey or red, green and blue, received "
            f"{pixels.shape[2]} channels. Save it without transparency."
        )
    return pixels if pixels.ndim == 2 else pixels[..., ::-1]


def check_channel(channel: str) -> None:
    """Refuse a `channel` that no colour image has."""
    if channel not in CHANNELS:
        raise ValueError(
            f"`channel` must be one of {', '.join(CHANNELS)}. Received: {channel!r}. "
            "Choose one of them."
        )


def grey(pixels: np.ndarray, channel: str) -> np.ndarray:
    """Return one channel (H, W) of a colour image; "grey" is how bright it looks."""
    if pixels.ndim == 2:
        return pixels
    if channel != "grey":
        return pixels[..., CHANNELS.index(channel)]
    bright = pixels @ _BRIGHTNESS
    is_whole = pixels.dtype.kind in "iu"
    return np.round(bright).astype(pixels.dtype) if is_whole else bright


def read_mask(path: pathlib.Path) -> np.ndarray:
    """Read a mask image as numbers (H, W): grey values, or colours, see `colours`."""
    pixels = read(path)
    if pixels.ndim == 3 and pixels.dtype != np.uint8:
        raise ValueError(
            f"{path}: expected grey values or colours of 8 bits, received colours of "
            f"{pixels.dtype}. Is it the image?"
        )
    numbers = label_names.whole(path, colours.encode(pixels))
    if pixels.ndim == 2 and numbers.max() >= 65536:
        raise ValueError(
            f"{path}: expected grey values up to 65535, which masks are restored as, "
            f"received {numbers.max()}. Number the classes from 1."
        )
    return numbers


def write_mask(path: pathlib.Path, numbers: np.ndarray) -> None:
    """Write a mask of numbers (H, W) as a PNG."""
    import cv2

    pixels = colours.decode(numbers)
    if pixels.ndim == 3:
        pixels = pixels[..., ::-1]
    if not cv2.imwrite(str(path), np.ascontiguousarray(pixels)):
        raise OSError(f"{path} could not be written. Is there space on the device?")
