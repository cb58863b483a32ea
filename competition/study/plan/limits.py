"""Check a plan against the budget, the device and Kaggle's limits."""

from collections.abc import Collection, Iterator

from competition.machine import deadline, kaggle_limits, memory
from competition.study.plan import estimates

# The share of a budget for training and predicting; the rest is for the other steps.
SHARE = 0.9


def problems(
    plan: estimates.Plan, budget: str | None, *, named: Collection[str] = ()
) -> list[str]:
    """Return a sentence for each thing that does not fit, with what to change.

    `named` are the experiment's members and gates: an override may be for one of them.
    """
    found: list[str] = []
    for run in plan.runs:
        found += _of_run(run, f"{run.name}:" if run.name in named else "")
    return [*found, *_of_time(plan, budget), *_of_disk(plan)]


def _of_run(run: estimates.RunPlan, prefix: str) -> Iterator[str]:
    """Yield what of a run does not fit; its own overrides begin with `prefix`."""
    batch = run.batch
    smaller = f"{prefix}training.batch={{}} with {prefix}training.accumulate={{}}"
    if run.step is None:
        half = max(1, batch // 2)
        yield (
            f"{run.name}: this device has no memory for a batch of {batch}. Set "
            f"{smaller.format(half, run.accumulate * 2)}, model.remat=true, or a "
            "smaller geometry or encoder."
        )
    if run.on_t4 > kaggle_limits.T4:
        remedy = "Set a smaller geometry, encoder or `widths`."
        if run.fitting:
            times = -(-batch // run.fitting) * run.accumulate
            remedy = (
                f"Set {smaller.format(run.fitting, times)}, or a precision of 16 bits."
            )
        yield (
            f"{run.name}: about {memory.show(run.on_t4)} of memory, more than the "
            f"{memory.show(kaggle_limits.T4)} of Kaggle's T4. {remedy}"
        )
    if run.host > kaggle_limits.HOST:
        yield (
            f"{run.name}: about {memory.show(run.host)} of the host's memory, scans "
            f"included, more than the {memory.show(kaggle_limits.HOST)} of Kaggle. "
            "Set input.place=host, which leaves scans on the disk, or "
            "training.gpus=one to train one fold at a time."
        )


def _of_time(plan: estimates.Plan, budget: str | None) -> Iterator[str]:
    if plan.seconds is None or plan.submission is None:
        return
    given = deadline.parse(budget) if budget else None
    if given and plan.seconds > given:
        share = SHARE * given / plan.seconds
        most = max((run.folds for run in plan.runs), default=1)
        fewer = int(share * most)
        remedies = [
            f"folds={list(range(fewer))}" if fewer else "",
            f"training.epochs cut to {share:.0%}" if share > 0.1 else "",
            "smaller networks" if share <= 0.1 else "",
        ]
        yield (
            f"training and predicting take {deadline.show(plan.seconds)} here, more "
            f"than the budget of {budget}. `run` goes on with every further call; in "
            f"one call it fits with {' or '.join(filter(None, remedies))}."
        )
    session = deadline.parse(kaggle_limits.SESSION["submit"])
    if plan.submission > session:
        yield (
            f"the submission takes {deadline.show(plan.submission)} here, and Kaggle "
            f"gives {session / 3600:g} h. Use fewer folds or members, or submit.tta=[] "
            "and submit.scales=[1.0]; with a budget `submit` leaves them out itself."
        )


def _of_disk(plan: estimates.Plan) -> Iterator[str]:
    if plan.outputs > kaggle_limits.DISK:
        yield (
            f"the outputs take up to {memory.show(plan.outputs)}, and "
            f"/kaggle/working has {memory.show(kaggle_limits.DISK)}. Train the "
            "members or folds in kernels of their own (`--fold 0`), or set "
            "training.ema=0."
        )
