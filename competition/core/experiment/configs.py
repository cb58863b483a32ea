"""The config of an experiment, read from TOML files and checked."""

import functools
import pathlib
import shlex
import tomllib
import typing
from typing import Annotated, Any, Literal

import pydantic

from competition.core import files
from competition.core.experiment import faults, layout, override, schema

EXPERIMENTS = pathlib.Path(__file__).parents[2] / "experiments"

Kind = typing.TypeVar("Kind", bound=schema.Table)


class Config(schema.Table):
    """The complete config of an experiment; each run stores it."""

    seed: schema.Seed
    slices: Annotated[tuple[schema.Offset, ...], schema.LOOSE]
    axis: Literal["z", "y", "x"] = "z"
    intensity: Literal["slice", "scan"]
    position: bool = False
    folds: schema.Folds
    gate: schema.RunNames
    members: schema.RunNames
    rules: str = "none"
    geometry: schema.Geometry
    model: schema.Model
    loss: schema.Loss
    augment: schema.Augment
    sampling: schema.Sampling = schema.Sampling()
    input: schema.Input = schema.Input()
    training: schema.Training
    decide: schema.Decide
    submit: schema.Submit = schema.Submit()

    @property
    def tta(self) -> tuple[str, ...]:
        """Return the changed views of a slice that prediction averages over too.

        "auto" flips only if training did: a network that never saw a flipped slice
        predicts it badly.
        """
        if self.submit.tta != "auto":
            return self.submit.tta
        return ("flip",) if self.augment.flips else ()

    @pydantic.field_validator("members")
    @classmethod
    def _is_blend(
        cls, members: tuple[str, ...], info: pydantic.ValidationInfo
    ) -> tuple[str, ...]:
        # Without a gate, a blend of one run would give the same masks as the run.
        if len(members) == 1 and not info.data.get("gate"):
            raise ValueError(
                "a blend needs two or more runs, or one and the runs of a `gate`. Name "
                "another run, or a gate"
            )
        return members

    @pydantic.field_validator("model")
    @classmethod
    def _patch_fits(
        cls, model: schema.Model, info: pydantic.ValidationInfo
    ) -> schema.Model:
        if info.data.get("position") and model.volumetric:
            raise ValueError(
                "`position` is the place of one slice, and a 3D network takes many at "
                "once. Set position = false"
            )
        if (geometry := info.data.get("geometry")) and model.volumetric:
            if geometry.crop:
                raise ValueError(
                    "a 3D network takes patches of `model.patch`, so that no "
                    "`geometry.crop` can be cut. Set geometry.crop = []"
                )
            depth, *sides = model.patch
            largest = [depth, *map(min, sides, geometry.frame)]
            if largest != list(model.patch):
                raise ValueError(
                    "`model.patch` (depth, height, width) must fit into "
                    f"geometry.height and width, {geometry.height} and "
                    f"{geometry.width}. Use patch = {largest}"
                )
        return model

    @pydantic.field_validator("model")
    @classmethod
    def _axis_fits(
        cls, model: schema.Model, info: pydantic.ValidationInfo
    ) -> schema.Model:
        """Refuse settings that need slices across z, if slices lie across y or x."""
        axis, geometry = info.data.get("axis"), info.data.get("geometry")
        if axis in ("y", "x") and model.volumetric:
            raise ValueError(
                f'axis = "{axis}" is for networks of slices, and a 3D network sees '
                'whole patches. Set axis = "z"'
            )
        changes = {
            'intensity = "scan"': info.data.get("intensity") == "slice",
            'geometry.box = "none"': geometry and geometry.box == "body",
            'geometry.fit = "letterbox"': geometry and geometry.fit == "spacing",
            "model.presence = false": model.presence,
        }
        wrong = [change for change, is_needed in changes.items() if is_needed]
        if axis in ("y", "x") and wrong:
            raise ValueError(
                f'a 2D network with axis = "{axis}" sees slices across {axis}, whose '
                f"own window, body and distance are not known. Set {', '.join(wrong)}"
            )
        return model

    @pydantic.field_validator("submit")
    @classmethod
    def _windows_have_a_size(
        cls, submit: schema.Submit, info: pydantic.ValidationInfo
    ) -> schema.Submit:
        geometry = info.data.get("geometry")
        if submit.windows and geometry and not geometry.crop:
            raise ValueError(
                "`windows` are as large as `geometry.crop`, and there is none. Set "
                "geometry.crop, or windows = false to predict whole slices"
            )
        return submit

    @pydantic.field_validator("training")
    @classmethod
    def _training_fits(
        cls, training: schema.Training, info: pydantic.ValidationInfo
    ) -> schema.Training:
        holds_out = info.data.get("folds") != layout.ALL
        if training.keep == "best" and not holds_out and not info.data.get("members"):
            raise ValueError(
                'the fold "all" holds nothing out, so that no epoch is known to be the '
                'best. Set keep = "swa" with a number of swa_epochs, or keep = "last"'
            )
        model = info.data.get("model")
        # A blend trains nothing itself: what it is given is for its members.
        is_blend = bool(info.data.get("members"))
        if model and model.encoder == "none" and not is_blend:
            if training.encoder_rate != 1:
                raise ValueError(
                    "`encoder_rate` is the encoder's share of the learning rate, and "
                    "there is no encoder. Name a `model.encoder`, or set encoder_rate "
                    "= 1.0"
                )
            if training.freeze_epochs:
                raise ValueError(
                    "in `freeze_epochs` the encoder does not learn, and there is no "
                    "encoder. Name a `model.encoder`, or set freeze_epochs = 0"
                )
        return training


def load(experiment: str, overrides: tuple[str, ...] = ()) -> Config:
    """Load an experiment by name or path, with its overrides, and check it."""
    values = read(experiment, overrides)
    # The table `search` is for the search of values, not for a run.
    values.pop("search", None)
    own = [each for each in overrides if not override.member(each)]
    source = " --set ".join([str(find(experiment)), *map(shlex.quote, own)])
    config = check(values, Config, source=source)
    named = list(dict.fromkeys(config.members + config.gate))
    for given in overrides:
        member = override.member(given)
        if member and member not in named:
            raise ValueError(
                f"The override {given!r} is for the run {member}, and {experiment} "
                f"has the members and gates: {', '.join(named) or 'none'}."
                f"{faults.nearest(member, named)}"
            )
    return config


def read(experiment: str, overrides: tuple[str, ...] = ()) -> dict[str, Any]:
    """Read the unchecked values of an experiment, without overrides for its members.

    base.toml comes first, then the experiment's TOML, then the overrides.
    """
    paths = EXPERIMENTS / "base.toml", find(experiment)
    own = [override.parse(each) for each in overrides if not override.member(each)]
    return functools.reduce(_merge, [*map(_read_toml, paths), *own])


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
            f"Unknown experiment {experiment!r}.{faults.nearest(experiment, names)} "
            f"Known: {', '.join(names)}. A path of a .toml file works too."
        )
    return EXPERIMENTS / f"{experiment}.toml"


def check(values: dict[str, Any], table: type[Kind], *, source: str) -> Kind:
    """Make a table of `values`; an error names `source` and every wrong key."""
    try:
        return table.model_validate(values)
    except pydantic.ValidationError as error:
        found = error.errors()
        lines = faults.explain(found, table)
        raise ValueError(f"{source}: " + "\n".join(lines)) from None


def without_newer_defaults(
    config: Config, exclude: set[str] | None = None
) -> dict[str, Any]:
    """Return the values of a config, without newer keys that have their defaults.

    So a run of an older version, which did not know these keys, gives the same values.
    """
    return config.model_dump(mode="json", exclude=exclude, exclude_defaults=True)


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the values of nested tables by their dotted keys."""
    named: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            named |= flat(value, f"{prefix}{key}.")
        else:
            named[f"{prefix}{key}"] = value
    return named


def changes(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """List the keys whose values differ in nested tables, as `key: one -> other`."""
    first, second = flat(one), flat(other)
    return [
        f"{key}: {first.get(key)} -> {second.get(key)}"
        for key in sorted(first.keys() | second.keys())
        if first.get(key) != second.get(key)
    ]


def _read_toml(path: pathlib.Path) -> dict[str, Any]:
    try:
        return tomllib.loads(files.read_text(path, remedy="Correct it."))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ValueError(f"{path}: not valid TOML: {error}. Correct it.") from None


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = below | above
    for key in below.keys() & above.keys():
        if isinstance(below[key], dict) and isinstance(above[key], dict):
            merged[key] = _merge(below[key], above[key])
    return merged
