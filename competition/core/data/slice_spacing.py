"""Read the distance of a scan's slices, which image names do not contain."""

import math
import pathlib

from competition.core import files
from competition.core.experiment import layout

# The competition's slices, as its data page says.
SPACING_Z_MM = 3.0


def read(data: pathlib.Path) -> dict[str, float]:
    """Return the distance in mm of each scan that `convert` made, by scan."""
    path = data / layout.GEOMETRY
    if not path.is_file():
        return {}
    try:
        scans = files.read_json(path)["scans"]
        return {
            scan: _spacing(record["spacing_z_mm"]) for scan, record in scans.items()
        }
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{path}: expected a `spacing_z_mm` for each of its `scans`, as `convert` "
            f"writes it ({error!r}). Convert again, or remove the file."
        ) from error


def _spacing(stored: float) -> float:
    spacing = float(stored)
    if not 0 < spacing < math.inf:
        raise ValueError(f"{stored} mm is no distance")
    return spacing
