"""Train with a batch that does not fit the memory of the device."""

import pathlib
import tempfile
from typing import Any

import keras

from bench.gpu import cases, fitting
from competition.net import devices
from competition.net.networks import build
from competition.net.training import checkpoint, progress, setup, step
from competition.net.training import fitting as training

# More than the network of this file keeps of a sample for its gradient, in bytes: where
# twice as many fill the memory, a quarter of them or so will fit.
SAMPLE_BYTES = 40e6
OWNER = "full memory"


class _NoScans:
    """Stands in for scans to score."""

    def score(self, network: keras.Model) -> float:
        """Return any score."""
        return 0.5

    def draw(self, network: keras.Model, path: pathlib.Path) -> None:
        """Draw nothing."""


def train() -> tuple[int, bool]:
    """Return how often the batch was halved, and whether memory was really full."""
    limit = devices.free_memory()
    # The host holds the samples as well, in numbers that are small beside these.
    batch = min(512, round(2 * limit / SAMPLE_BYTES)) if limit else 4
    asked = ["geometry.height=256", "geometry.width=256", "model.widths=[32, 64]"]
    if cases.TOY:
        asked = ["geometry.height=32", "geometry.width=32", "model.widths=[4]"]
    config = cases.experiment(
        "smoke",
        *asked,
        f"training.batch={batch}",
        "training.precision=float32",
        "training.tensorboard=false",
        "augment.engine=none",
        "input.place=host",
    )
    if limit is None:
        _refuse_more_than(batch // 2)
    setup.seed(0, deterministic=False)
    with tempfile.TemporaryDirectory() as root:
        data = fitting.Data(root, config)
        one = data.config.training.model_copy(update={"epochs": 1})
        folder = pathlib.Path(root) / "fold"
        fold = setup.FoldTraining(
            build.build(config, cases.CLASSES),
            data.config.model_copy(update={"training": one}),
            data.data,
            _NoScans(),  # type: ignore[arg-type]
            progress.FoldProgress("fold 0", 1),
            folder,
            owner=OWNER,
        )
        training.fit(fold)
        halvings: int = checkpoint.load(folder, OWNER).state.halvings
    return halvings, limit is not None


def _refuse_more_than(samples: int) -> None:
    """Make the step fail for larger batches as it fails on a full device."""
    normalise = step.normalise

    def scarce(stack: Any, window: Any) -> Any:
        if stack.shape[0] > samples:
            raise RuntimeError("RESOURCE_EXHAUSTED: said, not so")
        return normalise(stack, window)

    step.normalise = scarce
