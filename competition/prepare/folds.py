"""Split cases into folds: a case is in one fold, and organs are spread evenly.

scikit-learn's StratifiedGroupKFold is not used: the pinned version stratifies the wrong
groups when it shuffles (its pull request 32540) and may leave a fold empty (its issue
34828).
"""

import io
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

_TRIES = 1000


def assign(amounts: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return the fold of every case; `amounts` (cases, kinds) says what each case has.

    Many random splits are tried; the one that spreads every kind most evenly is taken.
    No fold is empty: `count` must lie between 2 and the number of cases.
    """
    cases = len(amounts)
    if not 2 <= count <= cases:
        raise ValueError(
            f"{cases} cases can be split into 2 to {cases} folds. "
            f"Received: {count} folds. Add cases or ask for fewer folds."
        )
    if seed < 0:
        raise ValueError(f"`fold_seed` must be 0 or more. Received: {seed}.")
    random = np.random.default_rng(seed)
    shares = amounts / np.maximum(amounts.sum(axis=0), 1)
    even = np.arange(cases) % count
    splits = [random.permutation(even) for _ in range(_TRIES)]

    def unevenness(split: np.ndarray) -> float:
        by_fold = np.eye(count)[split].T @ shares
        return float(((by_fold - 1 / count) ** 2).sum())

    return min(splits, key=unevenness)


def parse(text: str, table: "pd.DataFrame", *, name: str) -> np.ndarray:
    """Return the folds of a table's slices from a CSV with columns `case` and `fold`.

    `name` is the file's name in error messages.
    """
    import pandas as pd

    try:
        given = pd.read_csv(io.StringIO(text))
    except ValueError as error:
        raise ValueError(
            f"{name}: expected a CSV with the columns case, fold. {error}. Correct it."
        ) from error
    missing = {"case", "fold"} - set(given.columns)
    if missing:
        raise ValueError(
            f"{name}: expected the columns case, fold; received "
            f"{', '.join(given.columns)}. Add {', '.join(sorted(missing))}."
        )
    numbers = set(given["fold"].unique())
    if len(numbers) < 2 or numbers != set(range(len(numbers))):
        raise ValueError(
            f"{name}: folds must be the whole numbers 0, 1, ... with none left out, "
            f"two at least. Received: {', '.join(sorted(map(str, numbers)))}. "
            "Correct the column."
        )
    by_case = given.groupby("case")["fold"]
    counts = by_case.nunique()
    if counts.max() > 1:
        raise ValueError(
            f"{name}: case {counts.idxmax()} stands in {counts.max()} folds; a case "
            "has one. Correct the file."
        )
    folds = table["case"].map(by_case.first())
    if folds.isna().any():
        case = table["case"][folds.isna()].iloc[0]
        raise ValueError(f"{name}: no fold for case {case}. Add its row.")
    if lacking := sorted(numbers - set(folds)):
        raise ValueError(
            f"{name}: fold {lacking[0]} holds none of the cases of this data, so that "
            "it would hold nothing out. Number the folds of these cases 0, 1, ..."
        )
    return folds.to_numpy(int)
