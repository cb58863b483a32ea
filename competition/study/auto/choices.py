"""The lines of an experiment that is planned from data: key, value and reason."""

import dataclasses
import math
from typing import Any

from competition.study.auto.findings import Findings

# Where fewer are left, the coarsest features would see padding alone.
_COARSEST = 5
_MOST_LEVELS = 5
# Below so many pixels, structures are not shrunk: their outline would be lost.
_LEAST_THICKNESS = 6.0
# With so few cases augmentation is all that shows a network anything new.
_FEW_CASES = 60
_MOST_BATCH = 16
# So many batches at least make an epoch, where the batch can be made smaller.
_BATCHES = 20


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """A line of the experiment: `key` is written as for `--set`."""

    key: str
    value: Any
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Effort:
    """How much of a device the network takes.

    `channels` are those of its finest level; `share` is that of the slices' sides which
    it sees.
    """

    channels: int
    share: float

    @property
    def cost(self) -> float:
        """Return about how a step's time compares with that of other efforts."""
        return self.share**2 * self.channels**1.5


def of_data(found: Findings, effort: Effort) -> list[Choice]:
    """Choose what follows from the data, for a network of this effort."""
    geometry, side = _geometry(found, effort)
    return [
        *_slices(found),
        *geometry,
        _widths(effort, side),
        *_augment(found),
        *_sampling(found),
        _batch(found),
    ]


def of_folds(found: Findings, count: int) -> Choice:
    """Choose how many folds are trained."""
    text = "all of them" if count == found.amount.folds else "time is short"
    return Choice("folds", list(range(count)), text)


def of_time(steps: int, in_epoch: int, scores: int) -> list[Choice]:
    """Choose the length of a training with time for so many steps and scores."""
    epochs = max(1, steps // in_epoch)
    choices = [
        Choice("training.epochs", epochs, f"of {in_epoch:,} steps: what time allows"),
        Choice(
            "training.score_every",
            math.ceil(epochs / scores),
            "scoring more often would take time from training",
        ),
        Choice(
            "training.keep", "last", "so that no epoch is chosen by the reported score"
        ),
    ]
    if epochs * in_epoch >= 500:
        text = "the average of the last steps is steadier than the last one"
        choices.append(Choice("training.ema", 0.99, text))
    else:
        text = "few steps have to go far"
        choices.append(Choice("training.learning_rate", 3e-3, text))
    return choices


def _slices(found: Findings) -> list[Choice]:
    if found.depth == 1:
        return [Choice("slices", [0], "each scan is a single slice")]
    reach = 3 if found.anisotropy <= 2 else 2 if found.anisotropy <= 4 else 1
    reach = min(reach, found.depth // 2)
    around = list(range(-reach, reach + 1))
    text = f"slices are {found.anisotropy:.1f} times as far apart as pixels"
    choices = [Choice("slices", around, text)]
    if found.anisotropy <= 2:
        text = "slices so near are equally bright"
        choices.append(Choice("intensity", "scan", text))
    return choices


def _geometry(found: Findings, effort: Effort) -> tuple[list[Choice], int]:
    """Choose size and fit; return the smaller side that is trained on as well."""
    choices = []
    height, width = found.height, found.width
    if found.saving >= 0.2:
        height, width = found.body_height, found.body_width
        text = f"{found.saving:.0%} of the pixels are outside of the body"
        choices.append(Choice("geometry.box", "body", text))
    scale = effort.share
    if found.thickness:
        # Thin structures are trained on crops, not shrunk until they are gone.
        scale = max(scale, min(1.0, _LEAST_THICKNESS / found.thickness))
    sides = [_rounded(side * scale) for side in (height, width)]
    if scale == 1:
        choices.append(Choice("geometry.fit", "pad", "slices keep their pixels"))
    else:
        text = "smaller slices, shorter steps"
        choices.append(Choice("geometry.fit", "letterbox", text))
    text = f"the largest is {height} x {width} pixels"
    choices += [
        Choice("geometry.height", sides[0], text),
        Choice("geometry.width", sides[1], text),
    ]
    if scale > effort.share:
        crop = [min(side, _rounded(side * effort.share / scale)) for side in sides]
        text = f"to save time; what is {found.thickness:.0f} pixels thick cannot shrink"
        choices.append(Choice("geometry.crop", crop, text))
        return choices, min(crop)
    return choices, min(sides)


def _widths(effort: Effort, side: int) -> Choice:
    levels = 1 + int(math.log2(max(1, side / _COARSEST)))
    levels = max(2, min(_MOST_LEVELS, levels))
    widths = [effort.channels * 2**level for level in range(levels)]
    return Choice("model.widths", widths, f"{side} pixels can be halved so often")


def _augment(found: Findings) -> list[Choice]:
    if found.cases >= _FEW_CASES:
        return [Choice("augment.tone", 0.3, "scanners differ")]
    return [
        Choice("augment.rotate_degrees", 15.0, f"{found.cases} cases are few"),
        Choice("augment.scale", 0.15, "as above"),
        Choice("augment.elastic", 0.3, "as above"),
        Choice("augment.tone", 0.5, "as above"),
        Choice("augment.noise", 0.2, "as above"),
    ]


def _sampling(found: Findings) -> list[Choice]:
    share = found.amount.positives / found.amount.slices
    if share > 0.8:
        return []
    text = f"{share:.0%} of the slices have a mask"
    return [
        Choice("sampling.slices", "positives", text),
        Choice("sampling.empties", 0.3, "as many must be seen to stay empty"),
    ]


def _batch(found: Findings) -> Choice:
    amount = found.amount
    rows = amount.positives * (1 - 1 / max(2, amount.folds))
    batch = 2 ** int(math.log2(max(2, min(_MOST_BATCH, rows / _BATCHES))))
    return Choice("training.batch", batch, f"{rows:.0f} slices to train on")


def _rounded(side: float) -> int:
    """Round up, so that the slices of all levels but the coarsest have even sides."""
    return max(16, math.ceil(side / 8) * 8)
