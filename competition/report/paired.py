"""Two runs on the same cases: the difference of their scores, and how sure it is."""

from typing import NamedTuple

import numpy as np

from competition.report import pooling

RESAMPLES = 10_000
SEED = 0
_ENDS = 0.025, 0.975
_AT_ONCE = 500


class Difference(NamedTuple):
    """A score of two runs: other - first, and its range for other cases.

    `low` and `high` are the ends of the 95 % interval over resampled cases, `mean` is
    the mean over them, and `better` the share of them in which the other one is better.
    A single case says nothing about others, so these are None then.
    """

    first: float
    other: float
    difference: float
    mean: float | None
    low: float | None
    high: float | None
    better: float | None


def bootstrap(
    first: np.ndarray, other: np.ndarray, *, seed: int = SEED
) -> dict[str, Difference]:
    """Compare two runs by the numbers (cases, 8) of the same cases, score by score.

    The cases are drawn again and again, with replacement, for both runs alike. A score
    that one of them does not have is left out.
    """
    cases, random = len(first), np.random.default_rng(seed)
    sums: list[list[np.ndarray]] = [[], []]
    # A few hundred draws at a time: all of many cases would fill the memory.
    for _ in range(RESAMPLES // _AT_ONCE):
        drawn = random.multinomial(cases, np.full(cases, 1 / cases), size=_AT_ONCE)
        for each, numbers in zip(sums, (first, other), strict=True):
            each.append(drawn @ numbers)
    resampled = [pooling.scores_of(np.concatenate(each)) for each in sums]
    whole = [pooling.scores_of(each.sum(axis=0)) for each in (first, other)]
    found = {}
    for name in whole[0]:
        gains = resampled[1][name] - resampled[0][name]
        gains = gains[~np.isnan(gains)]
        one, two = (float(each[name]) for each in whole)
        if np.isnan(one) or np.isnan(two) or not gains.size:
            continue
        if cases < 2:
            found[name] = Difference(one, two, two - one, None, None, None, None)
            continue
        if name.startswith("hausdorff"):
            better = float((gains < 0).mean())
        else:
            better = float((gains > 0).mean())
        low, high = np.quantile(gains, _ENDS).tolist()
        mean = float(gains.mean())
        found[name] = Difference(one, two, two - one, mean, low, high, better)
    return found
