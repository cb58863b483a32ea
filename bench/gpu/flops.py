"""The operations of a training step of a network, and the peaks of cards."""

import math
from typing import Any

# Dense products in half precision, TFLOP/s, and memory, GB/s, by the data sheets. The
# first name that a device's name holds counts.
CARDS = {
    "H200": (989, 4800),
    "H100 PCIe": (756, 2000),
    "H100": (989, 3350),
    "A100-SXM4-80GB": (312, 2039),
    "A100 80GB": (312, 1935),
    "A100": (312, 1555),
    "L40S": (362, 864),
    "L40": (181, 864),
    "L4": (121, 300),
    "A10G": (70, 600),
    "A10": (125, 600),
    "RTX 3090": (71, 936),
    "RTX 4090": (165, 1008),
    "T4": (65, 320),
    "V100": (125, 900),
    "P100": (19, 732),
    "TPU v5": (197, 819),
}


# The forward pass, and the gradients of features and of weights.
PASSES = 3


def card(device: str) -> tuple[float, float] | None:
    """Return TFLOP/s and GB/s of a device by its name, None for an unknown one."""
    return next((peaks for name, peaks in CARDS.items() if name in device), None)


def of_step(network: Any) -> float:
    """Return the operations of a sample: three times the products of a forward pass."""
    total = 0.0
    for layer in network.layers:
        kernel = getattr(layer, "kernel", None)
        if kernel is None:
            continue
        # A transposed convolution works at every pixel that comes in.
        at = layer.input if "Transpose" in type(layer).__name__ else layer.output
        total += 2.0 * math.prod(kernel.shape) * math.prod(at.shape[1:-1])
    return PASSES * total
