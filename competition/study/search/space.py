"""The values that a search may try: the [search] table of an experiment's TOML."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Annotated, Any

import pydantic
from sklearn import model_selection

from competition.core.experiment import configs, faults, schema

Number = int | float
# These keys do not change the training of a fold, and a trial is only that.
_NOT_TRAINED = {"decide", "submit", "folds", "members", "gate"}
# If there are more combinations than this, a random sample of them is checked.
_CHECKED = 2000


class Parameter(schema.Table):
    """The values that one key may have: a range of numbers, or a list of choices."""

    low: Number | None = None
    high: Number | None = None
    step: Annotated[Number, pydantic.Field(gt=0)] | None = None
    log: bool = False
    choices: Annotated[tuple[Any, ...], schema.OPTIONAL] = ()

    @pydantic.model_validator(mode="after")
    def _check(self) -> "Parameter":
        ends = [end for end in (self.low, self.high) if end is not None]
        if self.choices and not (ends or self.step or self.log):
            return self
        if self.choices or len(ends) < 2:
            raise ValueError(
                "give either `choices`, or `low` and `high` with or without `step` or "
                "`log`"
            )
        low, high = ends
        if not low < high or (self.log and low <= 0) or (self.log and self.step):
            raise ValueError(
                "`low` must be below `high`, above 0 with `log`, and `log` goes "
                "without `step`"
            )
        return self

    @property
    def ends(self) -> tuple[Any, Any]:
        """Return both ends of the range; choices have none."""
        return self.low, self.high

    @property
    def values(self) -> dict[str, Any]:
        """Return all choices, or both ends of the range, by their labels."""
        return {_label(value): value for value in self.choices or self.ends}


class SearchTable(schema.Table):
    """The settings of a search: `space` has a parameter for each key to change.

    A trial is pruned if its best score is below the median of the earlier trials at the
    same epoch, but not in the first `startup` trials or the first `warmup` epochs.
    """

    trials: schema.Count
    folds: schema.Folds
    startup: schema.Count
    warmup: schema.Index
    space: dict[str, Parameter]


class _File(schema.Table):
    search: SearchTable


@dataclasses.dataclass(frozen=True, slots=True)
class SearchPlan:
    """An experiment, and the keys that may change in it."""

    base: configs.Config
    search: SearchTable


def load(experiment: str, overrides: tuple[str, ...] = ()) -> SearchPlan:
    """Load an experiment with its search, and check the values that it may try.

    Every combination of choices and ends of ranges is checked, or a sample of many.
    """
    source = str(configs.find(experiment))
    base = configs.load(experiment, overrides)
    values = {"search": configs.read(experiment, overrides).get("search", {})}
    if base.members:
        raise ValueError(
            f"{source}: a blend trains no folds of its own. Search one of its members, "
            f"{', '.join(base.members)}, by name or by the path of its TOML."
        )
    plan = SearchPlan(base, configs.check(values, _File, source=source).search)
    if not plan.search.space:
        raise ValueError(
            f"{source}: nothing to search. Add a table such as [search.space] with "
            '"training.learning_rate" = { low = 1e-4, high = 1e-2, log = true }.'
        )
    if set(plan.search.folds) - set(base.folds):
        raise ValueError(
            f"{source}: `search.folds` must be of the experiment's folds "
            f"{list(base.folds)}. Received: {list(plan.search.folds)}."
        )
    for key, parameter in plan.search.space.items():
        _check_key(plan.base, key, parameter, source=source)
    lists = {key: list(each.values.values()) for key, each in plan.search.space.items()}
    count = min(_CHECKED, len(model_selection.ParameterGrid(lists)))
    for drawn in model_selection.ParameterSampler(lists, count, random_state=0):
        values = {key: drawn[key] for key in lists}
        change(plan, values, source=f"{source}: `search.space`, {show(values)}")
    return plan


def change(
    plan: SearchPlan, values: Mapping[str, Any], *, source: str
) -> configs.Config:
    """Return the experiment with other values, by key; an error names `source`."""
    changed = plan.base.model_dump()
    for key, value in values.items():
        *names, last = key.split(".")
        table = changed
        for name in names:
            table = table[name]
        table[last] = value
    return configs.check(changed, configs.Config, source=source)


def show(values: Mapping[str, Any]) -> str:
    """Describe the values of a trial in a line."""
    return ", ".join(
        f"{key} = {f'{value:.4g}' if isinstance(value, float) else _label(value)}"
        for key, value in values.items()
    )


def as_toml(config: configs.Config) -> str:
    """Return this config as the TOML of an experiment, without the values of base."""
    base = configs.flat(configs.load("base").model_dump(mode="json"))
    lines, latest = [], ""
    for key, value in configs.flat(config.model_dump(mode="json")).items():
        if base[key] != value:
            table, _, name = key.rpartition(".")
            if table != latest:
                lines.append(f"\n[{table}]")
            latest = table
            # Strings, numbers and lists are written alike in JSON and TOML.
            lines.append(f"{name} = {json.dumps(value, ensure_ascii=False)}")
    return "\n".join(lines).strip()


def restore(plan: SearchPlan, drawn: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a trial as values of the config, not labels of choices.

    A trial that was killed early lacks some keys.
    """
    return {
        key: parameter.values[drawn[key]] if parameter.choices else drawn[key]
        for key, parameter in plan.search.space.items()
        if key in drawn
    }


def _check_key(
    base: configs.Config, key: str, parameter: Parameter, *, source: str
) -> None:
    known = configs.flat(base.model_dump())
    names = [name for name in known if name.split(".")[0] not in _NOT_TRAINED]
    if key not in names:
        reason = "is no part of a fold's training" if key in known else "is no key"
        raise ValueError(
            f"{source}: `search.space`: `{key}` {reason}.{faults.nearest(key, names)} "
            f"Keys: {', '.join(names)}."
        )
    if parameter.choices:
        return
    kind = type(known[key])
    if kind not in (int, float):
        raise ValueError(
            f"{source}: `search.space`: `{key}` is no number but {known[key]!r}. "
            "Give its values by `choices`."
        )
    ends = parameter.low, parameter.high, parameter.step
    if kind is int and any(isinstance(end, float) for end in ends):
        raise ValueError(
            f"{source}: `search.space`: `{key}` is a whole number. Received: low, high "
            f"and step {list(ends)}. Write them without a point."
        )


def _label(value: Any) -> str:
    # `default` is for TOML's dates, which JSON lacks; a later check refuses them.
    return value if isinstance(value, str) else json.dumps(value, default=str)
