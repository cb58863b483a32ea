"""The lines that every planned experiment may have: key, value and reason."""

import dataclasses
import math
import typing
from typing import Any

from competition.machine import cpu
from competition.study.auto import frames
from competition.study.auto.findings import Findings

if typing.TYPE_CHECKING:
    from competition.net import devices

# With fewer pixels left, the coarsest features would see only padding.
_COARSEST = 5
_MOST_LEVELS = 5
# If more of the labelled pixels lie outside of bodies, slices are not cropped to these:
# nothing would be predicted there.
_MOST_OUTSIDE = 1e-4
# If neighbouring slices differ more than this many times as much when a scan is scaled
# as a whole as when each slice is scaled alone, their stored brightness cannot be
# compared. The ratio is 0.82 to 1.0 in 12 hippocampus volumes, 1.0 in phantoms, and
# 1.05 to 1.5 in three scans whose slices were stretched.
_EVEN = 1.02
# A long training overfits fewer cases than these. With three scans, trained on two, the
# held-out score was 0.54 to 0.57 in epochs 16 to 48, then 0.51 to 0.53.
_FEW_CASES, _FEW_EPOCHS, _FEW_STEPS = 10, 40, 2_000


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """A line of the experiment: `key` is written as for `--set`."""

    key: str
    value: Any
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Effort:
    """How much of a device the network takes.

    `channels` is their number on its finest level. It sees this `share` of each side of
    a slice.
    """

    channels: int
    share: float

    @property
    def cost(self) -> float:
        """Return about how long a step takes, relative to other efforts."""
        return self.share**2 * self.channels**1.5


def of_folds(found: Findings, count: int) -> Choice:
    """Choose how many folds are trained."""
    text = "all of them" if count == found.amount.folds else "time is short"
    return Choice("folds", list(range(count)), text)


def of_members(names: list[str]) -> Choice:
    """Choose the runs that are averaged."""
    return Choice("members", names, "experiments beside this one, averaged")


def most_steps(found: Findings, in_epoch: int) -> float:
    """Return the steps after which a network overfits few cases."""
    if found.cases >= _FEW_CASES:
        return math.inf
    return max(_FEW_STEPS, _FEW_EPOCHS * in_epoch)


def of_time(found: Findings, steps: int, in_epoch: int, scores: int) -> list[Choice]:
    """Choose the length of a training that has time for `steps` and `scores`."""
    most = most_steps(found, in_epoch)
    epochs = max(1, int(min(steps, most)) // in_epoch)
    limit = "what time allows" if steps <= most else "more would overfit few cases"
    choices = [
        Choice("training.epochs", epochs, f"of {in_epoch:,} steps: {limit}"),
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


def intensity(found: Findings) -> Choice:
    """Choose whether each slice is scaled on its own, or a scan as a whole."""
    if found.jump > _EVEN:
        text = f"else neighbouring slices differ {found.jump:.2f} times as much"
        return Choice("intensity", "slice", text)
    return Choice("intensity", "scan", "neighbouring slices are equally bright")


def precision(device: "devices.Device") -> list[Choice]:
    """Choose bfloat16 on a CPU that multiplies it; other devices choose by default."""
    # It was timed only on TensorFlow.
    is_cpu = device.kind == "cpu" and device.backend == "tensorflow"
    if not is_cpu or not cpu.multiplies_bfloat16():
        return []
    text = 'faster on this CPU than float32; elsewhere set "auto"'
    return [Choice("training.precision", "bfloat16", text)]


def frame(found: Findings) -> tuple[list[Choice], frames.Frame]:
    """Choose whether to crop to bodies; return the frame of what is left."""
    if found.saving < 0.2:
        return [], found.whole
    if found.outside > _MOST_OUTSIDE:
        text = f"{found.outside:.2%} of the labelled pixels are outside of the body"
        return [Choice("geometry.box", "none", text)], found.whole
    text = f"{found.saving:.0%} of the pixels are outside of the body"
    return [Choice("geometry.box", "body", text)], found.body


def geometry(frame: frames.Frame, scale: float = 1.0) -> list[Choice]:
    """Choose the size of slices that are scaled by so much, and how they are fitted."""
    fit, reason, text = frame.fit, frame.reason, frame.about
    if scale < 1:
        text += f", scaled to {scale:.0%}"
    if scale < 1 and fit == "pad":
        fit, reason = "letterbox", "smaller slices, shorter steps"
    lines = [
        Choice("geometry.fit", fit, reason),
        Choice("geometry.height", rounded(scale * frame.height), text),
        Choice("geometry.width", rounded(scale * frame.width), text),
    ]
    if fit == "spacing":
        spacing = float(f"{frame.spacing_mm / scale:.6g}")
        text = "the median" + (f", divided by {scale:.2g}" if scale < 1 else "")
        lines.append(Choice("geometry.spacing_mm", spacing, text))
    return lines


def widths(effort: Effort, side: int) -> Choice:
    """Choose the channels of a network whose shorter input side has `side` pixels."""
    levels = 1 + int(math.log2(max(1, side / _COARSEST)))
    levels = max(2, min(_MOST_LEVELS, levels))
    channels = [effort.channels * 2**level for level in range(levels)]
    return Choice("model.widths", channels, f"{side} pixels can be halved so often")


def flip(found: Findings) -> list[Choice]:
    """Choose not to swap left and right where classes differ by their side alone."""
    if found.exchanged is None:
        return []
    # Names are of the data, and must not break a comment.
    one, other = map(repr, found.exchanged)
    text = f"mirrored, {one} would look like {other}"
    return [Choice("augment.flip", 0.0, text)]


def augment(reason: str) -> list[Choice]:
    """Choose strong augmentation."""
    return [
        Choice("augment.rotate_degrees", 15.0, reason),
        Choice("augment.scale", 0.15, "as above"),
        Choice("augment.elastic", 0.3, "as above"),
        Choice("augment.tone", 0.5, "as above"),
        Choice("augment.noise", 0.2, "as above"),
    ]


def rounded(side: float) -> int:
    """Round up, so that the slices of all levels but the coarsest have even sides."""
    return max(16, math.ceil(side / 8) * 8)
