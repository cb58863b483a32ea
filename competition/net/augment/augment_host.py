"""Engine "host": augmentation on the CPU, albumentations around OpenCV.

The thread pool is that of tf.data, which makes several batches at once. What is drawn
comes in from outside, so no transform holds a random state.
"""

from typing import Any

import albumentations
import cv2
import numpy as np

from competition.net.augment import augment_params

_TOP = 65535
Params = dict[str, Any]
Pair = tuple[np.ndarray, np.ndarray]


class Warp(albumentations.DualTransform):
    """Flip, shift, scale, rotation and elastic as one resampling of stack and bits.

    Writes into `into`, the stack (H, W, K) and bits (H, W) that are to be changed.
    """

    targets_as_params = ("drawn", "into")

    def get_params_dependent_on_data(self, params: Params, data: Params) -> Params:
        """From control points (P, P, 2) to where each pixel comes from."""
        control = np.moveaxis(data["drawn"]["warp"], -1, 0)
        height, width = data["image"].shape[:2]
        rows = augment_params.upsampling(height, control.shape[1])
        columns = augment_params.upsampling(width, control.shape[2])
        x, y = rows @ np.ascontiguousarray(control) @ np.ascontiguousarray(columns.T)
        return {"x": x, "y": y, "into": data["into"]}

    def apply(
        self, img: np.ndarray, x: np.ndarray, y: np.ndarray, into: Pair, **params: Any
    ) -> np.ndarray:
        """Sample a stack (H, W, K) between its pixels; 0 from beyond the border."""
        cv2.remap(img, x, y, cv2.INTER_LINEAR, dst=into[0])
        return into[0]

    def apply_to_mask(
        self, mask: np.ndarray, x: np.ndarray, y: np.ndarray, into: Pair, **params: Any
    ) -> np.ndarray:
        """Take the nearest bits (H, W), so that they stay bits."""
        cv2.remap(mask, x, y, cv2.INTER_NEAREST, dst=into[1])
        return into[1]


class Intensities(albumentations.ImageOnlyTransform):
    """Gamma, gain, bias field, blur and noise between low and high of a stack.

    Takes uint16 with its window, or one a slice, and returns uint16 with the window
    (0, 65535).
    """

    targets_as_params = ("drawn", "window")

    def get_params_dependent_on_data(self, params: Params, data: Params) -> Params:
        """What was drawn for this sample, and its low and high."""
        return {"drawn": data["drawn"], "window": data["window"]}

    def apply(
        self,
        img: np.ndarray,
        drawn: augment_params.Drawn,
        window: np.ndarray,
        **params: Any,
    ) -> np.ndarray:
        """Change a stack (H, W, K)."""
        low, high = window.T
        x = (img - low) / np.maximum(high - low, np.float32(1))
        x = _change(np.clip(x, 0, 1, out=x), drawn)
        return np.rint(np.clip(x, 0, 1, out=x) * _TOP).astype(np.uint16)


class Holes(albumentations.DualTransform):
    """Empty boxes in stack and bits: what is not seen is not asked for."""

    targets_as_params = ("drawn",)

    def get_params_dependent_on_data(self, params: Params, data: Params) -> Params:
        """The boxes (N, 4), cut at the border."""
        return {"boxes": np.maximum(data["drawn"]["holes"], 0).astype(int)}

    def apply(self, img: np.ndarray, boxes: np.ndarray, **params: Any) -> np.ndarray:
        """Set them to 0 in a stack (H, W, K) or in bits (H, W)."""
        img = img.copy()
        for top, bottom, left, right in boxes:
            img[top:bottom, left:right] = 0
        return img

    def apply_to_mask(
        self, mask: np.ndarray, boxes: np.ndarray, **params: Any
    ) -> np.ndarray:
        """The same as in the stack."""
        return self.apply(mask, boxes)


def apply(
    stack: np.ndarray,
    bits: np.ndarray,
    window: np.ndarray,
    *,
    drawn: augment_params.Drawn,
) -> np.ndarray:
    """Change uint16 stacks (B, H, W, K) and bits (B, H, W) in place, without mixup.

    Returns their windows (B, 2), which are (0, 65535) where intensities are changed.
    Of patches bits (B, H, W, K) and windows (B, K, 2) are those of each slice.
    """
    changed = augment_params.INTENSITIES & drawn.keys()
    transform = _transform(drawn)
    source = np.empty_like(stack[0]), np.empty_like(bits[0])
    for number, into in enumerate(zip(stack, bits, strict=True)):
        # The network sees no more than the window: nor do the pixels in between.
        low, high = window[number].T.astype(stack.dtype)
        np.clip(into[0], low, high, out=source[0])
        source[1][...] = into[1]
        moved = transform(
            image=source[0],
            mask=source[1],
            drawn={name: values[number] for name, values in drawn.items()},
            window=window[number],
            into=into,
        )
        for each, after in zip((moved["image"], moved["mask"]), into, strict=True):
            if each is not after:
                after[...] = each
    if "cutmix" in drawn:
        for each in (stack, bits):
            _cutmix(each, drawn["cutmix"].astype(int))
    return np.full_like(window, (0, _TOP)) if changed else window


def _transform(drawn: augment_params.Drawn) -> albumentations.Compose:
    """Make the transforms that have something to do; one for each thread."""
    chosen: list[Any] = []
    if "warp" in drawn:
        chosen.append(Warp(p=1.0))
    if augment_params.INTENSITIES & drawn.keys():
        chosen.append(Intensities(p=1.0))
    if "holes" in drawn:
        chosen.append(Holes(p=1.0))
    return albumentations.Compose(chosen, strict=False)


def _change(x: np.ndarray, drawn: augment_params.Drawn) -> np.ndarray:
    """Change one float32 stack (H, W, K); what would change nothing is left out."""
    shape = x.shape
    if "tone" in drawn:
        gain, gamma = drawn["tone"]
        x = x if gamma == 1 else cv2.pow(x, float(gamma)).reshape(shape)
        x = x * gain
    if "bias" in drawn and drawn["bias"].any():
        rows, columns = (
            augment_params.upsampling(n, len(drawn["bias"])) for n in shape[:2]
        )
        x = x * np.exp(rows @ drawn["bias"] @ columns.T)[..., None]
    if "blur" in drawn and drawn["blur"][0]:
        sigma = float(drawn["blur"][0])
        planes = [
            cv2.GaussianBlur(plane, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT)
            for plane in np.moveaxis(x, -1, 0)
        ]
        x = np.stack(planes, axis=-1)
    if "noise" in drawn and drawn["noise"][0]:
        x = x + _noise(drawn["noise"], shape)
    return x


def _noise(drawn: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Cut each slice's noise (H, W, K) out of the tile; its edges meet."""
    noise = np.empty(shape, np.float32)
    for number, offset in enumerate(augment_params.tile_offsets(shape[-1])):
        first = drawn[1:].astype(int) + offset
        rows, columns = (
            (np.arange(size) + start) % augment_params.TILE
            for size, start in zip(shape, first, strict=False)
        )
        noise[..., number] = (
            augment_params.tile().take(rows, axis=0).take(columns, axis=1)
        )
    return noise * drawn[0]


def _cutmix(images: np.ndarray, drawn: np.ndarray) -> None:
    """Paste boxes of the partners as they were before any was pasted."""
    boxes = [np.s_[top:bottom, left:right] for _, top, bottom, left, right in drawn]
    pairs = zip(drawn[:, 0], boxes, strict=True)
    pasted = [images[partner][box].copy() for partner, box in pairs]
    for image, box, part in zip(images, boxes, pasted, strict=True):
        image[box] = part
