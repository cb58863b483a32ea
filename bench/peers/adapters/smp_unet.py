"""segmentation_models_pytorch: its Unet on a ResNet-34, as in the usual notebook.

Three slices as channels, Dice + CE, AdamW at 1e-3 that falls as a cosine, batches of
16, flips, and turns by up to 15 degrees. Random weights: notebooks begin with those of
ImageNet, which would have to be downloaded.
"""

import math

import numpy as np
import segmentation_models_pytorch as smp
import torch

from bench.peers import clock, patches, volumes

PACKAGES = ("segmentation_models_pytorch", "timm", "torch")
BATCH, RATE, DECAY = 16, 1e-3, 1e-4
DEGREES = 15


def train(task: volumes.Task, its: clock.Clock) -> volumes.Predict:
    """Train the Unet on stacks of three slices."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    random, stacks = np.random.default_rng(0), patches.Stacks(task)
    network = smp.Unet(
        "resnet34", encoder_weights=None, in_channels=3, classes=len(task.classes) + 1
    )
    dice_of = smp.losses.DiceLoss("multiclass", from_logits=True)
    entropy_of = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
    network.train()

    def predict(scan: volumes.Scan) -> np.ndarray:
        network.eval()
        with torch.no_grad():
            batches = _channels_first(stacks.stacks(scan.image)).split(BATCH)
            found = torch.cat([network(each).argmax(1) for each in batches])
        network.train()
        _, height, width = scan.image.shape
        return found[:, :height, :width].numpy().astype(np.uint8)

    while its.goes_on(predict):
        drawn, truth = stacks.batch(random, BATCH)
        images, labels = changed(
            _channels_first(np.stack(drawn)), torch.from_numpy(np.stack(truth))
        )
        logits = network(images)
        loss = dice_of(logits, labels) + entropy_of(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.param_groups[0]["lr"] = (
            RATE * (1 + math.cos(math.pi * its.share())) / 2
        )
        optimizer.step()
    return predict


def changed(
    images: torch.Tensor, labels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Flip and turn images (B, 3, H, W) and labels (B, H, W); return those as int64."""
    count, _, height, width = images.shape
    angle = (torch.rand(count) * 2 - 1) * math.radians(DEGREES)
    # Rows are (x, y): a flip is a sign, and a pixel is as wide as it is high.
    across, down = (torch.randint(2, (2, count)) * 2 - 1).float()
    sine, cosine = angle.sin(), angle.cos()
    turn = torch.zeros(count, 2, 3)
    turn[:, 0, 0], turn[:, 0, 1] = across * cosine, -across * sine * height / width
    turn[:, 1, 0], turn[:, 1, 1] = down * sine * width / height, down * cosine
    grid = torch.nn.functional.affine_grid(turn, [*images.shape], align_corners=False)
    planes = labels[:, None].float()
    images, planes = (
        torch.nn.functional.grid_sample(x, grid, mode, align_corners=False)
        for x, mode in ((images, "bilinear"), (planes, "nearest"))
    )
    return images, planes[:, 0].long()


def _channels_first(stacks: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(stacks, -1, 1)))
