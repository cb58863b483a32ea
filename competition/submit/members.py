"""The loaded networks of all runs that a submission uses."""

import dataclasses
import errno
import itertools
import pathlib
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from competition.core import blending, geometry, probabilities, rules
from competition.core.data import intensities
from competition.core.experiment import layout, runs
from competition.submit import reports, time_budget

ScanPrediction = tuple[blending.MemberPredictions, list[rules.Rule]]


class NoNetworkError(ValueError):
    """No network of any member can be loaded, so that nothing can be predicted."""


class LoadedMembers:
    """The networks of a run's members and gates; those that do not load are left out.

    `all_networks` are those that loaded. If no member has any, NoNetworkError is
    raised. `cuts_to_body` says whether some see only the box around the body.
    """

    def __init__(
        self,
        run: runs.Run,
        class_rules: Sequence[rules.Rule],
        tell: reports.Reports,
        *,
        without: Collection[str] = (),
    ) -> None:
        from competition.net.inference import scan_predictor, views

        self.classes, self.exclusive = run.classes, run.config.model.softmax
        self.class_rules = class_rules
        self.members = [member.name for member in runs.members(run)]
        self.tell = tell
        self.sources = {source.name: source for source in runs.members_and_gates(run)}
        self._networks = _load(run, tell, without)
        members = by_weight(self.members, class_rules)
        members = tuple(name for name in members if name in self._networks)
        if not members:
            raise NoNetworkError(
                f"{run.files.root}: no weights of any fold can be loaded; the warnings "
                "say why. Train again or copy the run again."
            )
        gates = [gate.name for gate in runs.gates(run)]
        self.all_networks = time_budget.NetworkSubset(
            members=members,
            gates=tuple(name for name in gates if name in self._networks),
            folds={name: tuple(folds) for name, folds in self._networks.items()},
            views={
                name: len(views.combinations(source.config))
                for name, source in self.sources.items()
            },
        )
        # One predictor for all: predicting with fewer networks compiles nothing anew.
        self._predictor = scan_predictor.ScanPredictor(
            [
                scan_predictor.Member(name, self.sources[name].config, by_fold)
                for name, by_fold in self._networks.items()
            ],
            warn=tell.warn,
            alive=tell.alive,
        )
        self.not_finite: list[str] = []
        boxes = {source.config.geometry.box for source in self.sources.values()}
        self.cuts_to_body = "body" in boxes

    def predict(
        self,
        volume: np.ndarray,
        grid: geometry.Grid,
        networks: time_budget.NetworkSubset,
    ) -> ScanPrediction:
        """Return the predictions of `networks` for a scan (D, H, W), and their rules.

        Runs whose probabilities are not finite are left out, and `not_finite` has
        their names. If no member is left, an error is raised.
        """
        predictions = self._predict(volume, grid, networks)
        self.not_finite = [name for name in networks.runs if name not in predictions]
        chosen = predictions.keys() & networks.members
        members = [name for name in self.members if name in chosen]
        if not members:
            raise ValueError(
                f"the probabilities of {', '.join(self.not_finite)} hold NaN or "
                "infinity. Train with another `training.precision`"
            )
        gates = [name for name in networks.gates if name in predictions]
        combined = blending.MemberPredictions(
            [predictions[name] for name in members],
            blending.mean_of_gates((predictions[name] for name in gates), len(gates)),
            self.exclusive,
        )
        return combined, rules_for(self.class_rules, self.members, members)

    def measure(
        self, shape: geometry.Shape, networks: time_budget.NetworkSubset
    ) -> float:
        """Compile for slices of a shape (H, W), and return the seconds per slice."""
        empty = np.zeros((self._predictor.typical_slices(), *shape), np.uint16)
        grid = geometry.Grid(shape)
        self._predict(empty, grid, networks)
        began = time.monotonic()
        self._predict(empty, grid, networks)
        return (time.monotonic() - began) / len(empty)

    def try_each(self, shape: geometry.Shape) -> None:
        """Predict slices of a shape (H, W) with each network alone."""
        for name, folds in self.all_networks.folds.items():
            for fold in folds:
                alone = dataclasses.replace(
                    self.all_networks,
                    members=(name,),
                    gates=(),
                    folds={name: (fold,)},
                    tta=False,
                )
                network = network_name(name, fold)
                with self.tell.network(network):
                    try:
                        self.measure(shape, alone)
                    except Exception as error:
                        self.tell.failed("unexpected", f"{network}: {error!r}", error)

    def _predict(
        self,
        volume: np.ndarray,
        grid: geometry.Grid,
        networks: time_budget.NetworkSubset,
    ) -> dict[str, probabilities.Prediction]:
        return self._predictor.predict(
            volume,
            _windows(volume),
            grid,
            folds={name: networks.folds[name] for name in networks.runs},
            tta=networks.tta,
        )


def by_weight(
    members: Sequence[str], class_rules: Sequence[rules.Rule]
) -> tuple[str, ...]:
    """Return the members by their weight over all classes, the heaviest first."""
    shares = [rules.shares(rule.weights, len(members)) for rule in class_rules]
    totals = dict(zip(members, map(sum, zip(*shares, strict=True)), strict=True))
    return tuple(sorted(members, key=lambda name: -totals[name]))


def rules_for(
    class_rules: Sequence[rules.Rule], members: Sequence[str], subset: Sequence[str]
) -> list[rules.Rule]:
    """Return the rules for a subset of `members` that predicts alone, in their order.

    If the whole subset has the weight 0 for a class, its members weigh the same there.
    """
    chosen = [name in subset for name in members]
    by_class = [tuple(itertools.compress(r.weights, chosen)) for r in class_rules]
    return [
        dataclasses.replace(rule, weights=weights if any(weights) else ())
        for rule, weights in zip(class_rules, by_class, strict=True)
    ]


def network_name(run: str, fold: layout.Fold) -> str:
    """Return the name of a network in reports."""
    return f"{run}, fold {fold}"


def _load(
    run: runs.Run, tell: reports.Reports, without: Collection[str]
) -> dict[str, dict[layout.Fold, Any]]:
    """Load the networks of all folds, by run and fold; a run without any is absent."""
    from competition.net.inference import trained_network

    # Any is a network: Keras is imported in `net` alone.
    loaded: dict[str, dict[layout.Fold, Any]] = {}
    for source in runs.members_and_gates(run):
        for fold in source.config.folds:
            name = network_name(source.name, fold)
            if name in without:
                continue
            if not _is_there(source.files.weights(fold)):
                tell.warn("not trained", f"{name}: there are no weights.")
                continue
            try:
                with tell.network(name):
                    network = trained_network.load(source, fold)
            # The text of this error says what is wrong with the weights.
            except ValueError as error:
                kind = "network failed" if _may_pass(error) else "network left out"
                tell.warn(kind, f"{name}: {error}")
            # A fold that does not load must not stop the submission, whatever is wrong.
            except Exception as error:
                tell.failed("network failed", f"{name}: {error}", error)
            else:
                loaded.setdefault(source.name, {})[fold] = network
    return loaded


def _is_there(path: pathlib.Path) -> bool:
    """Return whether something has this name; loading says what is wrong with it."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _may_pass(error: BaseException | None) -> bool:
    """Return whether an error may pass: it comes from memory or from reading.

    Here more errors may pass than for `files.is_passing`: predicting once more costs
    time alone, and a network that is left out costs the score.
    """
    from competition.net import devices

    while error:
        if isinstance(error, OSError) and error.errno not in (None, errno.ENOENT):
            return True
        if isinstance(error, (MemoryError, devices.NoMemoryError)):
            return True
        error = error.__cause__
    return False


def _windows(volume: np.ndarray) -> Mapping[str, np.ndarray]:
    """Return the (low, high) of each slice (D, 2), computed as `prepare` does."""
    by_slice, whole = intensities.ranges(volume)
    return {
        "slice": np.array(by_slice, np.float32),
        "scan": np.array([whole] * len(volume), np.float32),
    }
