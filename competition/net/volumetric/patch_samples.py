"""The sample of a 3D network: a patch of a scan, and the mask of its every slice."""

import math

import numpy as np

from competition.core import geometry
from competition.core.experiment import configs
from competition.net.volumetric import patches


class PatchGatherer:
    """Gathers a patch around a slice, at a random place within height and width.

    A scan of fewer slices than the patch has its last one repeated.
    """

    UNIT = "patches"

    def __init__(self, config: configs.Config) -> None:
        self.geometry = config.geometry
        self.centred = config.sampling.centred
        self.depth, height, width = config.model.patch
        patch = height, width, self.depth
        self.shapes = {"stack": patch, "bits": patch, "window": (self.depth, 2)}

    def count(self, rows: int) -> int:
        """Return the patches with the voxels of `rows` slices; at most one a row."""
        voxels = rows * self.geometry.height * self.geometry.width
        return max(1, min(rows, voxels // math.prod(self.shapes["stack"])))

    def gather(
        self,
        volume: np.ndarray,
        masks: np.ndarray,
        index: int,
        *,
        stack: np.ndarray,
        bits: np.ndarray,
        seed: tuple[int, int, int],
    ) -> np.ndarray:
        """Fill `stack` and `bits` (h, w, D); return the slices (D,) of their windows.

        `volume` and `masks` are (D', H, W). Where the patch lies is a function of
        `index` and `seed`.
        """
        first = patches.start_around(index, len(volume), self.depth)
        chosen = np.minimum(np.arange(first, first + self.depth), len(volume) - 1)
        # Other numbers than those that augmentation and sampling draw by this seed.
        random = np.random.default_rng((*seed, 1))
        y, x = self._corner(masks[chosen], random)
        box = np.s_[y : y + stack.shape[0], x : x + stack.shape[1]]
        for number, each in enumerate(chosen):
            stack[..., number] = geometry.fit(volume[each], self.geometry)[box]
            bits[..., number] = geometry.fit_mask(masks[each], self.geometry)[box]
        return chosen

    def _corner(
        self, masks: np.ndarray, random: np.random.Generator
    ) -> tuple[int, int]:
        """Draw the first row and column: anywhere, or around a pixel of an organ."""
        frame = self.geometry.height, self.geometry.width
        sides = self.shapes["stack"][:2]
        centred, which, *shares = random.random(4)
        if centred < self.centred:
            anywhere = np.bitwise_or.reduce(masks, axis=0)
            pixels = np.flatnonzero(geometry.fit_mask(anywhere, self.geometry))
            if len(pixels):
                pixel = divmod(int(pixels[int(which * len(pixels))]), frame[1])
                y, x = map(patches.start_around, pixel, frame, sides)
                return y, x
        y, x = (
            int(share * (size - side + 1))
            for share, size, side in zip(shares, frame, sides, strict=True)
        )
        return y, x
