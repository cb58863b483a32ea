"""The table of slices: pixels of truth and prediction in each slice, and their Dice.

The table has a row for each slice and class in which truth or prediction has a pixel;
all other slices are rightly empty.
"""

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from competition.core import files, metric, scores
from competition.core.experiment import layout

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = {
    "scan": str, "slice": int, "class": str, "truth": int, "predicted": int,
    "dice": float,
}  # fmt: skip


def rows(
    scan: str,
    measured: metric.ScanMeasurement,
    *,
    classes: Sequence[str],
    numbers: Sequence[int],
) -> Iterator[tuple[str, int, str, int, int, str]]:
    """Yield the rows of a scan; `numbers` (D,) are the numbers of its slices."""
    for name, one in zip(classes, measured.by_class, strict=True):
        for number, truth, predicted, dice in zip(
            numbers, *one.pixels.tolist(), one.dice.tolist(), strict=True
        ):
            if not math.isnan(dice):
                yield scan, number, name, truth, predicted, f"{dice:.6g}"


def write(run_files: layout.RunFiles, listed: Sequence[tuple[object, ...]]) -> str:
    """Write the table, if it is new, and return its digest for score.json."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(listed)
    content, path = text.getvalue().encode(), run_files.slices
    if not files.exists(path) or files.read_bytes(path) != content:
        files.write_bytes(path, content)
    return files.digest(content)


def read(run_files: layout.RunFiles) -> "pd.DataFrame | None":
    """Read the table that was written with score.json.

    Return None if an older version wrote no table. A table that is missing, or that
    belongs to another scoring, is an error.
    """
    digest = scores.read_digest(run_files.score)
    if digest is None:
        return None
    import pandas as pd

    path = run_files.slices
    files.require(path, "score")
    content = files.read_bytes(path)
    if files.digest(content) != digest:
        raise ValueError(
            f"{path} is not the table that {run_files.score.name} was written with. "
            "Run `python -m competition score` again."
        )
    return pd.read_csv(io.BytesIO(content), dtype=_COLUMNS, keep_default_na=False)


def count(
    table: "pd.DataFrame", *, slices: int, classes: Sequence[str]
) -> Mapping[str, dict[str, int]]:
    """Count the slices of each class by presence: found, missed, false alarm, empty.

    `slices` is the number of all predicted slices.
    """
    counts = {}
    for name in classes:
        part = table[table["class"] == name]
        truth, predicted = part["truth"] > 0, part["predicted"] > 0
        counts[name] = {
            "found": int((truth & predicted).sum()),
            "missed": int((truth & ~predicted).sum()),
            "false_alarm": int((~truth & predicted).sum()),
            "empty": slices - len(part),
        }
    return counts
