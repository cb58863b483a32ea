"""A fold set up for training: its network, on its devices and in its precision."""

import contextlib
import dataclasses
import pathlib
from collections.abc import Iterator

import keras

from competition.core import console
from competition.core.experiment import configs, layout, runs
from competition.machine import deadline, gpus
from competition.net import augment, devices, hosts
from competition.net.input import training_data
from competition.net.networks import build, encoders
from competition.net.training import checkpoint, progress, validation


@dataclasses.dataclass(frozen=True)
class FoldTraining:
    """The parts of a fold's training that are the same in every attempt.

    Its weights and states are marked with `owner`, which `runs.owner` returns.
    """

    network: keras.Model
    config: configs.Config
    data: training_data.TrainingData
    held_out: validation.HeldOutScans
    lines: progress.FoldProgress
    folder: pathlib.Path
    owner: str
    limit: deadline.Deadline | None = None


@contextlib.contextmanager
def network(run: runs.Run, fold: layout.Fold) -> Iterator[keras.Model]:
    """Build the network of a fold, to be trained inside the `with` block.

    The block runs with the seed, the precision and on the devices that the config asks
    for; the precision is reset at its end.
    """
    settings = run.config.training
    device = devices.find()
    deterministic = devices.deterministic(settings.deterministic, device)
    number = 0 if fold == "all" else fold
    seed(run.config.seed + number, deterministic=deterministic)
    # Several hosts share the variables later, when they have the same values.
    alone = contextlib.nullcontext()
    with (
        devices.policy(settings.precision, device),
        devices.shared(settings.gpus, device) if hosts.count() == 1 else alone,
    ):
        with devices.memory_for("the network"):
            built = build.build(run.config, len(run.classes))
        if hosts.is_first() and not checkpoint.exists(run.files.fold(fold)):
            encoders.load_weights(built, run.config)
        yield built


def description(config: configs.Config, data: training_data.TrainingData) -> str:
    """Describe what a training computes on; warn of a GPU that it does not see.

    The warning says how to mend that.
    """
    device, training = devices.find(), config.training
    present = gpus.visible()
    if present and device.kind == "cpu":
        console.warn(
            f"This machine has {len(present)} GPU, and {device.backend} computes on "
            "the CPU. Install its CUDA libraries (`make setup GPU=1` for TensorFlow, "
            "jax[cuda12] for JAX), and a driver that is new enough for them. To train "
            "on the CPU set CUDA_VISIBLE_DEVICES=-1."
        )
    precision = devices.precision(training.precision, device)
    used = devices.sharing(training.gpus, device)
    xla = "with" if devices.xla(training.xla, device, sharing=used) else "without"
    number = f"{used}" if used == device.count else f"{used} of {device.count}"
    if hosts.count() > 1:
        number = f"{hosts.count()} hosts with {number}"
    return (
        f"{number} {device.kind.upper()} ({device.backend}), {precision}, "
        f"{xla} XLA, augmentation: {augment.engine(config.augment)}, "
        f"scans: {data.place(config)}"
    )


def seed(number: int, *, deterministic: bool = True) -> None:
    """Make initial weights and dropout repeatable; to the bit if `deterministic`."""
    keras.utils.set_random_seed(number)
    if deterministic:
        devices.make_deterministic()
