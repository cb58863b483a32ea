"""Predict the probabilities of a scan with the networks of one or several runs."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import keras
import numpy as np

from competition.core import console, geometry, probabilities
from competition.core.experiment import configs
from competition.net import devices
from competition.net.inference import ensemble, exact, views
from competition.net.input import scan_batches
from competition.net.volumetric import sliding_window

Outputs = dict[str, np.ndarray]
Slices = Iterator[list[Outputs]]
Result = TypeVar("Result")
# Called with what happened, in a few words, and with a message.
Warn = Callable[[str, str], None]


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Member:
    """A run's networks, whose probabilities are averaged, and their config."""

    name: str
    config: configs.Config
    networks: tuple[keras.Model, ...]


class ScanPredictor:
    """Predicts scans with all members; members of the same input share their batches.

    Where the device's memory is too small, the batch is halved for all later scans as
    well; a batch that overflows in half precision is computed again in float32. `warn`
    is told of either. `alive` is called for each predicted slice.
    """

    def __init__(
        self,
        members: Sequence[Member],
        *,
        tta: bool = True,
        warn: Warn = lambda what, text: console.warn(text),
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        groups: dict[tuple, list[Member]] = {}
        for member in members:
            config = member.config
            seen = views.combinations(config.submit) if tta else (views.PLAIN,)
            groups.setdefault((seen, *_input_of(config)), []).append(member)
        self._groups = [
            _Group(group, key[0], warn=warn, alive=alive)
            for key, group in groups.items()
        ]

    def predict(
        self, volume: np.ndarray, windows: Mapping[str, np.ndarray]
    ) -> dict[str, probabilities.Prediction]:
        """Return each member's prediction of a scan (D, H, W).

        A member whose probabilities hold NaN or infinity is left out. `windows` holds
        the (D, 2) of each kind of intensity, "slice" and "scan".
        """
        predictions: dict[str, probabilities.Prediction] = {}
        for group in self._groups:
            of_group = group.predict(volume, windows[group.config.intensity], _quantise)
            named = zip(group.names, of_group, strict=True)
            predictions |= {name: each for name, each in named if each is not None}
        return predictions

    def typical_slices(self) -> int:
        """Return the slices of a scan so short that each takes as long as in others."""
        return max(
            # Patches overlap in depth, so that one patch alone would look too slow.
            4 * config.model.patch[0]
            if config.model.volumetric
            else config.training.batch
            for config in (group.config for group in self._groups)
        )


def predict_scan(
    networks: Sequence[keras.Model],
    volume: np.ndarray,
    windows: np.ndarray,
    config: configs.Config,
) -> np.ndarray:
    """Return the mean probabilities float32 (D, H, W, C) of a uint16 scan (D, H, W).

    `windows` (D, 2) holds the low and high of each slice. There is no test-time
    augmentation, and the probability is 0 where `fit` cropped.
    """
    # This serves the score of an epoch. If a lack of memory were raised here, training
    # would make its own batches smaller, which does not help.
    return _alone(tuple(networks), config).predict(
        volume,
        windows,
        lambda slices: np.stack([outputs["probability"] for (outputs,) in slices]),
    )


class _Group:
    """Members whose networks take the same batches, compiled as one ensemble."""

    def __init__(
        self,
        members: Sequence[Member],
        seen: Sequence[views.View],
        *,
        warn: Warn,
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        self.names = [member.name for member in members]
        self.config = members[0].config
        self.batch = self.config.training.batch
        self._warn = warn
        self._alive = alive
        self._members, self._seen = members, seen
        self._ensemble = self._compiled([member.networks for member in members])
        self._exact: ensemble.Ensemble | None = None

    def predict(
        self,
        volume: np.ndarray,
        windows: np.ndarray,
        collect: Callable[[Slices], Result],
    ) -> Result:
        """Return what `collect` makes of the slices; halve the batch while it must."""
        if windows.shape != (len(volume), 2):
            raise ValueError(
                "`windows` needs a low and a high for each slice. Expected shape "
                f"{(len(volume), 2)}, received {windows.shape}. Take them from the "
                "rows of this scan alone."
            )
        while True:
            try:
                return collect(self._slices(volume, windows))
            except Exception as error:
                if not devices.is_out_of_memory(error) or self.batch == 1:
                    raise
                self.batch //= 2
                self._warn(
                    "out of memory",
                    "The device's memory is too small for the batch; from now on it "
                    f"has {self.batch} slices.",
                )

    def _slices(self, volume: np.ndarray, windows: np.ndarray) -> Slices:
        """Yield each slice's "probability" (H, W, C) and "presence" (C,) by member."""
        _, height, width = volume.shape
        volumetric = self.config.model.volumetric
        slices = sliding_window.slices if volumetric else _stack_by_stack
        for members in slices(
            self._predict, volume, windows, config=self.config, batch=self.batch
        ):
            for outputs in members:
                outputs["probability"] = geometry.restore(
                    outputs["probability"], (height, width), self.config.geometry
                )
            self._alive()
            yield members

    def _predict(self, batch: Outputs) -> list[Outputs]:
        """Return the outputs of each member, in float32 where they overflowed."""
        members = self._ensemble.predict_on_batch(batch)
        if not exact.is_half(self._ensemble.networks) or exact.are_finite(members):
            return members
        if self._exact is None:
            self._warn(
                "not finite",
                f"{', '.join(self.names)}: probabilities in half precision are not "
                "finite. Such batches are computed again in float32, which takes "
                'longer; set training.precision="float32" to begin with it.',
            )
            self._exact = self._compiled(
                [exact.twin(n, member.config) for n in member.networks]
                for member in self._members
            )
        # Those of a network in training have changed.
        for one, other in zip(
            self._exact.networks, self._ensemble.networks, strict=True
        ):
            one.set_weights(other.get_weights())
        return self._exact.predict_on_batch(batch)

    def _compiled(self, members: Iterable[Sequence[keras.Model]]) -> ensemble.Ensemble:
        together = ensemble.Ensemble(list(members), self._seen)
        xla = devices.xla(self.config.training.xla, devices.find())
        together.compile(jit_compile=xla)
        return together


# Compiling takes longer than a scan, and the networks are the same scan after scan.
@functools.lru_cache(maxsize=2)
def _alone(networks: tuple[keras.Model, ...], config: configs.Config) -> _Group:
    member = Member("alone", config, networks)
    return _Group([member], (views.PLAIN,), warn=lambda what, text: None)


def _quantise(slices: Slices) -> list[probabilities.Prediction | None]:
    """Return the prediction of each member; a byte a voxel is held, not a float.

    It is None where a probability of the member is not finite.
    """
    quantised = [[_as_bytes(outputs) for outputs in members] for members in slices]
    predictions: list[probabilities.Prediction | None] = []
    for of_member in zip(*quantised, strict=True):
        if not all(of_member):
            predictions.append(None)
            continue
        presence = [o["presence"] for o in of_member if "presence" in o]
        predictions.append(
            probabilities.prediction(
                np.stack([outputs["probability"] for outputs in of_member]),
                np.stack(presence) if presence else None,
            )
        )
    return predictions


def _as_bytes(outputs: Outputs) -> Outputs:
    """Return the outputs of a slice as uint8; {} where one is not finite."""
    if not all(np.isfinite(values).all() for values in outputs.values()):
        return {}
    return {name: probabilities.quantise(each) for name, each in outputs.items()}


def _stack_by_stack(
    predict: Callable[[Outputs], list[Outputs]],
    volume: np.ndarray,
    windows: np.ndarray,
    *,
    config: configs.Config,
    batch: int,
) -> Slices:
    """Yield the outputs of a 2D network for each slice with its neighbours."""
    remaining = len(volume)
    for stacks in scan_batches.stack_batches(volume, windows, config, batch=batch):
        members = predict(stacks)
        # The last batch is filled up with copies of the last slice.
        for index in range(min(remaining, batch)):
            yield [{k: v[index] for k, v in outputs.items()} for outputs in members]
        remaining -= batch


def _input_of(config: configs.Config) -> tuple:
    """Return the settings that members must share to be given the same batches."""
    model, training = config.model, config.training
    depth = model.patch if model.volumetric else config.slices
    kind = model.volumetric, depth, config.intensity, config.geometry
    return *kind, training.batch, training.xla
