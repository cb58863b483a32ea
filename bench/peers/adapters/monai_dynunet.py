"""MONAI's DynUNet by the recipe of its tutorial for the hippocampus (task 04).

SGD with Nesterov at 0.01 and a polynomial fall, deep supervision, patches of
40 x 56 x 40 in batches of 9, zoom, noise, smoothing, scaled intensities and flips.
"""

import monai.networks.nets
import monai.transforms as transforms
import torch

from bench.peers import clock, monai_loop, volumes

PACKAGES = ("monai", "torch")
PATCH, BATCH = (40, 56, 40), 9
KERNELS, STRIDES = [3, 3, 3, 3], [1, 2, 2, 2]


def train(task: volumes.Task, its: clock.Clock) -> volumes.Predict:
    """Train a DynUNet with deep supervision."""
    torch.manual_seed(0)
    network = monai.networks.nets.DynUNet(
        spatial_dims=3,
        in_channels=1,
        out_channels=len(task.classes) + 1,
        kernel_size=KERNELS,
        strides=STRIDES,
        upsample_kernel_size=STRIDES[1:],
        norm_name="instance",
        deep_supervision=True,
        deep_supr_num=2,
    )
    optimizer = torch.optim.SGD(
        network.parameters(), 0.01, momentum=0.99, weight_decay=3e-5, nesterov=True
    )
    smooth = dict.fromkeys(("sigma_x", "sigma_y", "sigma_z"), (0.5, 1.15))
    changes = [
        *monai_loop.cropped(PATCH),
        transforms.RandZoomd(
            monai_loop.KEYS,
            min_zoom=0.9,
            max_zoom=1.2,
            mode=("trilinear", "nearest"),
            align_corners=(True, None),
            prob=0.15,
        ),
        transforms.RandGaussianNoised("image", std=0.01, prob=0.15),
        transforms.RandGaussianSmoothd("image", prob=0.15, **smooth),
        transforms.RandScaleIntensityd("image", factors=0.3, prob=0.15),
        *monai_loop.flips(),
    ]
    return monai_loop.train(
        task, its, network, optimizer, changes, patch=PATCH, batch=BATCH, power=0.9
    )
