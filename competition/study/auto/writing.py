"""The text of an experiment that was planned: its lines, each with its reason."""

import itertools
import json
from collections.abc import Iterable

from competition.study.auto.choices import Choice

_REASONS = 38


def text(about: str, chosen: Iterable[Choice]) -> str:
    """Return the TOML of the choices after comments that say what it is."""
    lines = [f"# {line}".rstrip() for line in about.splitlines()]
    # TOML reads keys after a table's name as that table's, so the others come first.
    in_order = sorted(chosen, key=_table)
    for table, choices in itertools.groupby(in_order, _table):
        lines += ["", f"[{table}]"] if table else [""]
        lines += map(_line, choices)
    return "\n".join(lines) + "\n"


def override(choice: Choice) -> str:
    """Return a choice as a value for `--set`."""
    return f"{choice.key}={json.dumps(choice.value)}"


def _table(choice: Choice) -> str:
    return choice.key.rpartition(".")[0]


def _line(choice: Choice) -> str:
    assigned = f"{choice.key.rpartition('.')[2]} = {json.dumps(choice.value)}"
    return f"{assigned:<{_REASONS}}# {choice.reason}"
