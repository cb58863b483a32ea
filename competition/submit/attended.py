"""Predict scans for a user who sees the warnings, and can mend faults and call again.

In a run that nobody watches, weights that cannot be loaded are left out, and a failed
scan gets empty masks. Here, weights that cannot be loaded are an error, and a failed
scan gets no masks.
"""

import contextlib
import pathlib
from collections.abc import Generator, Iterable

from competition.core import console, files, problems, rules
from competition.core.data import images
from competition.core.experiment import runs
from competition.submit import (
    members,
    partial,
    prediction,
    prefetch,
    reports,
    stages,
    time_budget,
)


def made_by(run: runs.Run) -> str:
    """Return a digest of what decides the masks of `run`: weights, configs, rules."""
    made_by = prediction.made_by(run, prediction.run_folds(run), _rules(run))
    return files.digest(repr(made_by))


def predict(
    run: runs.Run, scans: Iterable[tuple[pathlib.Path, list[images.Image]]]
) -> Generator[tuple[str, partial.EncodedMasks | None]]:
    """Yield the masks of one scan after another, predicted by all folds of the run.

    A scan is a competition folder and its slices there; it is read while those before
    it are predicted. An error is shown as a warning, and the scan's masks are None.
    """
    tell = reports.Reports(lambda kind, text, trace="": console.warn(text))
    loaded = members.LoadedMembers(run, _rules(run), tell)
    _check_loaded(run, loaded)
    networks = loaded.all_networks
    budget = time_budget.TimeBudget(networks, None, slices=0, warn=console.warn)
    read = prefetch.prefetch(stages.read(scans, tell))
    predicted = prefetch.prefetch(stages.predict(read, loaded, budget, tell))
    with contextlib.closing(read), contextlib.closing(predicted):
        for scan, predictions in predicted:
            masks = None
            if predictions is not None:
                masks = stages.decide(scan, predictions, loaded.classes, tell)
            yield scan.name, masks


def _rules(run: runs.Run) -> list[rules.Rule]:
    class_rules, faults = prediction.usable_rules(run)
    problems.raise_if_any(faults)
    return class_rules


def _check_loaded(run: runs.Run, loaded: members.LoadedMembers) -> None:
    """Raise an error if existing weights did not load: without them, masks differ."""
    folds = loaded.all_networks.folds
    for source, fold in prediction.run_folds(run):
        if fold not in folds.get(source.name, ()):
            raise ValueError(
                f"{source.files.weights(fold)}: these weights cannot be loaded; the "
                "warning above says why. Train the fold again or copy the run again."
            )
