"""nnU-Net, its configuration 3d_fullres."""

import nnunetv2  # noqa: F401  (a missing package is told here)

from bench.peers import clock, nnunet_loop, volumes

PACKAGES = ("nnunetv2", "torch")


def train(task: volumes.Task, its: clock.Clock) -> volumes.Predict:
    """Train the configuration 3d_fullres."""
    return nnunet_loop.train(task, its, "3d_fullres")
