"""Time one training step in its own process: `-m bench.one_step FRAMEWORK DTYPE`.

The framework is keras, torch, or product: a matrix product of as many operations, as
fast as the machine computes. The dtype is float32 or bfloat16. Prints the median time
of an image in ms and the peak memory in MiB as JSON. The network, loss, optimizer and
batch of keras and torch are the same. With ONEDNN_VERBOSE=1 in the environment they
print each call of the library that both compute with.
"""

import json
import sys
from collections.abc import Callable

from bench import clock

BATCH, SIZE, SLICES, CLASSES = 8, 128, 5, 3
WIDTHS = 32, 64, 128, 256
REPEATS = 9


def main(framework: str, dtype: str) -> None:
    """Print what a step of the framework takes."""
    made = {"keras": keras_step, "torch": torch_step, "product": product_step}
    step = made[framework](dtype)
    step()
    step()
    image_ms = clock.seconds(step, repeats=REPEATS) / BATCH * 1000
    print(json.dumps({"ms": image_ms, "mib": clock.own_mib()}))


def keras_step(dtype: str) -> Callable[[], object]:
    """Time ours, by `train_on_batch`."""
    import keras
    import numpy as np

    from competition.core.experiment import configs
    from competition.net import devices
    from competition.net.networks import build
    from competition.net.training import losses, schedules, setup, step

    wanted = configs.load("smoke", _network())
    setup.seed(0, deterministic=False)
    policy = "float32" if dtype == "float32" else f"mixed_{dtype}"
    keras.config.set_dtype_policy(policy)
    model = step.TrainingStep(build.build(wanted, CLASSES), losses.build(wanted.loss))
    optimizer = schedules.build_optimizer(wanted.training, steps=100)
    xla = devices.xla("auto", devices.find())
    model.compile(optimizer=optimizer, jit_compile=xla)
    random = np.random.default_rng(0)
    shape = BATCH, SIZE, SIZE
    batch = {
        "stack": random.integers(0, 1000, (*shape, SLICES)).astype(np.uint16),
        "bits": random.integers(0, 8, shape).astype(np.uint8),
        "window": np.tile(np.array([0, 1000], np.float32), (BATCH, 1)),
    }
    return lambda: model.train_on_batch(batch)


def torch_step(dtype: str) -> Callable[[], object]:
    """Time PyTorch's, channels last."""
    import torch

    torch.manual_seed(0)
    network = _unet(torch).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3, weight_decay=1e-4)
    shape = BATCH, SLICES, SIZE, SIZE
    stack = torch.rand(shape).to(memory_format=torch.channels_last)
    truth = (torch.rand(BATCH, CLASSES, SIZE, SIZE) > 0.5).float()
    enabled = dtype == "bfloat16"

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            logits = network(stack)
        _loss(torch, logits.float(), truth).backward()
        optimizer.step()

    return step


def product_step(dtype: str) -> Callable[[], object]:
    """Time a product of matrices with the operations of a step."""
    import tensorflow as tf

    from bench.gpu import flops
    from competition.core.experiment import configs
    from competition.net.networks import build

    network = build.build(configs.load("smoke", _network()), CLASSES)
    side = 2048
    rows = round(BATCH * flops.of_step(network) / (2 * side**2))
    one = tf.cast(tf.random.normal((rows, side)), dtype)
    other = tf.cast(tf.random.normal((side, side)), dtype)
    product = tf.function(lambda: tf.matmul(one, other))
    return lambda: product()[0, 0].numpy()


def _network() -> tuple[str, ...]:
    return (
        f"geometry.height={SIZE}", f"geometry.width={SIZE}",
        f"model.widths={list(WIDTHS)}",
    )  # fmt: skip


def _loss(torch, logits, truth):
    cross = torch.nn.functional.binary_cross_entropy_with_logits(logits, truth)
    probability = torch.sigmoid(logits)
    smooth = 0.002 * SIZE * SIZE
    both = (truth * probability).sum((2, 3))
    total = truth.sum((2, 3)) + probability.sum((2, 3))
    dice = (1 - (2 * both + smooth) / (total + smooth)).mean()
    return 0.5 * cross + 0.5 * dice


def _unet(torch):
    nn = torch.nn

    def block(before: int, width: int) -> nn.Sequential:
        layers = []
        for inner in (before, width):
            layers += [nn.Conv2d(inner, width, 3, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(width), nn.ReLU()]
        return nn.Sequential(*layers)

    class UNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            pairs = list(zip((SLICES, *WIDTHS), WIDTHS, strict=False))
            self.down = nn.ModuleList(block(*pair) for pair in pairs)
            back = list(zip(WIDTHS[:0:-1], WIDTHS[-2::-1], strict=True))
            self.grow = nn.ModuleList(
                nn.ConvTranspose2d(deep, width, 2, stride=2) for deep, width in back
            )
            self.up = nn.ModuleList(block(2 * width, width) for _, width in back)
            self.head = nn.Conv2d(WIDTHS[0], CLASSES, 1)

        def forward(self, x):
            skips = []
            for each in self.down[:-1]:
                x = each(x)
                skips.append(x)
                x = nn.functional.max_pool2d(x, 2)
            x = self.down[-1](x)
            for grow, up in zip(self.grow, self.up, strict=True):
                x = up(torch.cat([skips.pop(), grow(x)], 1))
            return self.head(x)

    return UNet()


if __name__ == "__main__":
    main(*sys.argv[1:])
