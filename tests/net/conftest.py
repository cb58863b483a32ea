"""Two small scans with a bright disc and a bright bar, and a tiny experiment."""

import numpy as np
import pandas as pd
import pytest

from competition.core import geometry
from competition.core.data import arrays, slice_table
from competition.core.experiment import configs, layout
from competition.net.training import checkpoint

DEPTH, HEIGHT, WIDTH = 6, 30, 34
BOX = geometry.Box(2, 27, 1, 33)
GRID = geometry.Grid((HEIGHT, WIDTH), (2.0, 1.5), BOX)
CLASSES = 2
TINY = (
    "slices=[-1, 0, 1]",
    "geometry.fit=pad",
    "geometry.height=32",
    "geometry.width=32",
    "model.widths=[4, 8]",
    "training.batch=4",
    "training.epochs=4",
    "training.score_every=1",
)


@pytest.fixture
def tiny() -> configs.Config:
    return configs.load("smoke", TINY)


@pytest.fixture
def kept_states(monkeypatch):
    """Leave the last state of a finished fold whole, to be compared."""
    monkeypatch.setattr(checkpoint, "finish", lambda folder, stored: None)


@pytest.fixture
def store(tmp_path) -> arrays.Arrays:
    dataset = layout.DatasetFiles(tmp_path / "set")
    for number in range(2):
        scan, bits = _phantom(number)
        arrays.write(dataset.scan(f"case{number}_day0"), scan)
        arrays.write(dataset.masks(f"case{number}_day0"), bits)
    return arrays.Arrays(dataset)


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "id": [f"case{n}_day0_{i}" for n in range(2) for i in range(DEPTH)],
            "scan": [f"case{n}_day0" for n in range(2) for _ in range(DEPTH)],
            "index": list(range(DEPTH)) * 2,
            "height": HEIGHT,
            "width": WIDTH,
            "spacing_z_mm": 3.0,
            "spacing_y_mm": 2.0,
            "spacing_x_mm": 1.5,
            **dict(zip(slice_table.BOX, BOX, strict=True)),
            "low": 100.0,
            "high": 1100.0,
            "scan_low": 0.0,
            "scan_high": 2000.0,
        }
    )


def _phantom(number: int) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    disc = (rows - 15) ** 2 + (columns - 10) ** 2 < (6 + number) ** 2
    bar = (columns > 22) & (columns < 27)
    noise = np.random.default_rng(number).integers(0, 200, (DEPTH, HEIGHT, WIDTH))
    scan = 300 + 600 * disc + 400 * bar + noise
    bits = disc + 2 * bar
    # The first slice holds no organ, as most real ones do.
    scan[0], masks = noise[0], np.repeat(bits[None], DEPTH, 0)
    masks[0] = 0
    return scan.astype(np.uint16), masks.astype(np.uint8)
