"""Estimate the memory and disk that a training on Kaggle needs, before it begins."""

from typing import TYPE_CHECKING

from competition.core import probabilities
from competition.core.experiment import configs, runs
from competition.kernel import bundles
from competition.kernel.build import contents
from competition.machine import kaggle_limits, memory

if TYPE_CHECKING:
    from competition.net import needs

# Machines with more than one card.
_CARDS = {"NvidiaTeslaT4": 2}


def check(bundle: bundles.Bundle, options: contents.BundleOptions) -> str:
    """Return a sentence on what a training needs; refuse one that fills the disk."""
    prepared = runs.prepared(bundle.dataset)
    most = disk = 0
    lines = []
    for name, config in contents.trained(bundle, options).items():
        folds = list(runs.present_folds(config.folds, prepared["folds"]))
        if options.fold is not None:
            folds = [options.fold]
        needed, at_once = _needs(config, options.machine, len(prepared["classes"]))
        # A kernel of one fold stores no predictions; the kernel with all folds does.
        kept = _predictions(bundle, prepared) if options.fold is None else 0
        disk += needed.disk(len(folds), at_once=at_once) + kept
        most = max(most, needed.memory)
        state = memory.show(2 * needed.state)
        lines.append(f"{name}, folds {folds}: {state} a fold that is not finished")
    room = memory.show(kaggle_limits.DISK)
    if disk > kaggle_limits.DISK:
        raise ValueError(
            f"{bundle.experiment}: the training may take {memory.show(disk)} of disk ("
            f"{'; '.join(lines)}). /kaggle/working has {room}. "
            "Build a kernel for each fold (`--fold 0`) or for each member, or set "
            "training.ema=0 or a smaller `model.encoder`."
        )
    return (
        f"the training needs about {memory.show(most)} of memory on each "
        f"device, and up to {memory.show(disk)} of the {room} of "
        "/kaggle/working"
    )


def _needs(
    config: configs.Config, machine: str, classes: int
) -> tuple["needs.Needs", int]:
    """Return what a fold needs on one of Kaggle's machines, and how many train at once.

    It builds the network to find out.
    """
    # Imported late: loading the framework takes seconds.
    from competition.net import devices, needs
    from competition.net.networks import build

    device = devices.Device("gpu", _CARDS.get(machine, 1), capability=7.5)
    at_once = device.count if config.training.gpus in ("auto", "folds") else 1
    if bundles.is_tpu(machine):
        # A TPU's devices share a batch, and do not train a fold each.
        device = devices.Device("tpu", bundles.TPU_DEVICES, backend="jax")
    with devices.policy(config.training.precision, device):
        network = build.build(config, classes)
    return needs.of(network, config, device), at_once


def _predictions(bundle: bundles.Bundle, prepared: runs.Manifest) -> int:
    """Return about how many bytes the out-of-fold predictions of all scans take."""
    scans = bundle.dataset.root.glob("scans/*.npy")
    pixels = sum(path.stat().st_size // 2 for path in scans)
    return round(probabilities.STORED * pixels * len(prepared["classes"]))
