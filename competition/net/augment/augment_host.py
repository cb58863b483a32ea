"""Engine "host": augmentation on the CPU, albumentations around OpenCV.

Several threads make batches at once. The changes come in from outside, so no transform
holds a random state.
"""

from typing import Any

import albumentations
import cv2
import numpy as np

from competition.net.augment import augment_params

WHITE = np.iinfo(np.uint16).max
Params = dict[str, Any]


def apply(
    stack: np.ndarray,
    bits: np.ndarray,
    window: np.ndarray,
    *,
    changes: augment_params.Changes,
) -> np.ndarray:
    """Change uint16 stacks (B, H, W, K) and bits (B, H, W) in place, without mixup.

    Returns their windows (B, 2), which are (0, 65535) if intensities are changed. For
    patches, bits (B, H, W, K) and windows (B, K, 2) are those of each slice.
    """
    # A transform of its own for each thread.
    transform = ChangedSample(p=1.0)
    for number, (image, mask) in enumerate(zip(stack, bits, strict=True)):
        # Interpolation must not mix in values that the network would see clipped.
        low, high = window[number].T.astype(stack.dtype)
        np.clip(image, low, high, out=image)
        sample = {name: values[number] for name, values in changes.items()}
        sample["window"] = window[number]
        if "warp" in sample:
            control = np.moveaxis(sample["warp"], -1, 0)
            sample["place"] = _spline(control, image.shape[:2])
        changed = transform(image=image, mask=mask, sample=sample)
        image[...], mask[...] = changed["image"], changed["mask"]
    if "cutmix" in changes:
        for images in (stack, bits):
            _cutmix(images, changes["cutmix"].astype(int))
    if augment_params.INTENSITIES & changes.keys():
        return np.full_like(window, (0, WHITE))
    return window


class ChangedSample(albumentations.DualTransform):
    """The warp, the intensities and the holes of one sample, in this order.

    Takes a uint16 stack, its mask and, as `sample`, the changes to them, the window
    (of the stack or of each slice) and the `place` in the source of each pixel.
    """

    targets_as_params = ("sample",)

    def get_params_dependent_on_data(self, params: Params, data: Params) -> Params:
        """Return the parameters that stack and mask share."""
        return {"sample": data["sample"]}

    def apply(self, img: np.ndarray, sample: Params, **params: Any) -> np.ndarray:
        """Change a stack (H, W, K): bilinear, with 0 from beyond the border."""
        img = _move(img, sample, cv2.INTER_LINEAR)
        if augment_params.INTENSITIES & sample.keys():
            low, high = sample["window"].T
            grey = (img - low) / np.maximum(high - low, np.float32(1))
            grey = _change_intensities(np.clip(grey, 0, 1, out=grey), sample)
            img = np.rint(np.clip(grey, 0, 1, out=grey) * WHITE).astype(np.uint16)
        return _empty_holes(img, sample)

    def apply_to_mask(self, mask: np.ndarray, sample: Params, **_: Any) -> np.ndarray:
        """Move bits (H, W) to the nearest pixel, so that they stay bits."""
        return _empty_holes(_move(mask, sample, cv2.INTER_NEAREST), sample)


def _move(image: np.ndarray, sample: Params, interpolation: int) -> np.ndarray:
    if "place" not in sample:
        return image
    x, y = sample["place"]
    return cv2.remap(image, x, y, interpolation).reshape(image.shape)


def _spline(control: np.ndarray, frame: tuple[int, ...]) -> np.ndarray:
    """Draw the B-spline of control points (..., P, P) at all pixels (..., H, W)."""
    rows, columns = (
        augment_params.spline_matrix(size, control.shape[-1]) for size in frame
    )
    return rows @ np.ascontiguousarray(control) @ np.ascontiguousarray(columns.T)


def _change_intensities(x: np.ndarray, changes: augment_params.Changes) -> np.ndarray:
    """Change one float32 stack (H, W, K), leaving out what would change nothing."""
    shape = x.shape
    if "tone" in changes:
        gain, gamma = changes["tone"]
        x = x if gamma == 1 else cv2.pow(x, float(gamma)).reshape(shape)
        x = x * gain
    if "bias" in changes and changes["bias"].any():
        x = x * np.exp(_spline(changes["bias"], shape[:2]))[..., None]
    if "blur" in changes and changes["blur"][0]:
        sigma = float(changes["blur"][0])
        planes = [
            cv2.GaussianBlur(plane, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT)
            for plane in np.moveaxis(x, -1, 0)
        ]
        x = np.stack(planes, axis=-1)
    if "noise" in changes and changes["noise"][0]:
        x = x + _noise(changes["noise"], shape)
    return x


def _noise(change: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Take each slice's noise (H, W, K) out of the tile, whose edges meet."""
    height, width, slices = shape
    tile = augment_params.noise_tile()
    planes = []
    for y, x in augment_params.tile_offsets(slices) + change[1:].astype(int):
        rows = tile.take(np.arange(y, y + height), axis=0, mode="wrap")
        planes.append(rows.take(np.arange(x, x + width), axis=1, mode="wrap"))
    return np.stack(planes, axis=-1) * change[0]


def _empty_holes(image: np.ndarray, changes: augment_params.Changes) -> np.ndarray:
    """Set boxes to 0 in a stack or in bits, so that no class lies in a hole."""
    if "holes" in changes:
        # Boxes may reach over the upper and left border.
        for top, bottom, left, right in np.maximum(changes["holes"].astype(int), 0):
            image[top:bottom, left:right] = 0
    return image


def _cutmix(images: np.ndarray, changes: np.ndarray) -> None:
    """Paste boxes of the partners as they were before any was pasted."""
    boxes = [np.s_[top:bottom, left:right] for _, top, bottom, left, right in changes]
    pairs = zip(changes[:, 0], boxes, strict=True)
    parts = [images[partner][box].copy() for partner, box in pairs]
    for image, box, part in zip(images, boxes, parts, strict=True):
        image[box] = part
