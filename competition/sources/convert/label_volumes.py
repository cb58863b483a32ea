"""Convert masks of a scan back to a label volume, in the source's geometry."""

import pathlib
from typing import Annotated

import numpy as np
import pydantic
import typing_extensions

from competition.core.experiment import layout
from competition.sources.convert import frames, levels, volumes

KIND = "volumes"


class Record(typing_extensions.TypedDict):
    """The entries of a scan in geometry.json from which its volume is restored."""

    part: str
    name: Annotated[str, pydantic.AfterValidator(layout.plain)]
    stored: volumes.VolumeGeometry
    frame: frames.Frame


class Sidecar(typing_extensions.TypedDict):
    """The entries of geometry.json: how volumes were converted, and what restores them.

    Entries that older versions did not write may be missing.
    """

    axis: str
    window: typing_extensions.NotRequired[levels.Window | None]
    classes: dict[str, int]
    scans: dict[str, Record]


def blank(record: Record, classes: dict[str, int]) -> dict[str, np.ndarray]:
    """Return empty slices (D, H, W) to paint on: the same array for every class."""
    kind = np.min_scalar_type(max(classes.values()))
    volume = np.zeros(record["stored"].size[::-1], kind)
    return dict.fromkeys(classes, frames.apply(volume, record["frame"]))


def save(folder: pathlib.Path, record: Record, painted: dict[str, np.ndarray]) -> int:
    """Write what was painted as a volume; return the number of files, 1."""
    slices = next(iter(painted.values()))
    volume = np.empty(record["stored"].size[::-1], slices.dtype)
    frames.apply(volume, record["frame"])[:] = slices
    volumes.write(folder / f"{record['name']}.nii.gz", volume, record["stored"])
    return 1
