"""The results of parts: each prints a JSON object a line, a report collects them."""

import dataclasses
import json
import pathlib
import time
from typing import Any

from competition.core import files


def say(kind: str, **values: Any) -> None:
    """Print a result; the process that started this one takes it from there."""
    print(json.dumps({"kind": kind, **values}), flush=True)


def parsed(line: str) -> dict[str, Any] | None:
    """Return the result that a line of output holds, or None."""
    if not line.startswith('{"kind": '):
        return None
    try:
        result: dict[str, Any] = json.loads(line)
    except ValueError:
        return None
    return result


@dataclasses.dataclass
class Report:
    """All results so far, in a file that is whole at any time."""

    path: pathlib.Path
    results: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    begun: float = dataclasses.field(default_factory=time.monotonic)

    def add(self, part: str, result: dict[str, Any]) -> None:
        """Keep a result of a part and show it."""
        self.results.append({"part": part, **result})
        files.write_json(self.path, self.results)
        shown = ", ".join(
            f"{name} {_short(value)}"
            for name, value in result.items()
            if name != "kind" and value not in ("", [], None)
        )
        seconds = time.monotonic() - self.begun
        print(f"[{seconds:4.0f} s] {part}: {result['kind']}: {shown}", flush=True)


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)[:300]
