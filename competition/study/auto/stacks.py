"""Choose the lines of an experiment whose network sees stacks of slices."""

import dataclasses
import math

from competition.study.auto import choices, findings

# Structures are not shrunk below so many pixels: their outline would be lost.
_LEAST_THICKNESS = 6.0
# With fewer cases, only augmentation shows a network anything new.
_FEW_CASES = 60
_MOST_BATCH = 16
# The batch is made smaller, down to 2, so that an epoch has so many batches.
_BATCHES = 20


def of_data(found: findings.Findings, effort: choices.Effort) -> list[choices.Choice]:
    """Choose the lines that depend on the data, for a network of this effort."""
    geometry, side = _geometry(found, effort)
    return [
        *_slices(found),
        *geometry,
        choices.widths(effort, side),
        *choices.flip(found),
        *_augment(found),
        *_sampling(found),
        _batch(found),
    ]


def of_data_across_y(
    found: findings.Findings, effort: choices.Effort
) -> list[choices.Choice]:
    """Choose the lines for slices across y, by the volumes as they are seen so."""
    turned = dataclasses.replace(
        found,
        depth=found.whole.height,
        whole=dataclasses.replace(found.front, fit="pad"),
        amount=dataclasses.replace(
            found.amount,
            slices=found.amount.slices_y,
            positives=found.amount.positives_y,
        ),
        # Bodies, and the intensities of slices, are known across z alone.
        saving=0.0,
        jump=1.0,
        anisotropy=1 / found.anisotropy,
    )
    axis = choices.Choice("axis", "y", "the other network sees slices across z")
    lines = of_data(turned, effort)
    # A single row of pixels has no neighbours, and no line of this key.
    rest = [line for line in lines if line.key != "intensity"]
    return [axis, choices.intensity(turned), *rest]


def fit_across_y(found: findings.Findings) -> bool:
    """Return whether a network may see slices across y.

    There is no box around the body, no size of pixels and no intensity of a slice.
    """
    lines, frame = choices.frame(found)
    has_box = any((line.key, line.value) == ("geometry.box", "body") for line in lines)
    is_even = choices.intensity(found).value == "scan"
    is_padded = frame.fit == found.front.fit == "pad"
    return is_even and is_padded and not has_box


def _slices(found: findings.Findings) -> list[choices.Choice]:
    if found.depth == 1:
        return [choices.Choice("slices", [0], "each scan is a single slice")]
    reach = 3 if found.anisotropy <= 2 else 2 if found.anisotropy <= 4 else 1
    reach = min(reach, found.depth // 2)
    around = list(range(-reach, reach + 1))
    text = f"slices are {found.anisotropy:.1f} times as far apart as pixels"
    return [choices.Choice("slices", around, text), choices.intensity(found)]


def _geometry(
    found: findings.Findings, effort: choices.Effort
) -> tuple[list[choices.Choice], int]:
    """Choose size and fit; return the shorter side that is trained on too."""
    lines, frame = choices.frame(found)
    scale = effort.share
    if found.thickness:
        # Thin structures are trained on crops, so that shrinking does not lose them.
        scale = max(scale, min(1.0, _LEAST_THICKNESS / found.thickness))
    sides = [choices.rounded(side * scale) for side in (frame.height, frame.width)]
    lines += choices.geometry(frame, scale)
    if scale > effort.share:
        crop = [
            min(side, choices.rounded(side * effort.share / scale)) for side in sides
        ]
        least = max(1, round(scale * found.thickness))
        text = f"to save time: the thinnest parts have {least} pixels, and need them"
        lines.append(choices.Choice("geometry.crop", crop, text))
        return lines, min(crop)
    return lines, min(sides)


def _augment(found: findings.Findings) -> list[choices.Choice]:
    if found.cases >= _FEW_CASES:
        return [choices.Choice("augment.tone", 0.3, "scanners differ")]
    return choices.augment(f"{found.cases} cases are few")


def _sampling(found: findings.Findings) -> list[choices.Choice]:
    share = found.amount.positives / found.amount.slices
    if share > 0.8:
        return []
    text = f"{share:.0%} of the slices have a mask"
    return [
        choices.Choice("sampling.slices", "positives", text),
        choices.Choice(
            "sampling.empties", 0.3, "share of the slices without a mask, drawn anew"
        ),
    ]


def _batch(found: findings.Findings) -> choices.Choice:
    amount = found.amount
    rows = amount.positives * (1 - 1 / max(2, amount.folds))
    batch = 2 ** int(math.log2(max(2, min(_MOST_BATCH, rows / _BATCHES))))
    # Every fold needs a full batch. If cases differ in size, one may have few slices.
    batch = max(1, min(batch, found.fewest))
    text = f"{rows:.0f} slices with a mask to train on"
    return choices.Choice("training.batch", batch, text)
