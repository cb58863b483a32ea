"""The files of a folder by name, if they are sources of a kind."""

import pathlib
from collections.abc import Callable

from competition.core import console

Name = Callable[[pathlib.Path], str | None]


def by_name(folder: pathlib.Path, name: Name, expected: str) -> dict[str, pathlib.Path]:
    """Return the entries of a folder by the names that `name` gives them, sorted.

    Hidden files are ignored. An entry without a name is left out with a warning, which
    says what is `expected`.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder. Check the path.")
    found: dict[str, pathlib.Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        own = name(path)
        if own is None:
            console.warn(f"{path} is left out: expected {expected}.")
        elif found.setdefault(own, path) != path:
            raise ValueError(
                f"{path} and {found[own].name} have one name. Remove one of them."
            )
    if not found:
        raise ValueError(
            f"{folder}: expected {expected}, received none. Check the path."
        )
    return dict(sorted(found.items()))
