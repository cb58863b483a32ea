"""Code of several adapters: normalised scans, stacks of slices, patches, windows."""

import numpy as np

from bench.peers import volumes

# Networks that halve their input five times need multiples of this.
MULTIPLE = 32


def normalised(image: np.ndarray) -> np.ndarray:
    """Return an image with mean 0 and standard deviation 1, float32."""
    return ((image - image.mean()) / (image.std() + 1e-6)).astype(np.float32)


def padded(array: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Pad an array (D, H, W) at its ends with zeros to at least `size`."""
    more = [(0, max(0, s - have)) for s, have in zip(size, array.shape, strict=True)]
    return np.pad(array, more)


def multiple(number: int) -> int:
    """Return the smallest multiple of `MULTIPLE` that is not below `number`."""
    return -(-number // MULTIPLE) * MULTIPLE


class Stacks:
    """Slices with a neighbour on either side, as three channels, with their labels.

    All are padded to one height and width, multiples of `MULTIPLE`.
    """

    def __init__(self, task: volumes.Task) -> None:
        _, height, width = task.largest
        self.size = multiple(height), multiple(width)
        self.images = [self.stacks(scan.image) for scan in task.scans]
        self.labels = [self._padded(each) for each in task.labels]
        self.places = [(s, d) for s, x in enumerate(self.labels) for d in range(len(x))]

    def stacks(self, image: np.ndarray) -> np.ndarray:
        """Return the stacks (D, height, width, 3) of an image (D, H, W)."""
        whole = self._padded(normalised(image))
        below, above = (
            whole[[0, *range(len(whole) - 1)]],
            whole[[*range(1, len(whole)), -1]],
        )
        return np.stack([below, whole, above], axis=-1)

    def batch(
        self, random: np.random.Generator, count: int
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Draw stacks (height, width, 3) and their labels (height, width)."""
        drawn = [self.places[i] for i in random.integers(len(self.places), size=count)]
        images = [self.images[scan][index] for scan, index in drawn]
        return images, [self.labels[scan][index] for scan, index in drawn]

    def _padded(self, array: np.ndarray) -> np.ndarray:
        return padded(array, (len(array), *self.size))


def by_class(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return labels as float32 planes (..., classes), without the background."""
    return np.stack([labels == c + 1 for c in range(classes)], -1).astype(np.float32)


def decided(probability: np.ndarray) -> np.ndarray:
    """Return labels of probabilities (..., classes) at 0.5, the larger one first."""
    found = probability.argmax(axis=-1) + 1
    return np.where(probability.max(axis=-1) >= 0.5, found, 0).astype(np.uint8)
