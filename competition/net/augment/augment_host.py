"""Engine "host": augmentation on the CPU, albumentations around OpenCV.

The thread pool is that of tf.data, which makes several batches at once. The changes
come in from outside, so no transform holds a random state.
"""

from typing import Any

import albumentations
import cv2
import numpy as np

from competition.net.augment import augment_params

WHITE = np.iinfo(np.uint16).max
Params = dict[str, Any]
Pair = tuple[np.ndarray, np.ndarray]


class Warp(albumentations.DualTransform):
    """Flip, shift, scale, rotation and elastic as one resampling of stack and bits.

    Writes into `target`, the stack (H, W, K) and bits (H, W) that are to be changed.
    """

    targets_as_params = ("changes", "target")

    def get_params_dependent_on_data(self, params: Params, data: Params) -> Params:
        """Turn control points (P, P, 2) into the place that each pixel comes from."""
        control = np.moveaxis(data["changes"]["warp"], -1, 0)
        height, width = data["image"].shape[:2]
        rows = augment_params.spline_matrix(height, control.shape[1])
        columns = augment_params.spline_matrix(width, control.shape[2])
        x, y = rows @ np.ascontiguousarray(control) @ np.ascontiguousarray(columns.T)
        return {"x": x, "y": y, "target": data["target"]}

    def apply(
        self, img: np.ndarray, x: np.ndarray, y: np.ndarray, target: Pair, **params: Any
    ) -> np.ndarray:
        """Sample a stack (H, W, K) between its pixels; 0 from beyond the border."""
        cv2.remap(img, x, y, cv2.INTER_LINEAR, dst=target[0])
        return target[0]

    def apply_to_mask(
        self,
        mask: np.ndarray,
        x: np.ndarray,
        y: np.ndarray,
        target: Pair,
        **params: Any,
    ) -> np.ndarray:
        """Take the nearest bits (H, W), so that they stay bits."""
        cv2.remap(mask, x, y, cv2.INTER_NEAREST, dst=target[1])
        return target[1]


class Intensities(albumentations.ImageOnlyTransform):
    """Gamma, gain, bias field, blur and noise between low and high of a stack.

    Takes uint16 with its window, or one for each slice, and returns uint16 with the
    window (0, 65535).
    """

    targets_as_params = ("changes", "window")

    def get_params_dependent_on_data(self, params: Params, data: Params) -> Params:
        """Return the changes to this sample, and its low and high."""
        return {"changes": data["changes"], "window": data["window"]}

    def apply(
        self,
        img: np.ndarray,
        changes: augment_params.Changes,
        window: np.ndarray,
        **params: Any,
    ) -> np.ndarray:
        """Change a stack (H, W, K)."""
        low, high = window.T
        x = (img - low) / np.maximum(high - low, np.float32(1))
        x = _change_intensities(np.clip(x, 0, 1, out=x), changes)
        return np.rint(np.clip(x, 0, 1, out=x) * WHITE).astype(np.uint16)


class Holes(albumentations.DualTransform):
    """Empty boxes in stack and bits: what is not seen is not asked for."""

    targets_as_params = ("changes",)

    def get_params_dependent_on_data(self, params: Params, data: Params) -> Params:
        """Return the boxes (N, 4), cut at the border."""
        return {"boxes": np.maximum(data["changes"]["holes"], 0).astype(int)}

    def apply(self, img: np.ndarray, boxes: np.ndarray, **params: Any) -> np.ndarray:
        """Set the boxes to 0 in a stack (H, W, K) or in bits (H, W)."""
        img = img.copy()
        for top, bottom, left, right in boxes:
            img[top:bottom, left:right] = 0
        return img

    def apply_to_mask(
        self, mask: np.ndarray, boxes: np.ndarray, **params: Any
    ) -> np.ndarray:
        """Set the boxes to 0, as in the stack."""
        return self.apply(mask, boxes)


def apply(
    stack: np.ndarray,
    bits: np.ndarray,
    window: np.ndarray,
    *,
    changes: augment_params.Changes,
) -> np.ndarray:
    """Change uint16 stacks (B, H, W, K) and bits (B, H, W) in place, without mixup.

    Returns their windows (B, 2), which are (0, 65535) where intensities are changed.
    Of patches, bits (B, H, W, K) and windows (B, K, 2) are those of each slice.
    """
    # A transform of its own for each thread.
    transform = _transform(changes)
    source = np.empty_like(stack[0]), np.empty_like(bits[0])
    for number, target in enumerate(zip(stack, bits, strict=True)):
        # The network sees no more than the window: nor do the pixels in between.
        low, high = window[number].T.astype(stack.dtype)
        np.clip(target[0], low, high, out=source[0])
        source[1][...] = target[1]
        moved = transform(
            image=source[0],
            mask=source[1],
            changes={name: values[number] for name, values in changes.items()},
            window=window[number],
            target=target,
        )
        for array, out in zip((moved["image"], moved["mask"]), target, strict=True):
            # `Warp` has written there already, if nothing came after it.
            if array is not out:
                out[...] = array
    if "cutmix" in changes:
        for images in (stack, bits):
            _cutmix(images, changes["cutmix"].astype(int))
    if augment_params.INTENSITIES & changes.keys():
        return np.full_like(window, (0, WHITE))
    return window


def _transform(changes: augment_params.Changes) -> albumentations.Compose:
    """Compose the transforms that have something to do."""
    chosen: list[Any] = []
    if "warp" in changes:
        chosen.append(Warp(p=1.0))
    if augment_params.INTENSITIES & changes.keys():
        chosen.append(Intensities(p=1.0))
    if "holes" in changes:
        chosen.append(Holes(p=1.0))
    return albumentations.Compose(chosen, strict=False)


def _change_intensities(x: np.ndarray, changes: augment_params.Changes) -> np.ndarray:
    """Change one float32 stack (H, W, K), leaving out what would change nothing."""
    shape = x.shape
    if "tone" in changes:
        gain, gamma = changes["tone"]
        x = x if gamma == 1 else cv2.pow(x, float(gamma)).reshape(shape)
        x = x * gain
    if "bias" in changes and changes["bias"].any():
        rows, columns = (
            augment_params.spline_matrix(n, len(changes["bias"])) for n in shape[:2]
        )
        x = x * np.exp(rows @ changes["bias"] @ columns.T)[..., None]
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
    noise = np.empty(shape, np.float32)
    tile = augment_params.noise_tile()
    for number, offset in enumerate(augment_params.tile_offsets(shape[-1])):
        first = change[1:].astype(int) + offset
        rows, columns = (
            (np.arange(size) + start) % augment_params.NOISE_TILE
            for size, start in zip(shape, first, strict=False)
        )
        noise[..., number] = tile.take(rows, axis=0).take(columns, axis=1)
    return noise * change[0]


def _cutmix(images: np.ndarray, changes: np.ndarray) -> None:
    """Paste boxes of the partners as they were before any was pasted."""
    boxes = [np.s_[top:bottom, left:right] for _, top, bottom, left, right in changes]
    pairs = zip(changes[:, 0], boxes, strict=True)
    parts = [images[partner][box].copy() for partner, box in pairs]
    for image, box, part in zip(images, boxes, parts, strict=True):
        image[box] = part
