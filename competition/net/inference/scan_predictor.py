"""Predict the probabilities of a scan with the networks of one or several runs."""

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from competition.core import axes, console, geometry, probabilities
from competition.core.experiment import configs, layout
from competition.net.frameworks import keras
from competition.net.inference import forward_pass, member_group

Member = member_group.Member


class ScanPredictor:
    """Predicts scans with all members; members of the same input share their batches.

    If the device's memory is too small, the batch is halved for this scan and all later
    ones. A batch that overflows in half precision is computed again in float32. `warn`
    is called in either case. `alive` is called for each predicted slice.
    """

    def __init__(
        self,
        members: Sequence[Member],
        *,
        warn: member_group.Warn = lambda what, text: console.warn(text),
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        self._members = {member.name: member for member in members}
        passes = forward_pass.ForwardPasses()
        self._groups = {
            _input_of(member.config): member_group.MemberGroup(
                member.config, passes, warn=warn, alive=alive
            )
            for member in members
        }

    def predict(
        self,
        volume: np.ndarray,
        windows: Mapping[str, np.ndarray],
        grid: geometry.Grid,
        *,
        folds: Mapping[str, Collection[layout.Fold]] | None = None,
        tta: bool = True,
    ) -> dict[str, probabilities.Prediction]:
        """Return each member's prediction of a scan (D, H, W).

        A member whose probabilities hold NaN or infinity is left out. `windows` holds
        the (low, high) of each slice (D, 2) by kind of intensity, "slice" and "scan".
        `folds` names the members that predict, and their folds; without it all do.
        """
        if folds is None:
            folds = {name: tuple(m.networks) for name, m in self._members.items()}
        members = {name: self._members[name] for name in folds}
        predictions: dict[str, probabilities.Prediction] = {}
        for taken, group in self._groups.items():
            chosen = {
                name: member.chosen(folds[name], tta=tta)
                for name, member in members.items()
                if _input_of(member.config) == taken
            }
            if not chosen:
                continue
            of_intensity = windows[group.config.intensity]
            scan = axes.scan(volume, of_intensity, grid, group.config.axis)
            of_group = group.predict(chosen, *scan, _quantise)
            for name, predicted in zip(chosen, of_group, strict=True):
                if name not in group.not_finite:
                    predictions[name] = _turned_back(predicted, group.config.axis)
        return predictions

    def typical_slices(self) -> int:
        """Return how many slices are needed to measure the usual seconds per slice."""
        return max(
            # Patches overlap in depth, so that one patch alone would look too slow.
            4 * config.model.patch[0]
            if config.model.volumetric
            # Across another axis all slices are predicted, however few lie along z.
            else config.geometry.height
            if config.axis != "z"
            else config.training.batch
            for config in (group.config for group in self._groups.values())
        )


def alone(
    networks: Sequence[keras.Model], config: configs.Config
) -> Callable[[np.ndarray, np.ndarray, geometry.Grid], np.ndarray]:
    """Return a function that predicts scans with the networks of one run.

    It maps a uint16 scan (D, H, W), the low and high of each slice (D, 2), and the grid
    to the mean probabilities float32 (D, H, W, C), without test-time augmentation; they
    are 0 where `fit` cropped. It compiles once, so keep it for all scans.
    """
    # This serves the score of an epoch. If a lack of memory were raised here, training
    # would make its own batches smaller, which does not help.
    member = Member("alone", config, dict(enumerate(networks)))
    chosen = {member.name: member.chosen(member.networks, tta=False)}
    group = member_group.MemberGroup(
        config, forward_pass.ForwardPasses(), warn=lambda what, text: None
    )

    def probability(slices: member_group.Slices) -> np.ndarray:
        return np.stack([outputs["probability"] for (outputs,) in slices])

    def predict(
        volume: np.ndarray, windows: np.ndarray, grid: geometry.Grid
    ) -> np.ndarray:
        scan = axes.scan(volume, windows, grid, config.axis)
        return axes.turn_back(group.predict(chosen, *scan, probability), config.axis)

    return predict


def _quantise(slices: member_group.Slices) -> list[probabilities.Prediction]:
    """Return the prediction of each member, with one byte for each voxel."""
    quantised = [
        [{k: probabilities.quantise(v) for k, v in o.items()} for o in outputs]
        for outputs in slices
    ]
    predictions: list[probabilities.Prediction] = []
    for of_member in zip(*quantised, strict=True):
        presence = [o["presence"] for o in of_member if "presence" in o]
        predictions.append(
            probabilities.prediction(
                np.stack([outputs["probability"] for outputs in of_member]),
                np.stack(presence) if presence else None,
            )
        )
    return predictions


def _turned_back(
    predicted: probabilities.Prediction, axis: str
) -> probabilities.Prediction:
    """Return the prediction of slices across z, made by networks of another axis."""
    if axis == "z":
        return predicted
    return probabilities.prediction(axes.turn_back(predicted.probability, axis))


def _input_of(config: configs.Config) -> tuple:
    """Return the settings that members must share to be given the same batches."""
    model, training = config.model, config.training
    depth = model.patch if model.volumetric else config.slices
    seen = config.axis, config.position, config.geometry, config.submit.windows
    kind = model.volumetric, depth, config.intensity, *seen
    return *kind, training.batch, training.xla, training.gpus
