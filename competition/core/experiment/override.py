"""Values that replace those of an experiment: `key=value` or `member:key=value`."""

import contextlib
import json
import tomllib
from typing import Any


def parse(override: str) -> dict[str, Any]:
    """Return the nested tables of an override, such as {"training": {"epochs": 3}}."""
    key, equals, text = override.partition("=")
    # A value that is no TOML, as in model.norm=group, is a string without quotes.
    as_text = json.dumps(text.strip(), ensure_ascii=False)
    for value in (text, as_text) if equals else ():
        with contextlib.suppress(tomllib.TOMLDecodeError, RecursionError):
            return tomllib.loads(f"{key} = {value}")
    raise ValueError(
        "An override is key=value, such as training.epochs=3. "
        f"Received: {override[:200]!r}. Correct it."
    )


def member(override: str) -> str:
    """Return the member of a blend that an override is for, or "" if it is for all."""
    name, colon, _ = _key(override).partition(":")
    return name if colon else ""


def of_member(overrides: tuple[str, ...], name: str) -> tuple[str, ...]:
    """Return the overrides of a blend that are for its member or gate `name`.

    Overrides for all runs come first, then its own, such as `name:training.batch=8`.
    """
    shared = [
        override
        for override in overrides
        if not member(override) and _key(override) not in ("members", "gate")
    ]
    return *shared, *own_of_member(overrides, name)


def own_of_member(overrides: tuple[str, ...], name: str) -> tuple[str, ...]:
    """Return the overrides of a blend that are for its member or gate `name` alone."""
    return tuple(each.partition(":")[2] for each in overrides if member(each) == name)


def _key(override: str) -> str:
    return override.partition("=")[0].strip()
