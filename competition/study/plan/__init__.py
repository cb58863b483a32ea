"""Estimate what an experiment needs before it begins: steps, memory, disk and time."""

import dataclasses
import gc
import pathlib
from collections.abc import Iterator
from typing import Any

from competition.core import console
from competition.core.experiment import blends, configs, layout, runs
from competition.machine import backend, deadline
from competition.study import amounts
from competition.study.plan import estimates, limits


def run(
    experiment: str,
    *,
    overrides: tuple[str, ...] = (),
    data: pathlib.Path | None = None,
    budget: str | None = None,
    folds: int | None = None,
) -> dict[str, Any]:
    """Time steps of each run of an experiment, and say what does not fit.

    Without `data` the amounts are those of the competition. `folds` is how many the
    data was prepared with; None means the default of `prepare`. Members and gates that
    are not experiments are left out: they were trained before.
    """
    backend.check()
    if budget:
        deadline.parse(budget)
    configured = trained(experiment, overrides)
    if not configured:
        raise ValueError(
            f"{experiment}: expected an experiment that trains something, received a "
            "blend of runs that are trained already. There is nothing to plan; `run` "
            "blends them."
        )
    amount = amounts.of(data) if data else amounts.REAL
    amount = dataclasses.replace(amount, folds=folds or amount.folds)
    from competition.net import timing

    device, planned = "", []
    for name, config in configured.items():
        console.note(f"{name}: building the network, then {timing.TIMED} steps")
        slices = amounts.training_slices(config, amount)
        measured = timing.measure(
            config, amount.classes, slices=slices, depth=amount.depth
        )
        device = measured.device
        planned.append(estimates.run(name, config, amount, measured))
        # The next network needs the memory of this one.
        gc.collect()
    plan = estimates.whole(device, planned, amount)
    own = configs.load(experiment, overrides)
    problems = limits.problems(plan, budget, named={*own.members, *own.gate})
    return {**dataclasses.asdict(plan), "problems": problems}


def preview(
    experiment: str, overrides: tuple[str, ...], prepared: runs.Manifest
) -> Iterator[str]:
    """Yield a line for each run that `run` trains, without building a network.

    The share of slices with an organ is assumed to be that of the competition.
    """
    real, slices = amounts.REAL, prepared["slices"]
    # The sizes of a scan's file, with two bytes a pixel, and of its masks' file.
    sizes = prepared.get("sizes", [])
    amount = dataclasses.replace(
        real,
        slices=slices,
        positives=round(slices * real.positives / real.slices),
        scans=len(sizes) or real.scans,
        pixels=sum(scan for scan, _ in sizes) // 2 or real.pixels,
        folds=prepared["folds"],
    )
    for name, config in trained(experiment, overrides).items():
        yield (
            f"{name}: {amounts.folds(config, amount)} folds of "
            f"{config.training.epochs} epochs, each of about "
            f"{amounts.steps(config, amount):,} batches of {config.training.batch}"
        )


def trained(
    experiment: str, overrides: tuple[str, ...] = ()
) -> dict[str, configs.Config]:
    """Load the experiments that `run` trains: itself or its members, and its gates."""
    own = configs.load(experiment, overrides)
    loaded = blends.load(experiment, overrides)
    if not own.members:
        loaded[layout.run_name(experiment)] = own
    names = own.members or (layout.run_name(experiment),)
    return {name: loaded[name] for name in (*names, *own.gate) if name in loaded}
