"""Load a trained network: the network of a run's config with the weights of a fold."""

from competition.core.experiment import layout, runs
from competition.net import devices, weights_file
from competition.net.frameworks import keras
from competition.net.networks import build

_REMEDY = (
    "Copy the file again from where it was trained, or delete the fold's folder and "
    "train it again."
)


@devices.memory_for("the network")
def load(
    run: runs.Run, fold: layout.Fold, *, size: tuple[int, int] | None = None
) -> keras.Model:
    """Build the network of a run and load the weights of a fold into it.

    Its height and width are `size`, or those of training. The weights must be finite.
    If their file has a digest and an owner, it must be undamaged and of this fold. The
    network computes in the precision that the config sets for this device.
    """
    path, config, classes = run.files.weights(fold), run.config, len(run.classes)
    try:
        weights_file.check(path, owner=runs.owner(run, fold))
    except ValueError as error:
        raise ValueError(f"{error} {_REMEDY}") from error
    settings, device = config.training, devices.find()
    try:
        with (
            devices.policy(settings.precision, device),
            devices.shared(devices.to_predict(settings.gpus), device),
        ):
            network = build.build(config, classes, size=size)
            network.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        model = config.model
        slices = model.patch[0] if model.volumetric else len(config.slices)
        raise ValueError(
            f"{path}: not weights of a {model.architecture} with widths "
            f"{list(model.widths)}, {slices} slices and {classes} classes ({error}). "
            f"{_REMEDY}"
        ) from error
    return network
