"""Moving a training sample about: engine "host", albumentations on the CPU."""

import albumentations
import cv2
import numpy as np

from competition.core import config


def transform(limits: config.Augment) -> albumentations.Compose:
    """Make the flip and the affine (shift, scale, rotation in one resampling).

    It holds random state: make one for each thread.
    """
    affine = albumentations.Affine(
        translate_percent=(-limits.shift, limits.shift),
        scale=(1 - limits.scale, 1 + limits.scale),
        rotate=(-limits.rotate_degrees, limits.rotate_degrees),
        interpolation=cv2.INTER_LINEAR,
        mask_interpolation=cv2.INTER_NEAREST,
        p=limits.affine,
    )
    flip = albumentations.HorizontalFlip(p=limits.flip)
    return albumentations.Compose([flip, affine])


def apply(
    transform: albumentations.Compose,
    stack: np.ndarray,
    bits: np.ndarray,
    *,
    seed: tuple[int, int, int],
) -> tuple[np.ndarray, np.ndarray]:
    """Move a uint16 stack (H, W, K) and its mask bits (H, W) together.

    `seed` is (seed, epoch, position) and decides everything; what comes in from
    beyond the border is 0.
    """
    transform.set_random_seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))
    moved = transform(image=stack, mask=bits)
    return moved["image"], moved["mask"]
