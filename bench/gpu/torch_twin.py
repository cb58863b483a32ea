"""`python -m bench.gpu.torch_twin SIZE`: the U-Net of `unet` in plain PyTorch, timed.

Its weights, loss and optimizer are as large and do the same. It runs as fast as PyTorch
can make it: torch.compile, channels last, half precision, a fused optimizer, and CUDA
graphs (mode "reduce-overhead") as well where batches are small. `ahead` only compiles.
"""

import importlib.util
import itertools
import sys
import time
from collections.abc import Callable
from typing import Any

from bench.gpu import cases, flops, report
from competition.core.experiment import configs

# Up to this batch size, a card may wait for its host.
SMALL_BATCH = 32


def main(size: str) -> None:
    """Time all batches of a size, or compile those of all sizes."""
    if importlib.util.find_spec("torch") is None:
        report.say("note", text="PyTorch is not installed: nothing to compare with")
        return
    sizes = ["small", "large"] if size == "ahead" else [size]
    for each in sizes:
        for batch in cases.PAIRS[each][1]:
            for mode in modes(batch):
                _measure(each, batch, mode, only_compile=size == "ahead")


def modes(batch: int) -> list[str]:
    """Return the compile modes to try at a batch size; the faster one counts."""
    return ["default", "reduce-overhead"] if batch <= SMALL_BATCH else ["default"]


def _measure(size: str, batch: int, mode: str, *, only_compile: bool) -> None:
    import torch

    config = cases.pair(size, batch)
    device = "cuda" if torch.cuda.is_available() and not cases.TOY else "cpu"
    torch._dynamo.reset()
    if device == "cuda":
        torch.backends.cudnn.benchmark = not only_compile
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    torch.manual_seed(0)
    network = _unet(config).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=1e-3, weight_decay=1e-4, fused=device == "cuda"
    )
    objective = torch.compile(
        _objective(network, device), dynamic=False, mode=mode, disable=cases.TOY
    )
    numbers = _batch(config, device)

    def steps(count: int) -> None:
        for _ in range(count):
            torch.compiler.cudagraph_mark_step_begin()
            objective(*numbers).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if device == "cuda":
            torch.cuda.synchronize()

    began = time.perf_counter()
    steps(1)
    compiling = time.perf_counter() - began
    if only_compile:
        report.say("compiled", size=size, batch=batch, mode=mode, seconds=compiling)
        return
    timing = cases.timed(steps)
    height, width, slices = cases.PAIRS[size][0]
    work = _flops(network, height * width) * batch / timing.seconds
    peak = torch.cuda.max_memory_allocated() if device == "cuda" else 0
    report.say(
        "step",
        framework="PyTorch",
        experiment="unet",
        size=f"{height} x {width} x {slices}",
        batch=batch,
        engine="none",
        place="host",
        precision=str(_half(device)).removeprefix("torch."),
        mode=mode,
        ms=1e3 * timing.seconds,
        spread=timing.spread,
        images_s=batch / timing.seconds,
        tflops=work / 1e12,
        memory_gb=peak / 1e9,
        compile_s=compiling,
        version=torch.__version__,
    )


def _unet(config: configs.Config) -> Any:
    import torch
    from torch import nn

    widths, dropout = config.model.widths, config.model.dropout

    def conv(before: int, after: int) -> list[Any]:
        return [
            nn.Conv2d(before, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after, eps=1e-3, momentum=1 - config.model.norm_momentum),
            nn.ReLU(inplace=True),
        ]

    def block(before: int, after: int) -> Any:
        dropped = nn.Dropout2d(dropout)
        return nn.Sequential(*conv(before, after), dropped, *conv(after, after))

    class UNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            before = [len(config.slices), *widths]
            self.down = nn.ModuleList(map(block, before, widths))
            finer = list(itertools.pairwise(widths))
            self.doubling = nn.ModuleList(
                nn.ConvTranspose2d(coarse, fine, 2, stride=2) for fine, coarse in finer
            )
            self.up = nn.ModuleList(block(2 * fine, fine) for fine, _ in finer)
            self.logits = nn.Conv2d(widths[0], cases.CLASSES, 1)

        def forward(self, x: Any) -> Any:
            skips = []
            for down in self.down[:-1]:
                x = down(x)
                skips.append(x)
                x = nn.functional.max_pool2d(x, 2)
            x = self.down[-1](x)
            for level in reversed(range(len(skips))):
                x = torch.cat([skips[level], self.doubling[level](x)], dim=1)
                x = self.up[level](x)
            return self.logits(x).float()

    return UNet()


def _objective(network: Any, device: str) -> Callable[..., Any]:
    """Return the loss, from stored numbers to BCE + Dice, as in the project's step."""
    import torch

    def objective(stack: Any, bits: Any, window: Any) -> Any:
        low, high = (window[:, side].view(-1, 1, 1, 1) for side in range(2))
        x = ((stack.float() - low) / (high - low).clamp(min=1)).clamp(0, 1)
        weights = torch.tensor([1, 2, 4], device=device).view(1, -1, 1, 1)
        truth = (bits.int().unsqueeze(1) & weights > 0).float()
        with torch.autocast(device, dtype=_half(device), enabled=device == "cuda"):
            logits = network(x)
        entropy = (torch.nn.functional.softplus(logits) - truth * logits).mean()
        probability = logits.sigmoid()
        smoothing = 0.002 * bits.shape[1] * bits.shape[2]
        both = (truth * probability).sum((0, 2, 3))
        total = (truth + probability).sum((0, 2, 3))
        dice = (2 * both + smoothing) / (total + smoothing)
        return 0.5 * entropy + 0.5 * (1 - dice).mean()

    return objective


def _half(device: str) -> Any:
    """Return the precision that the project chooses on this device."""
    import torch

    if device == "cpu":
        return torch.float32
    # Ampere and later.
    is_late = torch.cuda.get_device_capability() >= (8, 0)
    return torch.bfloat16 if is_late else torch.float16


def _batch(config: configs.Config, device: str) -> list[Any]:
    import torch

    batch = cases.batch_of(config)
    # PyTorch computes little with uint16; these numbers fit. A permuted view has its
    # channels last already.
    stack = torch.from_numpy(batch["stack"].astype("int16")).permute(0, 3, 1, 2)
    bits, window = (torch.from_numpy(batch[name]) for name in ("bits", "window"))
    return [each.to(device) for each in (stack, bits, window)]


def _flops(network: Any, pixels: int) -> float:
    """Return the operations of a sample, counted as `flops.of_step` does."""

    def products(module: Any) -> int:
        return sum(each.numel() for each in module.parameters() if each.ndim == 4)

    total = float(products(network.logits) * pixels)
    for level, block in enumerate(network.down):
        total += products(block) * pixels / 4**level
    for level, (double, block) in enumerate(
        zip(network.doubling, network.up, strict=True)
    ):
        total += products(block) * pixels / 4**level
        total += products(double) * pixels / 4 ** (level + 1)
    return flops.PASSES * 2 * total


if __name__ == "__main__":
    main(*sys.argv[1:])
