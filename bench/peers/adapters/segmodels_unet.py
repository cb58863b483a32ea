"""segmodels_keras: its U-Net on a ResNet-34, three slices, sigmoid for each class.

Adam at 1e-3, its loss `bce_dice_loss`, batches of 16, flips. Random weights, since
published ones would have to be downloaded.
"""

import keras
import numpy as np
import segmodels_keras
import tensorflow  # noqa: F401  (the backend)

from bench.peers import clock, patches, volumes

PACKAGES = ("segmodels_keras", "keras", "tensorflow-cpu")
BATCH, RATE = 16, 1e-3


def train(task: volumes.Task, its: clock.Clock) -> volumes.Predict:
    """Train the U-Net on stacks of three slices."""
    keras.utils.set_random_seed(0)
    random, stacks = np.random.default_rng(0), patches.Stacks(task)
    classes = len(task.classes)
    network = segmodels_keras.Unet(
        "resnet34",
        input_shape=(*stacks.size, 3),
        classes=classes,
        activation="sigmoid",
        encoder_weights=None,
    )
    network.compile(
        optimizer=keras.optimizers.Adam(RATE),
        loss=segmodels_keras.losses.bce_dice_loss,
    )

    def predict(scan: volumes.Scan) -> np.ndarray:
        found = network.predict(stacks.stacks(scan.image), batch_size=BATCH, verbose=0)
        _, height, width = scan.image.shape
        return patches.decided(found[:, :height, :width])

    while its.goes_on(predict):
        images, labels = (np.stack(each) for each in stacks.batch(random, BATCH))
        for axis in (1, 2):
            flipped = random.random(BATCH) < 0.5
            images[flipped] = np.flip(images[flipped], axis)
            labels[flipped] = np.flip(labels[flipped], axis)
        network.train_on_batch(images, patches.by_class(labels, classes))
    return predict
