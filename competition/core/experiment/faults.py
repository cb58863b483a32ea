"""The words for what is wrong with a config, each with the key that it is at."""

import difflib
import functools
import types
import typing
from collections.abc import Iterable
from typing import Any

from competition.core.experiment import schema


def nearest(name: str, names: list[str]) -> str:
    """Return " Did you mean 'x'?" for the closest of `names`, or nothing."""
    close = difflib.get_close_matches(name, names, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def explain(faults: Iterable[Any], table: type[schema.Table]) -> list[str]:
    """Return a line for each key at fault: that a key is of no kind is one fault.

    A list whose items are at fault is not: it would be said to be too short.
    """
    by_key: dict[str, Any] = {}
    for fault in faults:
        key = _key_of(fault["loc"], table)
        if key in by_key:
            kind = fault["msg"].removeprefix("Input should be ")
            by_key[key]["msg"] += f", or {kind}"
        else:
            by_key[key] = fault
    return [
        _explain(key, fault, table)
        for key, fault in by_key.items()
        if not any(other.startswith(f"{key}.") for other in by_key)
    ]


def _key_of(loc: tuple[int | str, ...], table: type[schema.Table]) -> str:
    """Return the key that a fault is at, without the kind of value that was tried."""
    parts: list[str] = []
    inside: Any = table
    for part in loc:
        if typing.get_origin(inside) in (typing.Union, types.UnionType):
            # This part names one of the kinds of values, as "bool" of `bool | str`.
            inside = None
            continue
        parts.append(str(part))
        inside = _inside(inside, part)
    return ".".join(parts)


def _inside(kind: Any, part: int | str) -> Any:
    """Return the kind of a table's value, or of the items of a list or a dict."""
    if arguments := typing.get_args(kind):
        return arguments[0 if isinstance(part, int) else -1]
    fields = getattr(kind, "model_fields", {})
    return fields[part].annotation if part in fields else None


def _explain(key: str, fault: Any, table: type[schema.Table]) -> str:
    if fault["type"] == "missing":
        return f"`{key}` is missing. Add it."
    if fault["type"] != "extra_forbidden":
        return f"`{key}`: {fault['msg']}. Received: {fault['input']!r}."
    *above, unknown = fault["loc"]
    names = list(functools.reduce(_inside, above, table).model_fields)
    return f"unknown key `{key}`.{nearest(unknown, names)} Keys: {', '.join(names)}."
