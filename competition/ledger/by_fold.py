"""The folds of a kept experiment, and what each scored: two tables to publish."""

import pathlib

from competition.core import scores
from competition.core.data import slice_table
from competition.core.experiment import layout, runs

# The file that `prepare --fold-file` takes to split the same cases alike.
FOLDS = "folds.csv"
SCORES = "by_fold.csv"
_SHOWN = ["dice", "dice_3d", "surface_mm", "hausdorff_per_class", "score_per_class"]


def write(dataset: layout.DatasetFiles, run: runs.Run, folder: pathlib.Path) -> None:
    """Write the fold of every case, and the mean scores of each fold and class.

    The mean leaves out a scan whose class has no such score, for instance the surface
    distance of an empty mask. A run that holds nothing out has no scores.
    """
    import pandas as pd

    table = slice_table.read(dataset)
    cases = table.drop_duplicates("case").sort_values("case")
    cases[["case", "fold"]].to_csv(folder / FOLDS, index=False)
    by_scan = scores.read(run.files.score)["oof"]["by_scan"]
    if not by_scan:
        return
    fold = table.drop_duplicates("scan").set_index("scan")["fold"]
    rows = [
        {"fold": fold[scan], "class": name, "scans": 1}
        | {score: by_class.get(score) for score in _SHOWN}
        for scan, of_scan in by_scan.items()
        for name, by_class in of_scan.items()
    ]
    # As floats, since a column may have no score at all.
    every = pd.DataFrame(rows).astype(dict.fromkeys(_SHOWN, float))
    grouped = every.groupby(["fold", "class"])
    means = grouped.agg({"scans": "sum", **dict.fromkeys(_SHOWN, "mean")})
    means.to_csv(folder / SCORES, float_format="%.4f")
