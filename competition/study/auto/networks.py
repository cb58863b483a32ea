"""Choose the networks of a planned experiment by data, device and time."""

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable

from competition.core import console
from competition.core.experiment import configs, layout
from competition.study import amounts
from competition.study.auto import choices, findings, pace, stacks, volumes, writing

# If folds would have fewer steps, some folds are left out.
LEAST = 300
# Volumes gain little from more steps than these: at 2,200 steps on volumes of
# 35 x 51 x 35 voxels Dice was 0.888, at 5,500 0.889, and averaged with stacks 0.8905.
PLENTY = 2_500
# From so many steps each, stacks along two axes are better than volumes: at 5,700 steps
# across z and 8,400 across y Dice on the same volumes was 0.885 and 0.888, and averaged
# 0.890, in the same time. Smaller networks than these were not compared.
TWO_AXES = 4_000


OfData = Callable[[findings.Findings, choices.Effort], list[choices.Choice]]


@dataclasses.dataclass(frozen=True, slots=True)
class Family:
    """Networks of one kind, the one that takes most of a device first.

    From `enough` steps on, a larger network is worth more than more steps of a smaller
    one. In a blend with another family, its run is called `member`.
    """

    name: str
    member: str
    of_data: OfData
    efforts: tuple[choices.Effort, ...]
    enough: int


def _family(
    name: str,
    member: str,
    of_data: OfData,
    enough: int,
    *efforts: tuple[int, float],
) -> Family:
    ordered = sorted(
        itertools.starmap(choices.Effort, efforts), key=lambda effort: -effort.cost
    )
    return Family(name, member, of_data, tuple(ordered), enough)


STACKS = _family(
    "stacks of slices", "auto_2d", stacks.of_data, 3_000,
    (32, 1.0), (16, 1.0), (32, 0.5), (16, 0.7), (16, 0.5), (16, 0.35), (8, 0.35),
)  # fmt: skip
ACROSS_Y = dataclasses.replace(
    STACKS,
    name="stacks of slices across y",
    member="auto_2d_y",
    of_data=stacks.of_data_across_y,
)
# A step sees whole volumes: at 35 x 51 x 35 voxels, 1,000 steps take 10 minutes of a
# core and score as stacks do after 18 minutes.
VOLUMES = _family(
    "volumes", "auto_3d", volumes.of_data, 1_000, (32, 1.0), (16, 1.0), (8, 1.0)
)
FAMILIES = VOLUMES, STACKS, ACROSS_Y


@dataclasses.dataclass(frozen=True, slots=True)
class Network:
    """What was chosen for a network, and how long its training takes."""

    family: Family
    chosen: list[choices.Choice]
    config: configs.Config
    speed: pace.Pace


def choose(
    dataset: layout.DatasetFiles, found: findings.Findings, given: pace.Budget
) -> list[Network]:
    """Choose the networks that fit the data, this device and the time: one, or two.

    Two share the time, and are averaged.
    """
    chosen = _choose(dataset, found, given)
    for network in chosen:
        if math.isinf(network.speed.step):
            raise ValueError(
                f"{dataset.root}: no network fits into the memory of this device, in "
                f"batches of {network.config.training.batch}. Expected memory for one "
                f"of {network.config.model.widths[0]} channels. Free some, or use "
                "another device."
            )
    return chosen


def _choose(
    dataset: layout.DatasetFiles, found: findings.Findings, given: pace.Budget
) -> list[Network]:
    clock = given.limit.clock
    load = pace.loading(clock)
    measure_scan = pace.measured(dataset, found.amount.classes, clock)
    # Cached: a network that is chosen again need not be timed again.
    time_it = functools.cache(
        functools.partial(
            pace.of, found=found, load=load, measure_scan=measure_scan, clock=clock
        )
    )
    if not volumes.fit(found):
        return [_largest(STACKS, found, given, time_it)]
    of_volumes = _largest(VOLUMES, found, given, time_it)
    if given.steps(1, of_volumes.speed) < LEAST:
        console.note("auto: volumes take too long here; trying stacks of slices")
        return [_largest(STACKS, found, given, time_it)]
    half = dataclasses.replace(given, networks=2)
    if stacks.fit_across_y(found) and (both := _two_axes(found, half, time_it)):
        return both
    if half.steps(found.amount.folds, of_volumes.speed) < PLENTY:
        return [of_volumes]
    return [_largest(STACKS, found, half, time_it), of_volumes]


def _two_axes(
    found: findings.Findings,
    given: pace.Budget,
    time_it: Callable[[configs.Config], pace.Pace],
) -> list[Network]:
    """Return the largest networks across z and y, if there is time for both."""
    both = []
    for family in STACKS, ACROSS_Y:
        alone = dataclasses.replace(family, efforts=family.efforts[:1])
        both.append(_largest(alone, found, given, time_it))
        if given.steps(found.amount.folds, both[-1].speed) < TWO_AXES:
            return []
    return both


def _largest(
    family: Family,
    found: findings.Findings,
    given: pace.Budget,
    time_it: Callable[[configs.Config], pace.Pace],
) -> Network:
    """Time networks, the largest first, until one has time for a long training.

    If none has, take the smallest.
    """
    from competition.net import devices

    efforts = list(family.efforts)
    precision = choices.precision(devices.find())
    while True:
        effort = efforts.pop(0)
        chosen = family.of_data(found, effort) + precision
        config = configs.load("base", tuple(map(writing.override, chosen)))
        about = f"{family.name}, {effort.channels} channels at first"
        console.note(f"auto: timing a network of {about}")
        now = time_it(config)
        steps = given.steps(found.amount.folds, now)
        in_epoch = amounts.steps(config, found.amount)
        enough = min(family.enough, choices.most_steps(found, in_epoch))
        if steps >= enough or not efforts:
            return Network(family, chosen, config, now)
        # If a network did not fit the memory, the next smaller one may.
        if not math.isinf(now.step):
            # Skip networks that are not fast enough by their cost either.
            most = effort.cost * steps / enough
            efforts = [other for other in efforts if other.cost <= most] or efforts[-1:]
