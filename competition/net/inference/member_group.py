"""The members whose networks take the same batches of a scan."""

import dataclasses
import functools
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TypeVar

import keras
import numpy as np

from competition.core import geometry
from competition.core.experiment import configs, layout
from competition.net import devices
from competition.net.inference import ensemble, forward_pass, sliding_crops, views
from competition.net.input import scan_batches
from competition.net.volumetric import sliding_window

Outputs = dict[str, np.ndarray]
Slices = Iterator[list[Outputs]]
Result = TypeVar("Result")
# Called with what happened, in a few words, and with a message.
Warn = Callable[[str, str], None]


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Member:
    """A run's networks by fold, whose probabilities are averaged, and their config."""

    name: str
    config: configs.Config
    networks: Mapping[layout.Fold, keras.Model]

    def chosen(self, folds: Collection[layout.Fold], *, tta: bool) -> ensemble.Networks:
        """Return the networks of some folds, and the views of the config with `tta`."""
        seen = views.combinations(self.config) if tta else (views.PLAIN,)
        networks = [self.networks[fold] for fold in folds]
        return ensemble.Networks(networks, self.config, seen)


class MemberGroup:
    """Predicts scans batch by batch, in smaller ones once the device's memory is full.

    `not_finite` names the members whose last prediction held NaN or infinity; their
    outputs for such a batch are 0.
    """

    def __init__(
        self,
        config: configs.Config,
        passes: forward_pass.ForwardPasses,
        *,
        warn: Warn,
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        self.config = config
        self._gpus = devices.to_predict(config.training.gpus)
        # One slice for each device: a batch must be a multiple of this.
        self._least = devices.sharing(self._gpus, devices.find())
        self.batch = math.ceil(config.training.batch / self._least) * self._least
        self.not_finite: set[str] = set()
        self._passes = passes
        self._warn = warn
        self._alive = alive
        self._has_overflowed = False

    def predict(
        self,
        members: Mapping[str, ensemble.Networks],
        volume: np.ndarray,
        windows: np.ndarray,
        grid: geometry.Grid,
        collect: Callable[[Slices], Result],
    ) -> Result:
        """Return what `collect` makes of the slices; halve a batch that is too big."""
        if windows.shape != (len(volume), 2):
            raise ValueError(
                "`windows` needs a low and a high for each slice. Expected shape "
                f"{(len(volume), 2)}, received {windows.shape}. Take them from the "
                "rows of this scan alone."
            )
        while True:
            self.not_finite = set()
            try:
                with devices.shared(self._gpus, devices.find()):
                    return collect(self._slices(members, volume, windows, grid))
            except Exception as error:
                if not devices.is_out_of_memory(error):
                    raise
                tried = self._batch_for(len(volume))
                if tried == self._least:
                    raise devices.no_memory("a single slice") from error
                self.batch = max(1, tried // self._least // 2) * self._least
                self._warn(
                    "out of memory",
                    "The device's memory is too small for the batch; from now on it "
                    f"has {self.batch} slices.",
                )

    def _slices(
        self,
        members: Mapping[str, ensemble.Networks],
        volume: np.ndarray,
        windows: np.ndarray,
        grid: geometry.Grid,
    ) -> Slices:
        """Yield each slice's "probability" (H, W, C) and "presence" (C,) by member."""
        volumetric = self.config.model.volumetric
        slices = sliding_window.slices if volumetric else _stack_by_stack
        predict = functools.partial(self._predict, members)
        if self.config.submit.windows:
            part = self.config.geometry
            predict = functools.partial(sliding_crops.predict, predict, part)
        for outputs in slices(
            predict,
            volume,
            windows,
            grid,
            config=self.config,
            batch=self._batch_for(len(volume)),
        ):
            for each in outputs:
                each["probability"] = geometry.restore(
                    each["probability"], self.config.geometry, grid
                )
            self._alive()
            yield outputs

    def _batch_for(self, depth: int) -> int:
        """Return the size of the batches of a scan: smaller where it has few slices.

        Batches are always full, and an image alone would be predicted many times. The
        next power of 2 is taken, because each size is compiled anew.
        """
        if self.config.model.volumetric:
            return self.batch
        enough = 2 ** (depth - 1).bit_length()
        return min(self.batch, math.ceil(enough / self._least) * self._least)

    def _predict(
        self, members: Mapping[str, ensemble.Networks], batch: Outputs
    ) -> list[Outputs]:
        """Return the outputs of each member; if any overflowed, all in float32."""
        chosen = list(members.values())
        outputs = ensemble.predict_on_batch(batch, chosen, self._passes)
        finite = list(map(_is_finite, outputs))
        if not all(finite) and any(map(ensemble.is_half, chosen)):
            self._tell_overflow(members)
            outputs = ensemble.predict_on_batch(batch, chosen, self._passes, exact=True)
            finite = list(map(_is_finite, outputs))
        for name, own, is_finite in zip(members, outputs, finite, strict=True):
            if not is_finite:
                self.not_finite.add(name)
                own.update({k: np.zeros_like(v) for k, v in own.items()})
        return outputs

    def _tell_overflow(self, names: Collection[str]) -> None:
        if not self._has_overflowed:
            self._warn(
                "not finite",
                f"{', '.join(names)}: probabilities in half precision are not "
                "finite. Such batches are computed again in float32, which takes "
                'longer; set training.precision="float32" to begin with it.',
            )
        self._has_overflowed = True


def _is_finite(outputs: Outputs) -> bool:
    return all(bool(np.isfinite(each).all()) for each in outputs.values())


def _stack_by_stack(
    predict: Callable[[Outputs], list[Outputs]],
    volume: np.ndarray,
    windows: np.ndarray,
    grid: geometry.Grid,
    *,
    config: configs.Config,
    batch: int,
) -> Slices:
    """Yield the outputs of a 2D network for each slice with its neighbours."""
    remaining = len(volume)
    batches = scan_batches.stack_batches(volume, windows, grid, config, batch=batch)
    for stacks in batches:
        outputs = predict(stacks)
        # The last batch is filled up with copies of the last slice.
        for index in range(min(remaining, batch)):
            yield [{k: v[index] for k, v in each.items()} for each in outputs]
        remaining -= batch
