"""What an experiment is: typed, frozen, complete, and strict about its keys."""

import difflib
import pathlib
import tomllib
import typing
from typing import Annotated, Any, Literal

import pydantic

from competition.core.experiment import schema

EXPERIMENTS = pathlib.Path(__file__).parents[2] / "experiments"

Kind = typing.TypeVar("Kind", bound=schema.Table)


class Config(schema.Table):
    """Everything that makes a run what it is."""

    seed: schema.Seed
    slices: Annotated[tuple[schema.Offset, ...], schema.LOOSE]
    intensity: Literal["slice", "scan"]
    folds: schema.Folds
    members: Annotated[tuple[str, ...], schema.OPTIONAL]
    gate: Annotated[tuple[str, ...], schema.OPTIONAL]
    geometry: schema.Geometry
    model: schema.Model
    loss: schema.Loss
    augment: schema.Augment
    sampling: schema.Sampling = schema.Sampling()
    training: schema.Training
    decide: schema.Decide
    submit: schema.Submit = schema.Submit()

    @pydantic.field_validator("members")
    @classmethod
    def _two_or_more(cls, members: tuple[str, ...]) -> tuple[str, ...]:
        if len(members) == 1 or len(set(members)) < len(members):
            raise ValueError("a blend needs two or more runs, each named once")
        return members

    @pydantic.field_validator("model")
    @classmethod
    def _patch_fits(
        cls, model: schema.Model, info: pydantic.ValidationInfo
    ) -> schema.Model:
        geometry = info.data.get("geometry")
        if geometry is None or not model.volumetric:
            return model
        depth, *sides = model.patch
        frame = geometry.height, geometry.width
        largest = [depth, *map(min, sides, frame)]
        if largest != list(model.patch):
            raise ValueError(
                "`model.patch` (depth, height, width) must fit into geometry.height "
                f"and width, {frame[0]} and {frame[1]}. Use patch = {largest}"
            )
        return model


def load(experiment: str, overrides: tuple[str, ...] = ()) -> Config:
    """Load an experiment by name or path: base, its few lines, then `key=value`s."""
    values = read(experiment, overrides)
    # How better values are searched for is no part of what a run is.
    values.pop("search", None)
    return check(values, Config, source=str(find(experiment)))


def read(experiment: str, overrides: tuple[str, ...] = ()) -> dict[str, Any]:
    """Read all that an experiment's TOML and the `overrides` say, not yet checked."""
    values = _read_toml(EXPERIMENTS / "base.toml")
    values = _merge(values, _read_toml(find(experiment)))
    for override in overrides:
        values = _merge(values, _parse(override))
    return values


def find(experiment: str) -> pathlib.Path:
    """Return the TOML of an experiment given by name or by path."""
    if experiment.endswith(".toml"):
        path = pathlib.Path(experiment)
        if not path.is_file():
            raise ValueError(f"{path}: no such experiment file. Check the path.")
        return path
    names = sorted(path.stem for path in EXPERIMENTS.glob("*.toml"))
    if experiment not in names:
        raise ValueError(
            f"Unknown experiment {experiment!r}.{nearest(experiment, names)} "
            f"Known: {', '.join(names)}. A path of a .toml file works too."
        )
    return EXPERIMENTS / f"{experiment}.toml"


def restore(values: dict[str, Any], source: str) -> Config:
    """Rebuild a config from the `values` that a run kept; `source` names the file."""
    return check(values, Config, source=source)


def check(values: dict[str, Any], table: type[Kind], *, source: str) -> Kind:
    """Make a table of `values`; an error names `source` and every key at fault."""
    try:
        return table.model_validate(values)
    except pydantic.ValidationError as error:
        faults = error.errors()
        # Items at fault are not counted: their list would be said to be too short.
        lists = {fault["loc"][:-1] for fault in faults}
        lines = [_explain(each, table) for each in faults if each["loc"] not in lists]
        raise ValueError(f"{source}: " + "\n".join(lines)) from None


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Name every value in nested tables by its dotted key."""
    named: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            named |= flat(value, f"{prefix}{key}.")
        else:
            named[f"{prefix}{key}"] = value
    return named


def differences(one: Config, other: Config) -> list[str]:
    """List the keys in which two configs differ, as `key: one -> other`."""
    return changes(one.model_dump(), other.model_dump())


def changes(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """List the keys in which nested tables differ, as `key: one -> other`."""
    first, second = flat(one), flat(other)
    return [
        f"{key}: {first.get(key)} -> {second.get(key)}"
        for key in sorted(first.keys() | second.keys())
        if first.get(key) != second.get(key)
    ]


def nearest(name: str, names: list[str]) -> str:
    """Return " Did you mean 'x'?" for the closest of `names`, or nothing."""
    close = difflib.get_close_matches(name, names, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def _read_toml(path: pathlib.Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not valid TOML: {error}. Correct it.") from error


def _parse(override: str) -> dict[str, Any]:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ValueError(
            f"--set takes key=value, such as training.epochs=3. Received: {override!r}."
        )
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    for part in reversed(key.split(".")):
        value = {part: value}
    return typing.cast(dict[str, Any], value)


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        both = isinstance(value, dict) and isinstance(under, dict)
        merged[key] = _merge(under or {}, value) if both else value
    return merged


def _explain(fault: Any, table: type[schema.Table]) -> str:
    path = [str(part) for part in fault["loc"]]
    key = ".".join(path)
    if fault["type"] == "extra_forbidden":
        names = list(_table_at(path[:-1], table).model_fields)
        return (
            f"unknown key `{key}`.{nearest(path[-1], names)} Keys: {', '.join(names)}."
        )
    if fault["type"] == "missing":
        return f"`{key}` is missing. Add it."
    return f"`{key}`: {fault['msg']}. Received: {fault['input']!r}."


def _table_at(path: list[str], table: Any) -> type[schema.Table]:
    for part in path:
        # In a dict any name leads to its kind of value.
        inside = typing.get_args(table)[1:] or (table.model_fields[part].annotation,)
        table = inside[0]
    return typing.cast(type[schema.Table], table)
