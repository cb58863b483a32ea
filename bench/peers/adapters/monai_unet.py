"""MONAI's residual UNet by its examples of 3D segmentation.

Five levels of 16 to 256 channels with two residual units, Adam at 1e-3, patches of
48 x 64 x 48 in batches of 4, flips, turns by 90 degrees and shifted intensities.
"""

import monai.networks.nets
import monai.transforms as transforms
import torch

from bench.peers import clock, monai_loop, volumes

PACKAGES = ("monai", "torch")
PATCH, BATCH = (48, 64, 48), 4


def train(task: volumes.Task, its: clock.Clock) -> volumes.Predict:
    """Train a UNet at a constant rate."""
    torch.manual_seed(0)
    network = monai.networks.nets.UNet(
        spatial_dims=3,
        in_channels=1,
        out_channels=len(task.classes) + 1,
        channels=(16, 32, 64, 128, 256),
        strides=(2, 2, 2, 2),
        num_res_units=2,
        norm="batch",
    )
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    changes = [
        *monai_loop.cropped(PATCH),
        *monai_loop.flips(),
        # Turn in the plane whose sides are equal.
        transforms.RandRotate90d(
            monai_loop.KEYS, prob=0.1, max_k=3, spatial_axes=(0, 2)
        ),
        transforms.RandShiftIntensityd("image", offsets=0.1, prob=0.5),
    ]
    return monai_loop.train(
        task, its, network, optimizer, changes, patch=PATCH, batch=BATCH, power=0.0
    )
