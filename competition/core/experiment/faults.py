"""Explain in words what is wrong with a config, key by key."""

import difflib
import functools
import types
import typing
from collections.abc import Iterable
from typing import Any

from competition.core.experiment import schema

# The number of characters of a value that are shown.
_MOST = 200


def nearest(name: str, names: list[str]) -> str:
    """Return " Did you mean 'x'?" for the closest of `names`, or nothing."""
    close = difflib.get_close_matches(name, names, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def explain(faults: Iterable[Any], table: type[schema.Table]) -> list[str]:
    """Return one line for each wrong key.

    pydantic reports a value once for each type it could have; these reports are joined.
    A list with wrong items is left out, because pydantic also calls it too short.
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
    """Return the dotted key of a fault, without the type that pydantic tried."""
    parts: list[str] = []
    inside: Any = table
    for part in loc:
        if typing.get_origin(inside) in (typing.Union, types.UnionType):
            # This part names one of the types, such as "bool" of `bool | str`.
            inside = None
            continue
        parts.append(str(part))
        inside = _inside(inside, part)
    return ".".join(parts)


def _inside(kind: Any, part: int | str) -> Any:
    """Return the type of a table's value, or of the items of a list or a dict."""
    if arguments := typing.get_args(kind):
        return arguments[0 if isinstance(part, int) else -1]
    fields = getattr(kind, "model_fields", {})
    return fields[part].annotation if part in fields else None


def _explain(key: str, fault: Any, table: type[schema.Table]) -> str:
    if fault["type"] == "missing":
        return f"`{key}` is missing. Add it."
    if fault["type"] != "extra_forbidden":
        return _of_value(key, fault)
    *above, unknown = fault["loc"]
    names = list(functools.reduce(_inside, above, table).model_fields)
    within = [] if above else _within(table, unknown)
    meant = f" Did you mean {within[0]!r}?" if within else nearest(unknown, names)
    return f"unknown key `{key}`.{meant} Keys: {', '.join(names)}."


def _of_value(key: str, fault: Any) -> str:
    """Return what is wrong with the value of a key, in words."""
    received, hint = fault["input"], ""
    words = fault["msg"].removeprefix("Value error, ").replace("valid tuple", "list")
    if fault["type"] == "tuple_type" and isinstance(received, str):
        hint = " Quote a list for the shell, such as --set 'folds=[0, 1]'."
    if isinstance(received, dict):
        return f"`{key}`: {words}."
    text = repr(received)
    shown = text if len(text) <= _MOST else f"{text[:_MOST]}..."
    return f"`{key}`: {words}. Received: {shown}.{hint}"


def _within(table: type[schema.Table], name: str) -> list[str]:
    """Return the dotted keys of the tables within a table that have this name."""
    return [
        f"{above}.{name}"
        for above, field in table.model_fields.items()
        if name in getattr(field.annotation, "model_fields", {})
    ]
