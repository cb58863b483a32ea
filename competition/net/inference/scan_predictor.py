"""From a scan to the probabilities of its voxels."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

import keras
import numpy as np

from competition.core import console, geometry, probabilities
from competition.core.experiment import configs
from competition.net import devices
from competition.net.inference import ensemble
from competition.net.input import scan_batches
from competition.net.networks import build
from competition.net.volumetric import sliding_window
from competition.submit import effort

Windows = Mapping[str, np.ndarray]
Result = TypeVar("Result")


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Member:
    """A run's networks, which are averaged, and the config that they were made with."""

    name: str
    config: configs.Config
    networks: tuple[keras.Model, ...]


def load(weights: pathlib.Path, config: configs.Config, classes: int) -> keras.Model:
    """Build the network of a config and load the weights of a fold into it.

    It computes in the precision that the config asks for on this device.
    """
    before = keras.config.dtype_policy()
    setting = config.training.precision
    keras.config.set_dtype_policy(devices.precision(setting, devices.find()))
    try:
        network = build.build(config, classes)
        network.load_weights(weights)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(
            f"{weights}: not weights of a {config.model.architecture} with widths "
            f"{list(config.model.widths)}, {_depth(config)} slices and {classes} "
            f"classes ({error}). Delete the fold's folder and train it again."
        ) from error
    finally:
        keras.config.set_dtype_policy(before)
    return network


class ScanPredictor:
    """Predicts scans with all members in as few passes over a scan as their inputs.

    Members of the same input share a compiled call. Where the device's memory is too
    small, the batch halves and stays so; `say` hears of it.
    """

    def __init__(
        self,
        members: Sequence[Member],
        *,
        tta: bool = True,
        say: Callable[[str], None] = console.warn,
    ) -> None:
        groups: dict[tuple, list[Member]] = {}
        for member in members:
            groups.setdefault(_input(member.config, tta=tta), []).append(member)
        self._groups = [_CompiledGroup(group, tta=tta) for group in groups.values()]
        self._say = say

    def predict(
        self, volume: np.ndarray, windows: Windows
    ) -> dict[str, probabilities.Prediction]:
        """Return what each member sees in a scan (D, H, W).

        `windows` has the (D, 2) of each kind of intensity, as `prepare` takes them.
        """
        seen: dict[str, probabilities.Prediction] = {}
        for group in self._groups:
            seen |= group.predict(volume, windows[group.config.intensity], self._say)
        return seen

    def slices(self) -> int:
        """The slices that show what a long scan takes for each of its own."""
        return max(group.slices for group in self._groups)


class _CompiledGroup:
    """Members whose networks take the same batches."""

    def __init__(self, members: Sequence[Member], *, tta: bool) -> None:
        self.names = [member.name for member in members]
        self.config = members[0].config
        self.batch = self.config.training.batch
        self._views = effort.views(self.config.submit) if tta else (effort.PLAIN,)
        self._networks = [member.networks for member in members]
        self._compiled = _compile(self._networks, self._views, self.config)

    @property
    def slices(self) -> int:
        """The slices that show how long one takes; patches overlap in depth too."""
        model = self.config.model
        return 4 * model.patch[0] if model.volumetric else self.batch

    def predict(
        self, volume: np.ndarray, windows: np.ndarray, say: Callable[[str], None]
    ) -> dict[str, probabilities.Prediction]:
        """Predict a scan, with ever smaller batches where that is needed."""

        def smaller(batch: int) -> None:
            self.batch = batch
            say(
                "The device's memory is too small for the batch; from now on it "
                f"has {batch} slices."
            )

        return _halving(
            lambda batch: self._predict(volume, windows, batch), self.batch, smaller
        )

    def _predict(
        self, volume: np.ndarray, windows: np.ndarray, batch: int
    ) -> dict[str, probabilities.Prediction]:
        found: list[np.ndarray] = []
        presence: list[list[np.ndarray]] = [[] for _ in self.names]
        stream = _restored(
            self._compiled, volume, windows, config=self.config, batch=batch
        )
        for position, slices in enumerate(stream):
            if not found:
                shapes = [(len(volume), *each["probability"].shape) for each in slices]
                found = [np.empty(shape, np.uint8) for shape in shapes]
            for whole, said, each in zip(found, presence, slices, strict=True):
                whole[position] = probabilities.quantise(each["probability"])
                if "presence" in each:
                    said.append(probabilities.quantise(each["presence"]))
        return {
            name: probabilities.prediction(whole, np.stack(said) if said else None)
            for name, whole, said in zip(self.names, found, presence, strict=True)
        }


def predict_scan(
    networks: Sequence[keras.Model],
    volume: np.ndarray,
    windows: np.ndarray,
    config: configs.Config,
) -> np.ndarray:
    """Return the mean probabilities float32 (D, H, W, C) of a uint16 scan (D, H, W).

    Each network looks once, with ever smaller batches where memory asks for it.
    `windows` (D, 2) holds the low and high of each slice; 0 where `fit` cropped.
    """
    compiled = _once(tuple(networks), config)

    def look(batch: int) -> np.ndarray:
        stream = _restored(compiled, volume, windows, config=config, batch=batch)
        return np.stack([seen["probability"] for (seen,) in stream])

    # Raised, a lack of memory would be taken for the training's, which cannot help it.
    return _halving(look, config.training.batch, lambda batch: None)


def _halving(
    look: Callable[[int], Result], batch: int, smaller: Callable[[int], None]
) -> Result:
    """Look by so many slices at a time, by half as many where memory is too small."""
    while True:
        try:
            return look(batch)
        except Exception as error:
            if not devices.is_out_of_memory(error) or batch == 1:
                raise
            batch //= 2
            smaller(batch)


def _restored(
    compiled: ensemble.Ensemble,
    volume: np.ndarray,
    windows: np.ndarray,
    *,
    config: configs.Config,
    batch: int,
) -> Iterator[list[sliding_window.Seen]]:
    """Yield the probabilities (H, W, C) of each slice by each member, and presence."""
    if windows.shape != (len(volume), 2):
        raise ValueError(
            "`windows` needs a low and a high for each slice. Expected shape "
            f"{(len(volume), 2)}, received {windows.shape}. Take them from the rows "
            "of this scan alone."
        )
    _, height, width = volume.shape
    look = compiled.predict_on_batch
    see = sliding_window.slices if config.model.volumetric else _slices
    for seen in see(look, volume, windows, config=config, batch=batch):
        for each in seen:
            plane = each["probability"]
            restored = geometry.restore(plane, (height, width), config.geometry)
            each["probability"] = restored
        yield seen


def _slices(
    look: sliding_window.Look,
    volume: np.ndarray,
    windows: np.ndarray,
    *,
    config: configs.Config,
    batch: int,
) -> Iterator[list[sliding_window.Seen]]:
    """Yield what is seen of each slice in the stack about it."""
    left = len(volume)
    batches = scan_batches.stack_batches(volume, windows, config, batch=batch)
    for each in batches:
        by_member = look(each)
        # The last batch repeats its last slice; the surplus is left.
        for index in range(min(left, batch)):
            yield [{k: v[index] for k, v in seen.items()} for seen in by_member]
        left -= batch


def _compile(
    networks: Sequence[Sequence[keras.Model]],
    views: Sequence[effort.View],
    config: configs.Config,
) -> ensemble.Ensemble:
    compiled = ensemble.Ensemble(networks, views)
    xla = devices.xla(
        config.training.xla, devices.find(), backend=keras.backend.backend()
    )
    compiled.compile(jit_compile=xla)
    return compiled


# Compiling takes longer than a scan, and the networks are the same scan after scan.
@functools.lru_cache(maxsize=2)
def _once(
    networks: tuple[keras.Model, ...], config: configs.Config
) -> ensemble.Ensemble:
    return _compile([networks], (effort.PLAIN,), config)


def _depth(config: configs.Config) -> int:
    """How many slices the network sees at once."""
    return config.model.patch[0] if config.model.volumetric else len(config.slices)


def _input(config: configs.Config, *, tta: bool) -> tuple:
    """What members must have in common to be shown the same batches."""
    views = effort.views(config.submit) if tta else ()
    training = config.training.batch, config.training.xla
    sees = config.model.patch if config.model.volumetric else config.slices
    kind = config.model.volumetric, sees
    return kind, config.intensity, config.geometry, *training, views
