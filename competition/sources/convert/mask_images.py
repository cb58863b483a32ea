"""Convert masks of a scan back to mask images with the sources' sizes and names."""

import pathlib
from typing import Annotated

import numpy as np
import pydantic
import typing_extensions

from competition.core.experiment import layout
from competition.sources.convert import levels, pictures

KIND = "images"
Plain = Annotated[str, pydantic.AfterValidator(layout.plain)]


class MaskFile(typing_extensions.TypedDict):
    """A mask image: its name without suffix, and its class if that has a folder.

    `value` is the pixel value of the class in its folder.
    """

    folder: Plain | None
    name: Plain
    value: int


class Record(typing_extensions.TypedDict):
    """The entries of a scan in geometry.json; `size` is (width, height)."""

    part: str
    size: tuple[int, int]
    masks: list[list[MaskFile]]


class Sidecar(typing_extensions.TypedDict):
    """The entries of geometry.json: how images were converted, and what restores them.

    Entries that older versions did not write may be missing.
    """

    channel: str
    window: typing_extensions.NotRequired[levels.Window | None]
    classes: dict[str, int]
    scans: dict[str, Record]


def blank(record: Record, classes: dict[str, int]) -> dict[str, np.ndarray]:
    """Return empty slices (D, H, W) for every class, to paint on.

    All classes share one array, unless they have folders: then masks may overlap.
    """
    shape = (len(record["masks"]), *record["size"][::-1])
    kind = np.min_scalar_type(max(classes.values()))
    if record["masks"][0][0]["folder"] is None:
        return dict.fromkeys(classes, np.zeros(shape, kind))
    return {name: np.zeros(shape, kind) for name in classes}


def save(folder: pathlib.Path, record: Record, painted: dict[str, np.ndarray]) -> int:
    """Write what was painted as PNGs; return how many there are."""
    for index, files in enumerate(record["masks"]):
        for file in files:
            if file["folder"] is None:
                numbers = next(iter(painted.values()))[index]
            else:
                numbers = np.where(painted[file["folder"]][index], file["value"], 0)
            path = folder / (file["folder"] or "") / f"{file['name']}.png"
            path.parent.mkdir(exist_ok=True)
            pictures.write_mask(path, numbers)
    return sum(map(len, record["masks"]))
