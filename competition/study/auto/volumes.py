"""Choose the lines of an experiment with a 3D network, which sees most of a volume."""

import math

from competition.study.auto import choices, findings

# A batch of two such patches takes about 5 GB if a network begins with 32 channels.
MOST_VOXELS = 400_000
# For a volume of more patches than this, stacks of slices show a network more.
_VOLUMES = 4
_LEAST_DEPTH = 16


def fit(found: findings.Findings) -> bool:
    """Return whether 3D networks fit the data.

    Voxels must be about as long as wide, a volume must not be flat, and a patch must be
    a large part of it.
    """
    _, frame = choices.frame(found)
    is_thick = found.depth * found.anisotropy >= min(frame.height, frame.width) / 2
    return (
        found.depth >= _LEAST_DEPTH
        and 0.5 <= found.anisotropy <= 2
        and is_thick
        and math.prod(_volume(found)) <= _VOLUMES * MOST_VOXELS
    )


def of_data(found: findings.Findings, effort: choices.Effort) -> list[choices.Choice]:
    """Choose the lines that depend on the data, for a network of this effort."""
    boxes, frame = choices.frame(found)
    volume = _volume(found)
    patch = _patch(volume)
    part = math.prod(patch) / math.prod(volume)
    seen = "the whole volume" if part == 1 else f"{part:.0%} of the volume"
    return [
        choices.intensity(found),
        *boxes,
        *choices.geometry(frame),
        choices.Choice(
            "model.architecture",
            "residual_unet_3d",
            f"slices are {found.anisotropy:.1f} times as far apart as pixels",
        ),
        choices.Choice("model.patch", patch, f"{seen}: depth, height, width"),
        choices.widths(effort, min(patch[1:])),
        choices.Choice(
            "model.norm", "instance", "a batch of two says little of others"
        ),
        *choices.flip(found),
        *choices.augment("a scan gives few samples, and all are seen often"),
        choices.Choice(
            "sampling.slices",
            "positives",
            "patches about them have enough empty slices",
        ),
        choices.Choice(
            "training.batch", 2, "a patch has as many voxels as many slices"
        ),
    ]


def _volume(found: findings.Findings) -> list[int]:
    """Return depth, height and width of a volume, rounded up so that they can halve."""
    _, frame = choices.frame(found)
    return [choices.rounded(s) for s in (found.depth, frame.height, frame.width)]


def _patch(volume: list[int]) -> list[int]:
    """Return the sides of the volume, or of a part of it that is not too large."""
    patch = list(volume)
    while math.prod(patch) > MOST_VOXELS:
        longest = patch.index(max(patch))
        patch[longest] -= 8
    return patch
