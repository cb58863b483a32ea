"""Names of label values, from dataset.json or from their numbers."""

import pathlib
from collections.abc import Collection
from typing import Any

import numpy as np

from competition.core import files, masks
from competition.sources.convert import colours


def read(*folders: pathlib.Path) -> dict[int, str]:
    """Return the names by label value of the first dataset.json beside the folders.

    It reads {"1": "name"} and {"name": 1}; a colour such as "#ff0000" is a value of
    mask images. Background, 0, is left out; without a dataset.json the result is empty.
    """
    for folder in folders:
        path = folder.resolve().parent / "dataset.json"
        if path.is_file():
            return _parse(path, files.read_json(path))
    return {}


def _parse(path: pathlib.Path, dataset: Any) -> dict[int, str]:
    labels = dataset.get("labels") if isinstance(dataset, dict) else None
    pairs = list(labels.items()) if isinstance(labels, dict) else []
    pairs = [(n, key) if _is_value(n) else (key, n) for key, n in pairs]
    for number, name in pairs:
        readable = isinstance(name, str) and name.isprintable() and name.strip()
        if not readable or colours.parse(str(number)) is None:
            raise ValueError(
                f"{path}: expected labels as a number and a name each, received "
                f"{number!r} and {name!r}. Correct the file."
            )
    values = [(colours.parse(str(number)), name.strip()) for number, name in pairs]
    names = {value: name for value, name in values if value}
    if not names or len(set(names.values())) < sum(value != 0 for value, _ in values):
        raise ValueError(
            f'{path}: expected "labels" such as {{"0": "background", "1": "liver"}}, '
            f"every number and name once, received {labels!r}. Correct the file."
        )
    return names


def _is_value(value: Any) -> bool:
    """Return whether the value of a name is a number or a colour, not a name."""
    is_name = isinstance(value, str) and not value.startswith("#")
    return not is_name


def check(path: pathlib.Path, values: Collection[int], names: dict[int, str]) -> None:
    """Refuse `values` of the labels at `path` that dataset.json does not name."""
    if unknown := sorted(set(values) - names.keys()):
        raise ValueError(
            f"{path}: expected the labels of dataset.json, "
            f"{', '.join(f'{colours.text(n)} ({name})' for n, name in names.items())}, "
            f"received {', '.join(map(colours.text, unknown[:5]))}. Name them there."
        )


def complete(
    named: dict[int, str], values: Collection[int], labels: pathlib.Path
) -> dict[int, str]:
    """Return the names of dataset.json; without them label `values` become label_1, ...

    A colour becomes a name such as label_ff0000. More classes than `prepare` can keep
    are an error.
    """
    if not (named or values):
        raise ValueError(
            f"{labels}: expected labels above 0, received none anywhere. "
            "Check the path."
        )
    names = named or {value: _name(value) for value in sorted(values)}
    if len(names) > masks.MOST_CLASSES:
        raise ValueError(
            f"{labels}: expected at most {masks.MOST_CLASSES} labels above 0, received "
            f"{len(names)}. Merge labels, here and in dataset.json."
        )
    return names


def _name(value: int) -> str:
    return f"label_{colours.text(value).removeprefix('#')}"


def whole(path: pathlib.Path, array: np.ndarray) -> np.ndarray:
    """Return labels as unsigned integers; the file at `path` may hold floats."""
    if array.dtype.kind == "u":
        return array
    wrong = array[~((array >= 0) & (array == np.floor(array)) & np.isfinite(array))]
    if wrong.size:
        raise ValueError(
            f"{path}: expected whole numbers from 0 as labels, received {wrong[0]} "
            f"(one of {wrong.size} such voxels). Is it the image?"
        )
    return array.astype(np.min_scalar_type(int(array.max())))
