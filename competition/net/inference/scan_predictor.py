"""Predict the probabilities of a scan with the networks of one or several runs."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

import keras
import numpy as np

from competition.core import console, geometry, probabilities
from competition.core.experiment import configs
from competition.net import devices
from competition.net.inference import ensemble, views
from competition.net.input import scan_batches
from competition.net.volumetric import sliding_window

Outputs = dict[str, np.ndarray]
Result = TypeVar("Result")


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Member:
    """A run's networks, whose probabilities are averaged, and their config."""

    name: str
    config: configs.Config
    networks: tuple[keras.Model, ...]


class ScanPredictor:
    """Predicts scans with all members; members of the same input share their batches.

    Where the device's memory is too small, the batch is halved for all later scans as
    well, and `warn` receives a message.
    """

    def __init__(
        self,
        members: Sequence[Member],
        *,
        tta: bool = True,
        warn: Callable[[str], None] = console.warn,
    ) -> None:
        groups: dict[tuple, list[Member]] = {}
        for member in members:
            groups.setdefault(_input_of(member.config, tta=tta), []).append(member)
        self._groups = [_Group(group, tta=tta, warn=warn) for group in groups.values()]

    def predict(
        self, volume: np.ndarray, windows: Mapping[str, np.ndarray]
    ) -> dict[str, probabilities.Prediction]:
        """Return each member's prediction of a scan (D, H, W).

        `windows` holds the (D, 2) of each kind of intensity, "slice" and "scan".
        """
        predictions: dict[str, probabilities.Prediction] = {}
        for group in self._groups:
            predictions |= group.predict(volume, windows[group.config.intensity])
        return predictions

    def typical_slices(self) -> int:
        """Return the slices that take as long as as many slices of a long scan do."""
        return max(group.typical_slices for group in self._groups)


class _Group:
    """Members whose networks take the same batches, compiled as one ensemble."""

    def __init__(
        self, members: Sequence[Member], *, tta: bool, warn: Callable[[str], None]
    ) -> None:
        self.names = [member.name for member in members]
        self.config = members[0].config
        self.batch = self.config.training.batch
        self._warn = warn
        plain = (views.PLAIN,)
        self._ensemble = _compile(
            [member.networks for member in members],
            views.combinations(self.config.submit) if tta else plain,
            self.config,
        )

    @property
    def typical_slices(self) -> int:
        model = self.config.model
        # Patches overlap in depth, so that one patch alone would look too slow.
        return 4 * model.patch[0] if model.volumetric else self.batch

    def predict(
        self, volume: np.ndarray, windows: np.ndarray
    ) -> dict[str, probabilities.Prediction]:
        return _halving_batches(
            lambda batch: self._predict(volume, windows, batch),
            self.batch,
            self._use_smaller,
        )

    def _use_smaller(self, batch: int) -> None:
        self.batch = batch
        self._warn(
            "The device's memory is too small for the batch; from now on it "
            f"has {batch} slices."
        )

    def _predict(
        self, volume: np.ndarray, windows: np.ndarray, batch: int
    ) -> dict[str, probabilities.Prediction]:
        """Predict a scan (D, H, W); a byte a voxel is held, not a float."""
        arrays: list[np.ndarray] = []
        presence: list[list[np.ndarray]] = [[] for _ in self.names]
        slices = _predict_slices(
            self._ensemble, volume, windows, config=self.config, batch=batch
        )
        for index, members in enumerate(slices):
            if not arrays:
                shapes = [(len(volume), *m["probability"].shape) for m in members]
                arrays = [np.empty(shape, np.uint8) for shape in shapes]
            for array, heads, outputs in zip(arrays, presence, members, strict=True):
                array[index] = probabilities.quantise(outputs["probability"])
                if "presence" in outputs:
                    heads.append(probabilities.quantise(outputs["presence"]))
        return {
            name: probabilities.prediction(array, np.stack(heads) if heads else None)
            for name, array, heads in zip(self.names, arrays, presence, strict=True)
        }


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
    compiled = _compile_once(tuple(networks), config)

    def predict(batch: int) -> np.ndarray:
        slices = _predict_slices(compiled, volume, windows, config=config, batch=batch)
        return np.stack([outputs["probability"] for (outputs,) in slices])

    # This serves the score of an epoch. If a lack of memory were raised here, training
    # would make its own batches smaller, which does not help.
    return _halving_batches(predict, config.training.batch, lambda batch: None)


def _halving_batches(
    predict: Callable[[int], Result], batch: int, on_halved: Callable[[int], None]
) -> Result:
    """Return `predict(batch)`, with half the batch as often as memory is too small."""
    while True:
        try:
            return predict(batch)
        except Exception as error:
            if not devices.is_out_of_memory(error) or batch == 1:
                raise
            batch //= 2
            on_halved(batch)


def _predict_slices(
    compiled: ensemble.Ensemble,
    volume: np.ndarray,
    windows: np.ndarray,
    *,
    config: configs.Config,
    batch: int,
) -> Iterator[list[Outputs]]:
    """Yield each slice's "probability" (H, W, C), and "presence" (C,), by member."""
    if windows.shape != (len(volume), 2):
        raise ValueError(
            "`windows` needs a low and a high for each slice. Expected shape "
            f"{(len(volume), 2)}, received {windows.shape}. Take them from the rows "
            "of this scan alone."
        )
    _, height, width = volume.shape
    predict = compiled.predict_on_batch
    slices = sliding_window.slices if config.model.volumetric else _stack_by_stack
    for members in slices(predict, volume, windows, config=config, batch=batch):
        for outputs in members:
            outputs["probability"] = geometry.restore(
                outputs["probability"], (height, width), config.geometry
            )
        yield members


def _stack_by_stack(
    predict: Callable[[dict[str, np.ndarray]], list[Outputs]],
    volume: np.ndarray,
    windows: np.ndarray,
    *,
    config: configs.Config,
    batch: int,
) -> Iterator[list[Outputs]]:
    """Yield the outputs of a 2D network for each slice with its neighbours."""
    remaining = len(volume)
    for stacks in scan_batches.stack_batches(volume, windows, config, batch=batch):
        members = predict(stacks)
        # The last batch is filled up with copies of the last slice.
        for index in range(min(remaining, batch)):
            yield [{k: v[index] for k, v in outputs.items()} for outputs in members]
        remaining -= batch


def _compile(
    members: Sequence[Sequence[keras.Model]],
    tta_views: Sequence[views.View],
    config: configs.Config,
) -> ensemble.Ensemble:
    compiled = ensemble.Ensemble(members, tta_views)
    compiled.compile(jit_compile=devices.jit_compile(config.training.xla))
    return compiled


# Compiling takes longer than a scan, and the networks are the same scan after scan.
@functools.lru_cache(maxsize=2)
def _compile_once(
    networks: tuple[keras.Model, ...], config: configs.Config
) -> ensemble.Ensemble:
    return _compile([networks], (views.PLAIN,), config)


def _input_of(config: configs.Config, *, tta: bool) -> tuple:
    """Return the settings that members must share to be given the same batches."""
    training = config.training.batch, config.training.xla
    depth = config.model.patch if config.model.volumetric else config.slices
    tta_views = views.combinations(config.submit) if tta else ()
    kind = config.model.volumetric, depth
    return kind, config.intensity, config.geometry, *training, tta_views
