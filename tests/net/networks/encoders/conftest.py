"""Experiments over an encoder, on five slices."""

from competition.core.experiment import configs
from tests.net.conftest import TINY

WIDTHS = "model.widths=[4, 4, 4, 8, 8]"
SLICES = 5


def make(encoder: str, *more: str) -> configs.Config:
    chosen = "slices=[-2, -1, 0, 1, 2]", f"model.encoder={encoder}", WIDTHS
    return configs.load("smoke", (*TINY, *chosen, *more))
