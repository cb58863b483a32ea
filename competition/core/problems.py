"""Problems of the data; they are collected first, so that all are reported at once."""

import collections
import dataclasses

SHOWN = 20


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """One fault of the data; `scan` is None if no scan can be left out to avoid it."""

    kind: str
    text: str
    scan: str | None = None


def report(problems: list[Problem]) -> str:
    """Return the first 20 problems, then the number of further ones of each kind."""
    lines = [problem.text for problem in problems[:SHOWN]]
    more = collections.Counter(problem.kind for problem in problems[SHOWN:])
    lines += [f"... and {count} more: {kind}" for kind, count in more.items()]
    return "\n".join(lines)


def raise_if_any(problems: list[Problem]) -> None:
    """Raise a ValueError that reports the problems, if there are any."""
    if problems:
        raise ValueError(report(problems))
