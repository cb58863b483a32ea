"""The loop of MONAI's 3D networks: its transforms, Dice + CE, sliding windows."""

import itertools
from collections.abc import Callable

import monai.data
import monai.inferers
import monai.losses
import monai.transforms as transforms
import numpy as np
import torch

from bench.peers import clock, patches, volumes

KEYS = ("image", "label")


def train(
    task: volumes.Task,
    its: clock.Clock,
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    changes: list[Callable],
    *,
    patch: tuple[int, int, int],
    batch: int,
    power: float,
) -> volumes.Predict:
    """Train a network on patches, at a rate that falls as (1 - share) ** power.

    A network with deep supervision returns its outputs along axis 1, finest first. Each
    output has half the weight of the one before.
    """
    torch.set_num_threads(1)
    monai.utils.set_determinism(0)
    loss_of = monai.losses.DiceCELoss(to_onehot_y=True, softmax=True, batch=True)
    rate = optimizer.param_groups[0]["lr"]
    network.train()

    def predict(scan: volumes.Scan) -> np.ndarray:
        network.eval()
        with torch.no_grad():
            image = torch.from_numpy(patches.normalised(scan.image))[None, None]
            found = monai.inferers.sliding_window_inference(
                image, patch, 4, network, overlap=0.5, mode="gaussian"
            )
        network.train()
        return found[0].argmax(0).numpy().astype(np.uint8)

    samples = [
        {"image": patches.normalised(scan.image)[None], "label": labels[None]}
        for scan, labels in zip(task.scans, task.labels, strict=True)
    ]
    loader = monai.data.DataLoader(
        monai.data.Dataset(samples, transforms.Compose(changes)),
        batch_size=batch,
        shuffle=True,
        drop_last=True,
    )
    batches = itertools.chain.from_iterable(itertools.repeat(loader))
    while its.goes_on(predict):
        drawn = next(batches)
        outputs, truth = network(drawn["image"]), drawn["label"]
        outputs = outputs.unbind(1) if outputs.ndim == 6 else (outputs,)
        loss = sum(0.5**i * loss_of(each, truth) for i, each in enumerate(outputs))
        optimizer.zero_grad()
        loss.backward()
        optimizer.param_groups[0]["lr"] = rate * (1 - its.share()) ** power
        optimizer.step()
    return predict


def cropped(patch: tuple[int, int, int]) -> list[Callable]:
    """Return the transforms that cut a patch, half of them about an organ."""
    return [
        transforms.EnsureTyped(KEYS, dtype=torch.float32, track_meta=False),
        transforms.SpatialPadd(KEYS, patch),
        transforms.RandCropByPosNegLabeld(KEYS, "label", patch, num_samples=1),
    ]


def flips() -> list[Callable]:
    """Return a flip along each axis, with probability 0.5."""
    return [
        transforms.RandFlipd(KEYS, prob=0.5, spatial_axis=axis) for axis in range(3)
    ]
