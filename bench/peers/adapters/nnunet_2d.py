"""nnU-Net, its configuration 2d: slices one by one, with its own planner's network."""

import nnunetv2  # noqa: F401  (a missing package is told here)

from bench.peers import clock, nnunet_loop, volumes

PACKAGES = ("nnunetv2", "torch")


def train(task: volumes.Task, its: clock.Clock) -> volumes.Predict:
    """Train the configuration 2d."""
    return nnunet_loop.train(task, its, "2d")
