"""The weights that encoders begin with, and how they travel to Kaggle.

A file, or the folder of a preset, travels in the bundle. A dataset or a model of Kaggle
is attached to the kernel, which finds the weights among its inputs.
"""

import pathlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from competition.core.experiment import configs
from competition.kernel import bundles

# The files that a keras_hub preset needs, and the one that says how it scales images.
_PRESET = ("config.json", "model.weights.h5", "image_converter.json")
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_DATASET = re.compile(rf"{_NAME}/{_NAME}")
_MODEL = re.compile(rf"{_NAME}/{_NAME}/{_NAME}/{_NAME}(/\d+)?")
_KINDS = (
    "expected the path of a file of weights or of a preset's folder, a dataset of "
    "Kaggle (owner/slug), or a model (owner/model/framework/variation/version)"
)


def of_runs(
    given: Iterable[str], trained: Mapping[str, configs.Config]
) -> dict[str, str]:
    """Return for each run the path or handle of the weights its encoder begins with.

    Each of `given` is NAME:VALUE for one run, or VALUE for all runs with an encoder,
    which must be the same one.
    """
    encoders = {
        name: config.model.encoder
        for name, config in trained.items()
        if config.model.encoder != "none"
    }
    by_run: dict[str, str] = {}
    for text in given:
        name, colon, value = text.partition(":")
        if not (colon and name in trained):
            name, value = "", text
        _check(value)
        if name and name not in encoders:
            raise ValueError(
                f"`weights` {text}: {name} has no encoder (model.encoder). Leave it "
                f"out. Runs with an encoder: {', '.join(encoders) or 'none'}."
            )
        names = [name] if name else [*encoders]
        if len({encoders[each] for each in names}) != 1:
            found = ", ".join(f"{each} {encoder}" for each, encoder in encoders.items())
            raise ValueError(
                f"`weights` {text}: expected runs that share one encoder "
                f"(model.encoder). Received: {found or 'none'}. Leave it out, or name "
                "the run that it is for, as NAME:VALUE."
            )
        by_run |= dict.fromkeys(names, value)
    return by_run


def contents(by_run: Mapping[str, str]) -> dict[str, bytes | pathlib.Path]:
    """Return the files of weights on this machine, by their path in the dataset."""
    listed: dict[str, bytes | pathlib.Path] = {}
    for value, place in _places(by_run).items():
        path = pathlib.Path(value)
        if path.is_file():
            listed[place] = path
        else:
            parts = {name: path / name for name in _PRESET}
            listed |= {
                f"{place}/{name}": part
                for name, part in parts.items()
                if part.is_file()
            }
    return listed


def sources(by_run: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Return the datasets and the models that the kernel attaches."""
    handles = [v for v in dict.fromkeys(by_run.values()) if not _is_here(v)]
    models = [handle for handle in handles if _MODEL.fullmatch(handle)]
    return [handle for handle in handles if handle not in models], models


def listed(
    bundle: bundles.Bundle,
    by_run: Mapping[str, str],
    trained: Mapping[str, configs.Config],
) -> list[dict[str, Any]]:
    """Return the manifest's entries about the weights of each run, the kernel's first.

    The kernel sets a run's weights to the entry's `value`, or to the path of its `file`
    in the bundle, or of what it finds for its `encoder` in the dataset or model
    `source`.
    """
    if not by_run:
        return []
    places, entries = _places(by_run), []
    for name, config in sorted(
        trained.items(), key=lambda each: each[0] != bundle.name
    ):
        entry = {"run": name, "encoder": config.model.encoder}
        value = by_run.get(name)
        if value is None:
            # Without a value, members would get the weights of the run itself.
            entry["value"] = config.model.encoder_weights
        elif value in places:
            entry["file"] = places[value]
        else:
            entry["source"] = value
        entries.append(entry)
    return entries


def _check(value: str) -> None:
    """Refuse a value that is neither a path of this machine nor a handle of Kaggle."""
    path = pathlib.Path(value)
    if path.is_dir() and not all((path / name).is_file() for name in _PRESET[:2]):
        raise ValueError(
            f"`weights` {value}: expected a preset's folder, with {_PRESET[0]} and "
            f"{_PRESET[1]}. Give another folder, or the path of a file."
        )
    is_dataset = _DATASET.fullmatch(value) and path.suffix != ".h5"
    if _is_here(value) or is_dataset:
        return
    model = _MODEL.fullmatch(value)
    if model and not model[1]:
        raise ValueError(
            f"`weights` {value}: a kernel attaches a version of a model. Add its "
            f"number, such as {value}/1; the model's page on Kaggle lists them."
        )
    if not model:
        raise ValueError(f"`weights`: {_KINDS}. Received: {value}, which is no path.")


def _is_here(value: str) -> bool:
    return pathlib.Path(value).exists()


def _places(by_run: Mapping[str, str]) -> dict[str, str]:
    """Return each path's place in the dataset; two paths may end in the same name."""
    paths = [value for value in dict.fromkeys(by_run.values()) if _is_here(value)]
    return {
        value: f"weights/{index}/{pathlib.Path(value).resolve().name}"
        for index, value in enumerate(paths)
    }
