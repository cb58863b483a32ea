"""Engine "addons": augmentation as tf.data graph operations of tensorflow-addons.

Its last release, 0.23.0, has no wheel for Python 3.12 and does not know Keras 3. With
tf-keras installed it can still be imported, and its image operations work.
"""

import functools
import importlib.util
import os
import sys
import warnings
from typing import Any

import tensorflow as tf

from competition.core.experiment import schema
from competition.net.augment import augment_params

WHITE = 65535.0
Batch = dict[str, tf.Tensor]


@functools.cache
def addons() -> Any:
    """Return tensorflow_addons.image; a ValueError says what is missing."""
    switch = "TF_USE_LEGACY_KERAS"
    packages = "tensorflow_addons", "tf_keras"
    installed = [name for name in packages if importlib.util.find_spec(name)]
    if len(installed) < 2 or os.environ.get(switch) != "1":
        raise ValueError(
            '`augment.engine = "addons"` needs tensorflow-addons 0.23.0 and tf-keras '
            f"on Python 3.11, and {switch}=1 in the environment before Python starts. "
            f"Received: Python {sys.version_info[0]}.{sys.version_info[1]}, installed: "
            f"{', '.join(installed) or 'neither'}, {switch}={os.environ.get(switch)}. "
            'Install and set them, or use augment.engine="host".'
        )
    # tensorflow-addons looks for the base layer of Keras 2 where Keras 3 is now.
    sys.modules.setdefault(
        "keras.src.engine", importlib.import_module("tf_keras.src.engine")
    )
    with warnings.catch_warnings():
        # tensorflow-addons warns of its end of life and of TensorFlow's version.
        warnings.simplefilter("ignore")
        return importlib.import_module("tensorflow_addons").image


def apply(batch: Batch, *, limits: schema.Augment) -> Batch:
    """Apply the changes that a batch carries to its stack, bits and window.

    Only mixup and positions are left in it, for the training step. Bits are (B, H, W),
    or (B, H, W, K) of each slice; windows (B, 2) or (B, K, 2). A stack is resampled
    twice, where the other engines do it once: affine and then elastic. In between, its
    border is repeated, where the others take 0.
    """
    stack = tf.cast(batch["stack"], tf.float32)
    bits = tf.cast(batch["bits"], tf.float32)
    bits = bits[..., None] if bits.shape.rank == 3 else bits
    window = batch["window"]
    slices = window.shape[1] if window.shape.rank == 3 else 1
    low, high = tf.unstack(tf.reshape(window, (-1, 1, 1, slices, 2)), axis=-1)
    # Interpolation must not mix in values that the network would see clipped.
    stack = tf.clip_by_value(stack, low, high)
    if "affine" in batch:
        stack = _affine(stack, batch["affine"])
    if "elastic" in batch:
        # tensorflow-addons asks for (row, column), negated.
        displacement = -_spline(batch["elastic"], stack)[..., ::-1]
        stack = addons().dense_image_warp(stack, displacement)
    if "warp" in batch:
        bits = _nearest(bits, batch["warp"])
    if augment_params.INTENSITIES & batch.keys():
        grey = (stack - low) / tf.maximum(high - low, 1.0)
        grey = _intensities(tf.clip_by_value(grey, 0.0, 1.0), batch, limits)
        stack = WHITE * tf.clip_by_value(grey, 0.0, 1.0)
        window = tf.zeros_like(window) + tf.constant([0.0, WHITE])
    if "holes" in batch:
        stack, bits = (_holes(each, batch["holes"], limits) for each in (stack, bits))
    if "cutmix" in batch:
        stack, bits = (_cutmix(each, batch["cutmix"]) for each in (stack, bits))
    bits = tf.reshape(bits, tf.shape(batch["bits"]))
    changed = {
        "stack": tf.cast(tf.round(stack), batch["stack"].dtype),
        "bits": tf.cast(bits, batch["bits"].dtype),
        "window": window,
    }
    left = batch.keys() & {"mixup", "position"}
    return changed | {name: batch[name] for name in left}


def _affine(stack: tf.Tensor, affine: tf.Tensor) -> tf.Tensor:
    """Flip, then rotate, scale and shift by one projective transform."""
    image = addons()
    height, width = (float(size) for size in stack.shape[1:3])
    flip, scale, angle = (affine[:, number] for number in range(3))
    mirrored = flip[:, None, None, None] > 0
    stack = tf.where(mirrored, stack[:, :, ::-1], stack)
    zero = tf.zeros_like(scale)
    shrink = 1 / scale
    x0, y0 = ((1 - shrink) * (size - 1) / 2 for size in (width, height))
    rows = [shrink, zero, x0, zero, shrink, y0, zero, zero]
    # From the target to the source, so the last change comes first.
    matrix = image.compose_transforms(
        [
            tf.stack(rows, axis=1),
            # tensorflow-addons turns the other way.
            image.angles_to_projective_transforms(-angle, height, width),
            image.translations_to_projective_transforms(affine[:, 3:]),
        ]
    )
    return image.transform(stack, matrix, "bilinear")


def _nearest(bits: tf.Tensor, control: tf.Tensor) -> tf.Tensor:
    """Take the nearest bits of the source (B, H, W, K); 0 from beyond the border.

    They are moved once, since a second time would shift them by a pixel.
    """
    source = tf.floor(_spline(control, bits)[..., ::-1] + 0.5)
    rows, columns = (tf.range(size, dtype=tf.float32) for size in bits.shape[1:3])
    grid = tf.stack(tf.meshgrid(rows, columns, indexing="ij"), axis=-1)
    moved = addons().dense_image_warp(bits, grid - source)
    inside = (source >= 0) & (source < [float(size) for size in bits.shape[1:3]])
    return tf.where(tf.reduce_all(inside, axis=-1, keepdims=True), moved, 0.0)


def _spline(control: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """Draw the B-spline of control points (B, P, P) or (B, P, P, C) at all pixels."""
    rows, columns = (
        augment_params.spline_matrix(size, control.shape[1]) for size in like.shape[1:3]
    )
    channels = "c" if control.shape.rank == 4 else ""
    equation = f"hi,bij{channels},wj->bhw{channels}"
    return tf.einsum(equation, rows, control, columns)


def _intensities(stack: tf.Tensor, batch: Batch, limits: schema.Augment) -> tf.Tensor:
    """Change gain, gamma, bias field, blur and noise of normalised stacks."""
    if "tone" in batch:
        gain, gamma = tf.split(batch["tone"][:, None, None, :], 2, axis=-1)
        stack = gain * tf.pow(stack, gamma)
    if "bias" in batch:
        stack = stack * tf.exp(_spline(batch["bias"], stack))[..., None]
    if "blur" in batch:
        stack = _blur(stack, batch["blur"], limits)
    if "noise" in batch:
        stack = stack + _noise(stack, batch["noise"])
    return stack


def _blur(stack: tf.Tensor, sigma: tf.Tensor, limits: schema.Augment) -> tf.Tensor:
    """Filter each sample with the one of a few constant filters that was drawn."""
    step = limits.blur_pixels / augment_params.BLUR_LEVELS

    def blurred(image: tf.Tensor, level: int) -> tf.Tensor:
        size = 2 * int(4 * level * step + 1) + 1
        filtered = addons().gaussian_filter2d(image, size, level * step, "CONSTANT")
        return tf.ensure_shape(filtered, image.shape)

    def one(pair: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        image, sigma = pair
        levels = range(1, augment_params.BLUR_LEVELS + 1)
        branches = [functools.partial(blurred, image, level) for level in levels]
        level = tf.cast(tf.round(sigma[0] / step), tf.int32)
        return tf.switch_case(level, [lambda: image, *branches])

    return tf.map_fn(one, (stack, sigma), fn_output_signature=tf.float32)


def _noise(stack: tf.Tensor, change: tf.Tensor) -> tf.Tensor:
    """Take each slice's noise out of the tile, whose edges meet."""
    sigma = change[:, 0, None, None, None]
    row, column = tf.unstack(tf.cast(change[:, 1:, None, None, None], tf.int32), axis=1)
    y, x = augment_params.noise_places(stack.shape[1:])
    size = augment_params.NOISE_TILE
    tile = augment_params.noise_tile().ravel()
    return sigma * tf.gather(tile, (y + row) % size * size + (x + column) % size)


def _holes(image: tf.Tensor, holes: tf.Tensor, limits: schema.Augment) -> tf.Tensor:
    """Empty the holes of every sample, one after the other."""
    size = augment_params.hole_size(limits, tuple(image.shape[1:3]))
    for hole in tf.unstack(tf.cast(holes, tf.int32), axis=1):
        top, bottom, left, right = tf.unstack(hole, axis=1)
        centre = tf.stack([(top + bottom) // 2, (left + right) // 2], axis=1)
        with_hole = addons().cutout(image, size, centre)
        image = tf.where((bottom > top)[:, None, None, None], with_hole, image)
    return image


def _cutmix(image: tf.Tensor, change: tf.Tensor) -> tf.Tensor:
    """Paste boxes of the partners as they were before any was pasted."""
    partner, top, bottom, left, right = tf.unstack(
        tf.cast(change, tf.int32)[:, :, None, None, None], axis=1
    )
    y = tf.range(image.shape[1])[:, None, None]
    x = tf.range(image.shape[2])[:, None]
    inside = (y >= top) & (y < bottom) & (x >= left) & (x < right)
    return tf.where(inside, tf.gather(image, partner[:, 0, 0, 0]), image)
