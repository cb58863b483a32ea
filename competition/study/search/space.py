"""What a search may change in an experiment: the [search] table of its TOML."""

import dataclasses
import itertools
import json
import math
import random
from collections.abc import Mapping
from typing import Annotated, Any

import pydantic

from competition.core.experiment import configs, schema

Number = int | float
# Of what is no part of a fold's training the search would see nothing.
_NOT_TRAINED = {"decide", "submit", "folds", "members", "gate"}
# More combinations than this are checked by a sample of so many.
_CHECKED = 2000


class Parameter(schema.Table):
    """The values that one key may have: a range of numbers, or a list of choices."""

    low: Number | None = None
    high: Number | None = None
    step: Annotated[Number, pydantic.Field(gt=0)] | None = None
    log: bool = False
    choices: Annotated[tuple[Any, ...], schema.OPTIONAL] = ()

    @pydantic.model_validator(mode="after")
    def _one_of_both(self) -> "Parameter":
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
    def ends(self) -> tuple[Number, Number]:
        """The range, 0 to 0 where there are choices instead."""
        return self.low or 0, self.high or 0

    @property
    def values(self) -> dict[str, Any]:
        """All choices, or both ends of the range, by how they are written."""
        return {_label(each): each for each in self.choices or self.ends}


class SearchTable(schema.Table):
    """How to search, and where: `space` has a parameter for each key of the config.

    A trial is ended where its best score is below the median of the earlier trials'
    at the same epoch; the first `startup` trials and `warmup` epochs are spared.
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
    """An experiment, and what may change in it."""

    base: configs.Config
    search: SearchTable


def load(experiment: str, overrides: tuple[str, ...] = ()) -> SearchPlan:
    """Load an experiment with its search, every value of which is checked."""
    source = str(configs.find(experiment))
    base = configs.load(experiment, overrides)
    values = {"search": configs.read(experiment, overrides).get("search", {})}
    plan = SearchPlan(base, configs.check(values, _File, source=source).search)
    if not plan.search.space:
        raise ValueError(
            f"{source}: nothing to search. Add a table such as [search.space] with "
            '"training.learning_rate" = { low = 1e-4, high = 1e-2, log = true }.'
        )
    strange = set(plan.search.folds) - set(base.folds)
    if strange or base.members:
        raise ValueError(
            f"{source}: `search.folds` must be of the experiment's folds "
            f"{list(base.folds)}, and a blend has none of its own. "
            f"Received: {list(plan.search.folds)}."
        )
    for key, parameter in plan.search.space.items():
        _check_key(plan.base, key, parameter, source=source)
    _check_combinations(plan, source)
    return plan


def change(
    plan: SearchPlan, values: Mapping[str, Any], *, source: str
) -> configs.Config:
    """The experiment with other values, by key; an error names `source`."""
    changed = plan.base.model_dump()
    for key, value in values.items():
        *names, last = key.split(".")
        table = changed
        for name in names:
            table = table[name]
        table[last] = value
    return configs.restore(changed, source)


def show(values: Mapping[str, Any]) -> str:
    """The values of a trial in a line."""
    return ", ".join(f"{key} = {_write(value)}" for key, value in values.items())


def as_toml(wanted: configs.Config) -> str:
    """The lines of an experiment that is exactly this config, on top of base."""
    base = configs.flat(configs.load("base").model_dump(mode="json"))
    written: dict[str, list[str]] = {"": []}
    for key, value in configs.flat(wanted.model_dump(mode="json")).items():
        if base[key] != value:
            table, _, name = key.rpartition(".")
            # JSON's strings, numbers and lists are TOML's.
            line = f"{name} = {json.dumps(value, ensure_ascii=False)}"
            written.setdefault(table, []).append(line)
    return "\n\n".join(
        "\n".join([f"[{table}]", *lines] if table else lines)
        for table, lines in written.items()
        if lines
    )


def is_whole(plan: SearchPlan, key: str) -> bool:
    """Whether the key's value is a whole number."""
    value = configs.flat(plan.base.model_dump())[key]
    return isinstance(value, int) and not isinstance(value, bool)


def _check_key(
    base: configs.Config, key: str, parameter: Parameter, *, source: str
) -> None:
    known = configs.flat(base.model_dump())
    names = [name for name in known if name.split(".")[0] not in _NOT_TRAINED]
    if key not in names:
        why = "is no part of a fold's training" if key in known else "is no key"
        raise ValueError(
            f"{source}: `search.space`: `{key}` {why}.{configs.nearest(key, names)} "
            f"Keys: {', '.join(names)}."
        )
    if parameter.choices:
        return
    value = known[key]
    kind = type(value)
    if kind not in (int, float):
        raise ValueError(
            f"{source}: `search.space`: `{key}` is no number, as {value!r} is none. "
            "Give its values by `choices`."
        )
    ends = parameter.low, parameter.high, parameter.step
    if kind is int and any(isinstance(end, float) for end in ends):
        raise ValueError(
            f"{source}: `search.space`: `{key}` is a whole number. Received: low, high "
            f"and step {list(ends)}. Write them without a point."
        )


def _check_combinations(plan: SearchPlan, source: str) -> None:
    """Every choice with every other, and the ends of the ranges; a sample of many."""
    space = plan.search.space
    lists = [list(parameter.values.values()) for parameter in space.values()]
    tried: Any = itertools.product(*lists)
    if math.prod(map(len, lists)) > _CHECKED:
        draw = random.Random(0)
        tried = ([draw.choice(each) for each in lists] for _ in range(_CHECKED))
    for values in tried:
        named = dict(zip(space, values, strict=True))
        change(plan, named, source=f"{source}: `search.space`, {show(named)}")


def _write(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else _label(value)


def _label(value: Any) -> str:
    # TOML's dates are no JSON; that no key takes one is said later.
    return value if isinstance(value, str) else json.dumps(value, default=str)
