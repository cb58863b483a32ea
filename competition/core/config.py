"""What an experiment is: typed, frozen, complete, and strict about its keys."""

import difflib
import pathlib
import tomllib
import typing
from typing import Annotated, Any, Literal

import pydantic

EXPERIMENTS = pathlib.Path(__file__).parents[1] / "experiments"

Share = Annotated[float, pydantic.Field(ge=0, le=1)]
Positive = Annotated[float, pydantic.Field(gt=0)]
Weight = Annotated[float, pydantic.Field(ge=0)]
Count = Annotated[int, pydantic.Field(ge=1)]
Index = Annotated[int, pydantic.Field(ge=0)]
# TOML knows arrays only; strict mode would refuse them for a tuple.
LOOSE = pydantic.Field(strict=False, min_length=1)


class Table(pydantic.BaseModel):
    """A part of the config: no unknown keys, no silent conversions, no changes."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", strict=True)


class Geometry(Table):
    """How a slice of any size becomes the network's input, and back."""

    fit: Literal["pad", "resize"]
    height: Count
    width: Count


class Model(Table):
    """The network: which one, how wide and deep, how regularised."""

    architecture: Literal["unet", "attention_unet"]
    widths: Annotated[tuple[Count, ...], LOOSE]
    dropout: Share
    norm_momentum: Share


class Loss(Table):
    """The weights of the loss's terms; a term of weight 0 is left out."""

    bce: Weight
    dice: Weight

    @pydantic.model_validator(mode="after")
    def _not_all_zero(self) -> "Loss":
        if not any(self.model_dump().values()):
            raise ValueError("at least one term of the loss must weigh more than 0")
        return self


class Augment(Table):
    """How far a training sample may be moved; each is a limit, drawn evenly."""

    engine: Literal["host", "none"]
    flip: Share
    affine: Share
    shift: Share
    scale: Share
    rotate_degrees: Weight


class Training(Table):
    """How long and how fast a fold is trained."""

    batch: Count
    epochs: Count
    learning_rate: Positive
    weight_decay: Weight
    warmup: Share
    score_every: Count


class Decide(Table):
    """The values that the search for a decision rule tries."""

    thresholds: Annotated[tuple[Share, ...], LOOSE]
    voxels: Annotated[tuple[Index, ...], LOOSE]


class Config(Table):
    """Everything that makes a run what it is."""

    seed: Index
    slices: Annotated[tuple[int, ...], LOOSE]
    intensity: Literal["slice", "scan"]
    folds: Annotated[tuple[Index, ...], LOOSE]
    geometry: Geometry
    model: Model
    loss: Loss
    augment: Augment
    training: Training
    decide: Decide


def load(experiment: str, overrides: tuple[str, ...] = ()) -> Config:
    """Load an experiment by name or path: base, its few lines, then `key=value`s."""
    path = find(experiment)
    values = _read_toml(EXPERIMENTS / "base.toml")
    values = _merge(values, _read_toml(path))
    for override in overrides:
        values = _merge(values, _parse(override))
    return _check(values, source=str(path))


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
    return _check(values, source=source)


def differences(one: Config, other: Config) -> list[str]:
    """List the keys in which two configs differ, as `key: one -> other`."""
    first, second = _flat(one.model_dump()), _flat(other.model_dump())
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
        return tomllib.loads(path.read_text())
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


def _check(values: dict[str, Any], source: str) -> Config:
    try:
        return Config.model_validate(values)
    except pydantic.ValidationError as error:
        lines = [_explain(fault) for fault in error.errors()]
        raise ValueError(f"{source}: " + "\n".join(lines)) from None


def _explain(fault: Any) -> str:
    path = [str(part) for part in fault["loc"]]
    key = ".".join(path)
    if fault["type"] == "extra_forbidden":
        names = list(_table_at(path[:-1]).model_fields)
        return (
            f"unknown key `{key}`.{nearest(path[-1], names)} Keys: {', '.join(names)}."
        )
    if fault["type"] == "missing":
        return f"`{key}` is missing. Add it."
    return f"`{key}`: {fault['msg']}. Received: {fault['input']!r}."


def _table_at(path: list[str]) -> type[Table]:
    table: Any = Config
    for part in path:
        table = table.model_fields[part].annotation
    return typing.cast(type[Table], table)


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
