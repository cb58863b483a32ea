"""The work on all scans: load the networks, then read, predict, decide and encode.

It runs in the process that submits, or in one that `guard` watches.
"""

import contextlib
import dataclasses
import pathlib
from collections.abc import Collection

from competition.core import blending, problems, rules
from competition.core.data import images
from competition.core.experiment import runs
from competition.machine import deadline
from competition.submit import members, partial, prefetch, reports, stages, time_budget


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """How to predict after a process died.

    `without` names the networks to leave out. With `careful` each network is tried
    alone first, and one stage works at a time, so that the next death has one cause.
    With `one_network` the strongest member predicts with a single fold.
    """

    without: Collection[str] = ()
    careful: bool = False
    one_network: bool = False


def predict(
    run: runs.Run,
    data: pathlib.Path,
    scans: dict[str, list[images.Image]],
    *,
    limit: deadline.Deadline | None,
    tell: reports.Reports,
    plan: Plan = Plan(),
) -> None:
    """Predict scan after scan; the stages overlap.

    Where no network loads it is a ValueError.
    """
    class_rules, _ = usable_rules(run)
    loaded = members.LoadedMembers(run, class_rules, tell, without=plan.without)
    models = loaded.all_models
    while plan.one_network and (smaller := models.smaller()):
        models = smaller
    budget = time_budget.TimeBudget(
        models,
        limit,
        slices=sum(map(len, scans.values())),
        warn=lambda text: tell.warn("effort lowered", text),
    )
    ahead = iter if plan.careful else prefetch.prefetch
    read = ahead(stages.read(data, scans.values(), tell))
    predicted = ahead(stages.predict(read, loaded, budget, tell, try_each=plan.careful))
    with contextlib.closing(predicted):
        for scan, prediction in predicted:
            encoded: partial.EncodedMasks | None = None
            if scan.volume is None:
                # A scan of which nothing can be read is finished, with empty masks.
                encoded = {}
            elif prediction is not None:
                with tell.scan(scan.name, f"{scan.name} stays empty"):
                    bits = blending.decide(*prediction)
                    encoded = stages.encode(bits, scan, loaded.classes)
            if encoded is not None:
                tell.finish(scan.name, encoded)


def usable_rules(run: runs.Run) -> tuple[list[rules.Rule], list[problems.Problem]]:
    """Return the rules of the classes, and the problem of a damaged decision.json.

    Plain thresholds cost a little of the score; without any rule there is no file.
    """
    try:
        members = run.config.members
        return rules.read(run.files.decision, run.classes, members), []
    except ValueError as error:
        if not run.files.decision.exists():
            raise
        text = f"{error} Every class is decided at 0.5."
        fault = problems.Problem("decision unusable", text)
        return [rules.Rule()] * len(run.classes), [fault]
