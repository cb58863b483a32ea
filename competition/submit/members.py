"""All networks that a submission is made with, and as many of them as time allows."""

import time
from collections.abc import Mapping, Sequence

import keras
import numpy as np

from competition.core import blending, rules
from competition.core.data import intensities
from competition.core.experiment import runs
from competition.net.inference import scan_predictor, trained_network, views
from competition.submit import effort, event_log

Loaded = dict[str, dict[int, keras.Model]]


class LoadedMembers:
    """The networks of a run's members and gates; those that do not load are left out.

    Where no member has any, it is an error.
    """

    def __init__(
        self, run: runs.Run, decided: Sequence[rules.Rule], said: event_log.EventLog
    ) -> None:
        self.decided = list(decided)
        self.members = [each.name for each in runs.members(run)]
        self.journal = said
        self.sources = {each.name: each for each in runs.sources(run)}
        self._loaded = _load(run, said)
        gates = [each.name for each in runs.gates(run)]
        members = [name for name in self.members if self._loaded.get(name)]
        if not members:
            raise ValueError(
                f"{run.files.root}: no weights of any fold can be loaded; the warnings "
                "say why. Train again or copy the run anew."
            )
        strongest = effort.by_strength(self.members, decided)
        self.full = effort.Effort(
            members=tuple(name for name in strongest if name in members),
            gates=tuple(name for name in gates if self._loaded.get(name)),
            folds={name: tuple(each) for name, each in self._loaded.items()},
            views={
                name: len(views.combinations(each.config.submit))
                for name, each in self.sources.items()
            },
        )
        self._effort: effort.Effort | None = None

    def look(
        self, volume: np.ndarray, wanted: effort.Effort
    ) -> tuple[blending.MemberPredictions, list[rules.Rule]]:
        """What the networks say about a scan (D, H, W), and the rules that go with it.

        As many networks as the `wanted` effort are asked.
        """
        self._use(wanted)
        seen = self._predictor.predict(volume, _windows(volume))
        kept = [name for name in self.members if name in wanted.members]
        return (
            blending.combine(
                tuple(seen[name] for name in kept),
                tuple(seen[name] for name in wanted.gates),
            ),
            effort.rules_of(self.decided, self.members, kept),
        )

    def measure(self, shape: tuple[int, ...], wanted: effort.Effort) -> float:
        """Compile on an empty batch, and return the seconds that a slice then takes."""
        self._use(wanted)
        empty = np.zeros((self._predictor.typical_slices(), *shape), np.uint16)
        self._predictor.predict(empty, _windows(empty))
        began = time.monotonic()
        self._predictor.predict(empty, _windows(empty))
        return (time.monotonic() - began) / len(empty)

    def _use(self, wanted: effort.Effort) -> None:
        if wanted == self._effort:
            return
        members = [
            scan_predictor.Member(
                name,
                self.sources[name].config,
                tuple(self._loaded[name][fold] for fold in wanted.folds[name]),
            )
            for name in wanted.runs
        ]
        self._predictor = scan_predictor.ScanPredictor(
            members,
            tta=wanted.tta,
            warn=lambda text: self.journal.warn("out of memory", text),
        )
        self._effort = wanted


def _load(run: runs.Run, said: event_log.EventLog) -> Loaded:
    """Load the networks of all folds; a run without any is left out."""
    loaded: Loaded = {}
    for source in runs.sources(run):
        networks = {}
        for fold in source.config.folds:
            try:
                networks[fold] = trained_network.load(
                    source.files.weights(fold), source.config, len(run.classes)
                )
            except Exception as error:
                said.warn("model left out", f"{source.name}, fold {fold}: {error}")
        if networks:
            loaded[source.name] = networks
    return loaded


def _windows(volume: np.ndarray) -> Mapping[str, np.ndarray]:
    """The (low, high) of each slice (D, 2), as `prepare` takes them."""
    each, whole = intensities.ranges(volume)
    return {
        "slice": np.array(each, np.float32),
        "scan": np.array([whole] * len(volume), np.float32),
    }
