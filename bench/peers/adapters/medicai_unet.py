"""medicai: its 3D UNet on a ResNet-18, with the recipe of its guide for brain tumours.

AdamW at 1e-4 (weight decay 1e-5), Dice + CE, random crops of 32 x 64 x 32, flips along
each axis, and shifted intensities by medicai's transforms.
"""

import keras
import medicai.losses
import medicai.models
import medicai.transforms as transforms
import numpy as np
import tensorflow  # noqa: F401  (the backend)
from medicai.utils import inference

from bench.peers import clock, patches, volumes

PACKAGES = ("medicai", "keras", "tensorflow-cpu")
PATCH, BATCH = (32, 64, 32), 4
KEYS = ["image", "label"]


def train(task: volumes.Task, its: clock.Clock) -> volumes.Predict:
    """Train the UNet on patches."""
    keras.utils.set_random_seed(0)
    random, count = np.random.default_rng(0), len(task.classes) + 1
    network = medicai.models.UNet(
        encoder_name="resnet18",
        input_shape=(*PATCH, 1),
        num_classes=count,
        classifier_activation=None,
    )
    network.compile(
        optimizer=keras.optimizers.AdamW(1e-4, weight_decay=1e-5),
        loss=medicai.losses.SparseDiceCELoss(from_logits=True, num_classes=count),
    )
    samples = [
        {
            "image": patches.padded(patches.normalised(scan.image), PATCH)[..., None],
            "label": patches.padded(labels, PATCH)[..., None].astype(np.float32),
        }
        for scan, labels in zip(task.scans, task.labels, strict=True)
    ]
    change = _changes()
    windows = inference.SlidingWindowInference(
        network, num_classes=count, roi_size=PATCH, sw_batch_size=BATCH, overlap=0.5
    )

    def predict(scan: volumes.Scan) -> np.ndarray:
        image = patches.padded(patches.normalised(scan.image), PATCH)
        found = np.asarray(windows(image[None, ..., None]))[0].argmax(-1)
        depth, height, width = scan.image.shape
        return found[:depth, :height, :width].astype(np.uint8)

    while its.goes_on(predict):
        drawn = random.integers(len(samples), size=BATCH)
        changed = [change(dict(samples[number])) for number in drawn]
        images, labels = (np.stack([np.asarray(e[k]) for e in changed]) for k in KEYS)
        network.train_on_batch(images, labels)
    return predict


def _changes() -> transforms.Compose:
    flips = [
        transforms.RandomFlip(keys=KEYS, spatial_axis=axis, prob=0.5)
        for axis in range(3)
    ]
    return transforms.Compose(
        [
            transforms.RandomSpatialCrop(keys=KEYS, crop_size=PATCH),
            *flips,
            transforms.RandomShiftIntensity(keys=["image"], offset=0.1, prob=1.0),
        ]
    )
