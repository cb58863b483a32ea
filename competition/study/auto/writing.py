"""The text of an experiment that was planned: its lines, each with its reason."""

import itertools
import json
import textwrap
from collections.abc import Iterable

from competition.study.auto.choices import Choice

# The column of a reason, and the last column; a longer reason is put above its line.
_REASONS, _WIDTH = 38, 88


def text(about: str, chosen: Iterable[Choice]) -> str:
    """Return the TOML of the choices after comments that say what it is."""
    lines = [f"# {line}".rstrip() for line in about.splitlines()]
    # TOML reads keys after a table's name as that table's, so the others come first.
    in_order = sorted(chosen, key=_table)
    for table, choices in itertools.groupby(in_order, _table):
        lines += ["", f"[{table}]"] if table else [""]
        lines += itertools.chain.from_iterable(map(_lines, choices))
    return "\n".join(lines) + "\n"


def override(choice: Choice) -> str:
    """Return a choice as a value for `--set`."""
    return f"{choice.key}={json.dumps(choice.value)}"


def _table(choice: Choice) -> str:
    return choice.key.rpartition(".")[0]


def _lines(choice: Choice) -> list[str]:
    assigned = f"{choice.key.rpartition('.')[2]} = {json.dumps(choice.value)}"
    line = f"{assigned:<{_REASONS - 2}}  # {choice.reason}"
    if len(line) <= _WIDTH:
        return [line]
    return [
        *(f"# {part}" for part in textwrap.wrap(choice.reason, _WIDTH - 2)),
        assigned,
    ]
