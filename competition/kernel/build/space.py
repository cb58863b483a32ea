"""What a training on Kaggle needs of memory and disk, before it begins."""

from competition.core.experiment import configs, runs
from competition.kernel import bundles
from competition.kernel.build import contents

# Of /kaggle/working, which holds the run.
KAGGLE_DISK = 20 * 10**9
# Machines with more cards than one.
_CARDS = {"NvidiaTeslaT4": 2}
# Bytes of an out-of-fold prediction for each pixel and class, compressed, on phantoms.
_PREDICTION = 0.04


def check(bundle: bundles.Bundle, options: contents.BundleOptions) -> str:
    """Return in words what a training needs; more disk than Kaggle has is an error."""
    # Imported late: loading the framework takes seconds.
    from competition.net import devices, needs
    from competition.net.networks import build

    config = configs.load(bundle.experiment, options.overrides)
    prepared = runs.prepared(bundle.dataset)
    device = devices.Device("gpu", _CARDS.get(options.machine, 1), capability=7.5)
    at_once = device.count if config.training.gpus in ("auto", "folds") else 1
    if bundles.is_tpu(options.machine):
        # Its devices have no fold each: they share a batch.
        device = devices.Device("tpu", bundles.TPU_DEVICES, backend="jax")
    with devices.policy(config.training.precision, device):
        network = build.build(config, len(prepared["classes"]))
    needed = needs.of(network, config, device)
    if options.fold is None:
        folds = [fold for fold in config.folds if fold < prepared["folds"]]
        disk = needed.disk(len(folds), at_once=at_once) + _predictions(bundle, prepared)
    else:
        folds, disk = [options.fold], needed.disk(1)
    if disk > KAGGLE_DISK:
        raise ValueError(
            f"{bundle.experiment}: to train the folds {folds}, each a network of "
            f"{network.count_params():,} parameters, may take {needs.show(disk)} of "
            f"disk, {needs.show(2 * needed.state)} a fold that is not finished. "
            f"/kaggle/working has {needs.show(KAGGLE_DISK)}. Build a kernel for each "
            "fold (`--fold 0`), or set training.ema=0 or a smaller `model.encoder`."
        )
    return (
        f"the training needs about {needs.show(needed.memory)} of memory on each "
        f"device, and up to {needs.show(disk)} of the {needs.show(KAGGLE_DISK)} of "
        "/kaggle/working"
    )


def _predictions(bundle: bundles.Bundle, prepared: runs.Manifest) -> int:
    """Return about how many bytes the out-of-fold predictions of all scans take."""
    scans = bundle.dataset.root.glob("scans/*.npy")
    pixels = sum(path.stat().st_size // 2 for path in scans)
    return round(_PREDICTION * pixels * len(prepared["classes"]))
