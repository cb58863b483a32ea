"""Find the scans that the present weights of their fold have not predicted."""

import pathlib
from typing import TYPE_CHECKING

from competition.core import files, probabilities
from competition.core.data import slice_table
from competition.core.experiment import layout, runs

if TYPE_CHECKING:
    import pandas as pd


def digest(run: runs.Run, fold: layout.Fold) -> str:
    """Return the digest of a fold's weights; it is stored with the probabilities."""
    written = files.file_digest(run.files.weights(fold))
    # Older versions stored no predictions of presence heads. With this mark their files
    # count as made by other weights.
    return f"{written}-presence" if run.config.model.presence else written


def missing(run: runs.Run, rows: "pd.DataFrame", made_by: str) -> list[str]:
    """Return the scans of `rows` that the weights `made_by` have not predicted."""
    return [
        scan
        for scan in slice_table.scans(rows)
        if not probabilities.is_made_by(run.files.oof(scan), made_by)
    ]


def check(run: runs.Run, table: "pd.DataFrame") -> None:
    """Refuse a run if the weights of a trained fold have not predicted all its scans.

    For a blend, its members and gates are checked. Only the digest in each file is read
    here; whether the file is damaged shows when its probabilities are read.
    """
    for fold in runs.trained_folds(run):
        held_out = slice_table.scans(slice_table.held_out(table, fold))
        for source in runs.members_and_gates(run):
            made_by = digest(source, fold)
            oof = source.files.oof
            if scans := [s for s in held_out if _made_by(oof(s)) != made_by]:
                raise ValueError(
                    f"{source.files.root}: expected out-of-fold probabilities by the "
                    f"present weights of fold {fold}; {len(scans)} of its scans have "
                    f"none, the first is {scans[0]}. Run `python -m competition "
                    "predict` first."
                )


def _made_by(path: pathlib.Path) -> str | None:
    try:
        return probabilities.made_by(path)
    except (ValueError, OSError):
        return None
