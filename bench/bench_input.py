"""Time batches of 16: 5-slice stacks and masks of 266 x 266, also with augmentation.

tensorflow-addons is measured too if it is installed and TF_USE_LEGACY_KERAS=1.
"""

import contextlib
import importlib.util
import io
import os
import pathlib
import tempfile
from collections.abc import Callable, Iterable

import albumentations
import cv2
import numpy as np
import tensorflow as tf

from bench import clock, folders
from competition import pipeline
from competition.core import stacks
from competition.core.data import arrays, images, slice_table
from competition.core.experiment import configs, layout
from competition.net.augment import augment_device
from competition.net.input import training_data
from competition.net.training import step

SIZE, BATCH, OFFSETS = 266, 16, (-2, -1, 0, 1, 2)
MOVED = "augment.flip=0.5", "augment.affine=1.0", "augment.elastic=1.0"


def main() -> None:
    """Print the ratios, then samples a second of each engine."""
    with (
        tempfile.TemporaryDirectory() as name,
        contextlib.redirect_stderr(io.StringIO()),
    ):
        root = pathlib.Path(name)
        data = folders.write(root / "data", scans=6)
        pipeline.prepare(data, work=root / "work")
        prepared = layout.DatasetFiles(root / "work" / "data")
        against_pngs(data, prepared)
        against_samples(prepared)
        side_by_side(prepared)


def against_pngs(data: pathlib.Path, prepared: layout.DatasetFiles) -> None:
    """Compare with decoding five PNGs for each sample in tf.data, without a mask."""
    paths = [str(data / image.path) for image in images.find(data, "train")]
    files = tf.constant(paths)

    def decoded(index: tf.Tensor) -> tf.Tensor:
        planes = [
            tf.image.decode_png(tf.io.read_file(files[index + offset]), 1, tf.uint16)
            for offset in OFFSETS
        ]
        return tf.concat(planes, axis=-1)

    decoding = _usual(decoded, tf.data.Dataset.range(2, 34 * BATCH + 2))
    # Ten times as many, or opening the stream would take longer than its batches.
    ours = stream(prepared, "none").take(10 * 34)
    ratio = 10 * clock.alternate(lambda: drain(decoding), lambda: drain(ours))
    clock.say("five PNG decodes a sample / input without augmentation", ratio, ">= 40")


def against_samples(prepared: layout.DatasetFiles) -> None:
    """Compare with albumentations' flip, affine, elastic, one sample after another."""
    store = arrays.Arrays(prepared)
    table = slice_table.read(prepared)
    scans, indices = table["scan"].tolist(), table["index"].tolist()
    transform = albumentations.Compose(
        [
            albumentations.HorizontalFlip(p=0.5),
            albumentations.Affine(
                translate_percent=(-0.06, 0.06),
                scale=(0.9, 1.1),
                rotate=(-10, 10),
                interpolation=cv2.INTER_LINEAR,
                mask_interpolation=cv2.INTER_NEAREST,
                p=1,
            ),
            albumentations.ElasticTransform(alpha=60, sigma=8, p=1),
        ]
    )

    def sample(row: int) -> tuple[np.ndarray, np.ndarray]:
        stack = stacks.gather(store.scan(scans[row]), indices[row], OFFSETS)
        bits = np.asarray(store.masks(scans[row])[indices[row]])
        moved = transform(image=stack, mask=bits)
        return moved["image"], moved["mask"]

    def mapped(row: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        stack, bits = tf.numpy_function(sample, [row], (tf.uint16, tf.uint8))
        shape = SIZE, SIZE
        return tf.ensure_shape(stack, (*shape, 5)), tf.ensure_shape(bits, shape)

    single = _usual(mapped, tf.data.Dataset.range(12 * BATCH))
    ours = stream(prepared, "host", *MOVED).take(3 * 12)
    ratio = 3 * clock.alternate(lambda: drain(single), lambda: drain(ours))
    clock.say("albumentations a sample at a time / engine host", ratio, ">= 3")


def side_by_side(prepared: layout.DatasetFiles) -> None:
    """Time flip, affine and elastic by engine; the device's part runs on this CPU."""
    engines = ["none", "host", "device"]
    addons = importlib.util.find_spec("tensorflow_addons")
    if addons and os.environ.get("TF_USE_LEGACY_KERAS") == "1":
        engines.append("addons")
    for engine in engines:
        number = 120 if engine == "none" else 12
        batches = stream(prepared, engine, *MOVED).take(number)
        finish = tf.function(_on_device) if engine == "device" else None
        taken = clock.seconds(lambda b=batches, f=finish: drain(b, f))  # type: ignore
        clock.say(f"samples a second, engine {engine}", number * BATCH / taken, "", "")
    # The training step then gathers the slices.
    numbers = stream(prepared, "device", *MOVED, "input.place=device").take(120)
    taken = clock.seconds(lambda: drain(numbers))
    clock.say("the same, scans on the device", 120 * BATCH / taken, "", "")


def stream(prepared: layout.DatasetFiles, engine: str, *more: str) -> tf.data.Dataset:
    """Return the package's own batches."""
    size = f"geometry.height={SIZE}", f"geometry.width={SIZE}"
    wanted = f"training.batch={BATCH}", f"augment.engine={engine}"
    chosen = configs.load("base", (*size, *wanted, *more))
    table = slice_table.training(slice_table.read(prepared), 0)
    data = training_data.TrainingData(table, arrays.Arrays(prepared))
    # A stream of tf.data has no threads that end with the block.
    with data.batches(chosen) as batches:
        return batches


def drain(
    batches: Iterable, finish: Callable[[dict[str, tf.Tensor]], object] | None = None
) -> None:
    """Take all batches, and keep none."""
    for batch in batches:
        if finish:
            finish(batch)


def _usual(
    function: Callable[[tf.Tensor], object], rows: tf.data.Dataset
) -> tf.data.Dataset:
    mapped = rows.map(function, num_parallel_calls=tf.data.AUTOTUNE)
    return mapped.batch(BATCH, drop_remainder=True).prefetch(tf.data.AUTOTUNE)


def _on_device(batch: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
    stack = step.normalise(batch["stack"], batch["window"])
    return augment_device.apply(stack, step.unpack(batch["bits"], 3), batch)
