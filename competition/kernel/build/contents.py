"""Collect the files of a run that travel to Kaggle, without paths of this machine."""

import dataclasses
import json
import pathlib
import re

from competition.core import files
from competition.core.data import slice_table
from competition.core.experiment import blends, configs, layout, runs, starting
from competition.kernel import bundles
from competition.kernel.build import encoder_weights


@dataclasses.dataclass(frozen=True, slots=True)
class BundleOptions:
    """The options of a build.

    `fold`, `overrides`, `sources` and `weights` are for training: the one fold to
    train, changes to the experiment, the ids of kernels whose outputs it continues, and
    the weights that encoders begin with, see `encoder_weights`. `budget`, such as
    "8h30m", ends the kernel in time; with None the kernel keeps its own.
    """

    fold: layout.Fold | None = None
    budget: str | None = None
    overrides: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()
    as_notebook: bool = False
    machine: str = "NvidiaTeslaT4"


def collect(
    bundle: bundles.Bundle, options: BundleOptions
) -> dict[str, bytes | pathlib.Path]:
    """Return the files beside wheel and manifest, by their path in the dataset."""
    if bundle.what == "train":
        _check_training(bundle, options)
        sent = encoder_weights.contents(weights(bundle, options))
        return _split(bundle.dataset) | _experiments(bundle, options) | sent
    of_training = options.overrides or options.sources or options.weights
    if options.fold is not None or of_training:
        raise ValueError(
            "`fold`, `set`, `from` and `weights` are for a training: a "
            "submission uses the run as it was trained and decided. Leave them out, "
            'or build with `what` = "train".'
        )
    for path, step in ((bundle.run.config, "run"), (bundle.run.decision, "decide")):
        if not path.is_file():
            raise ValueError(
                f"{path}: not found. Run `python -m competition {step} --experiment "
                f"{bundle.experiment}` first, or pass the `name` of another run."
            )
    run = runs.read(bundle.run)
    members = runs.members_and_gates(run)
    folds = runs.trained_folds(run)
    _check_decided(run, folds)
    learned = [member.files.weights(fold) for member in members for fold in folds]
    contents: dict[pathlib.Path, bytes | pathlib.Path] = {
        path: path for path in (run.files.decision, *learned)
    }
    for source in (run, *members):
        contents[source.files.config] = _portable(source.files.config)
    root = bundle.dataset.root
    by_name = {path.relative_to(root).as_posix(): contents[path] for path in contents}
    return _split(bundle.dataset) | by_name


def _check_decided(run: runs.Run, folds: list[layout.Fold]) -> None:
    """Refuse rules that were decided before some of the folds were trained."""
    decided = files.read_json(run.files.decision, dict).get("folds", folds)
    if set(folds) - set(decided):
        raise ValueError(
            f"{run.files.decision}: expected rules that were decided on all trained "
            f"folds, {_listed(folds)}, received those of {_listed(decided)}. Run the "
            "steps `predict`, `decide` and `score` again, then build."
        )


def _listed(folds: list[layout.Fold]) -> str:
    return ", ".join(map(str, folds))


def trained(
    bundle: bundles.Bundle, options: BundleOptions
) -> dict[str, configs.Config]:
    """Return the configs of all runs that a training trains, by name.

    A run is trained with its members and gates, as far as these are experiments; a
    blend itself has nothing to train.
    """
    config = configs.load(bundle.experiment, options.overrides)
    others = blends.load(bundle.experiment, options.overrides)
    return others if config.members else {**others, bundle.name: config}


def weights(bundle: bundles.Bundle, options: BundleOptions) -> dict[str, str]:
    """Return by run the path or handle of the weights that its encoder begins with."""
    return encoder_weights.of_runs(options.weights, trained(bundle, options))


def named(bundle: bundles.Bundle, options: BundleOptions) -> list[str]:
    """Return the names of a training's run and of all runs that it predicts with."""
    config = configs.load(bundle.experiment, options.overrides)
    others = blends.load(bundle.experiment, options.overrides)
    names = [bundle.name]
    for each in (config, *others.values()):
        names += [*each.members, *each.gate]
    return list(dict.fromkeys(names))


def resumed(bundle: bundles.Bundle, options: BundleOptions) -> list[str]:
    """Return the names of all runs that a training takes from earlier outputs."""
    config = configs.load(bundle.experiment, options.overrides)
    takes_rules = [config, *trained(bundle, options).values()]
    rules = [each.rules for each in takes_rules if each.rules != "none"]
    return list(dict.fromkeys(named(bundle, options) + rules))


def _experiments(
    bundle: bundles.Bundle, options: BundleOptions
) -> dict[str, bytes | pathlib.Path]:
    """Return the TOML of the experiment and those of its members, all in one folder."""
    others = blends.experiments(bundle.experiment, options.overrides)
    tomls = map(configs.find, [*others.values(), bundle.experiment])
    return {toml.name: toml for toml in tomls}


def _split(dataset: layout.DatasetFiles) -> dict[str, bytes | pathlib.Path]:
    """Return folds.csv (case, fold) and faulty.txt, so that the kernel reuses both."""
    table = slice_table.read(dataset)
    folds = table[["case", "fold"]].drop_duplicates().sort_values("case")
    # Kaggle takes no empty file, and no scan is called "none".
    faulty = sorted(table.loc[table["faulty"], "scan"].unique()) or ["none"]
    return {
        "folds.csv": folds.to_csv(index=False, lineterminator="\n").encode(),
        "faulty.txt": "".join(f"{scan}\n" for scan in faulty).encode(),
    }


def _portable(path: pathlib.Path) -> bytes:
    """Return a config.json without the paths of this machine; inference needs none."""
    about = files.read_json(path)
    model = about["config"]["model"]
    if "encoder_weights" in model:
        model["encoder_weights"] = pathlib.PurePath(model["encoder_weights"]).name
    return (json.dumps(about, indent=2, allow_nan=False) + "\n").encode()


def _check_training(bundle: bundles.Bundle, options: BundleOptions) -> None:
    """Raise an error if Kaggle cannot train a run, or if its config differs here."""
    configs_by_name = trained(bundle, options)
    unknown = set(named(bundle, options)) - {bundle.name, *configs_by_name}
    if unknown and not options.sources:
        raise ValueError(
            f"{bundle.experiment} needs {', '.join(sorted(unknown))}, which is no "
            "experiment that the kernel could train. Put its TOML beside that of "
            f"{bundle.experiment}, or give `sources`, the ids of the kernels (`--from "
            "USER/SLUG`) whose output holds the trained run."
        )
    given = encoder_weights.of_runs(options.weights, configs_by_name)
    for name, config in configs_by_name.items():
        _check_run(bundle, options, name, config, is_given=name in given)


def _check_run(
    bundle: bundles.Bundle,
    options: BundleOptions,
    name: str,
    config: configs.Config,
    *,
    is_given: bool,
) -> None:
    """Raise an error if Kaggle cannot train a run; `is_given`: its weights are sent."""
    # The kernel downloads a preset, whose name has no folders and no suffix.
    if not is_given and not re.fullmatch(r"\w+", config.model.encoder_weights):
        raise ValueError(
            f"{name}: `model.encoder_weights` is {config.model.encoder_weights}, of "
            'this machine. Set it to "imagenet"; the kernel may then use the network.'
        )
    batch, devices = config.training.batch, bundles.TPU_DEVICES
    if bundles.is_tpu(options.machine) and batch % devices:
        above = -(-batch // devices) * devices
        raise ValueError(
            f"{name}: the {devices} devices of a TPU share a batch, so `training.batch`"
            f" must be a multiple of {devices}. Received: {batch}. Set "
            f"training.batch={above}."
        )
    if options.fold is not None and options.fold not in config.folds:
        raise ValueError(
            f"`fold` is {options.fold}, which is not one of the folds of {name}, "
            f"{list(config.folds)}. Choose one of them."
        )
    files_of_run = bundle.dataset.run(name)
    if files_of_run.config.is_file():
        if is_given:
            # On Kaggle the run's weights had another path.
            kept = runs.read(files_of_run).config.model.encoder_weights
            model = config.model.model_copy(update={"encoder_weights": kept})
            config = config.model_copy(update={"model": model})
        starting.start(bundle.dataset, name, config)
