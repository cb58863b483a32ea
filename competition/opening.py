"""Open the run of an experiment, or the run in a folder."""

import os
import pathlib

from competition import prepare
from competition.core import files
from competition.core.experiment import blends, configs, layout, runs, starting
from competition.study import auto


def open_experiment(
    experiment: str,
    *,
    data: pathlib.Path,
    work: pathlib.Path = layout.WORK,
    overrides: tuple[str, ...] = (),
    name: str | None = None,
    creates: bool = True,
    decides: bool = True,
) -> tuple[layout.DatasetFiles, runs.Run]:
    """Open the run of an experiment on prepared data; create it if it is new.

    Without `creates` a new run is an error. Without `decides` a run keeps the `decide`
    and `rules` in its config, since its decision was made with them.
    """
    dataset = _prepared(data, work)
    experiment = auto.planned(experiment, dataset)
    name, config = _name(experiment, name), configs.load(experiment, overrides)
    run_files = dataset.run(name)
    if not creates or (not decides and files.exists(run_files.config)):
        begun = runs.read(run_files).config
        kept = {} if decides else {"decide": begun.decide, "rules": begun.rules}
        config = config.model_copy(update=kept)
    return dataset, starting.start(dataset, name, config)


def open_training(
    experiment: str,
    *,
    data: pathlib.Path,
    work: pathlib.Path = layout.WORK,
    overrides: tuple[str, ...] = (),
    name: str | None = None,
) -> tuple[layout.DatasetFiles, runs.Run]:
    """Open the run of an experiment, and a run for each of its members and gates."""
    dataset = _prepared(data, work)
    experiment = auto.planned(experiment, dataset)
    name = _name(experiment, name)
    blends.start(dataset, experiment, overrides, name=name)
    return dataset, starting.start(dataset, name, configs.load(experiment, overrides))


def open_run(folder: pathlib.Path) -> tuple[layout.DatasetFiles, runs.Run]:
    """Open a run by its folder, which lies in the folder of its prepared data set."""
    run = runs.read(layout.RunFiles(folder))
    # Links are kept: on Kaggle the folder of a data set's runs is a link elsewhere.
    above = map(layout.DatasetFiles, folder.absolute().parents)
    dataset = next((d for d in above if d.manifest.is_file()), None)
    if dataset is None:
        raise ValueError(
            f"{folder}: no folder above holds a prepared data set (manifest.json). "
            "Expected a run's folder, such as work/<dataset>/runs/<experiment>."
        )
    _keep_compiled(dataset)
    return dataset, starting.start(dataset, run.name, run.config, run_files=run.files)


def open_trained(
    experiment: str, *, data: pathlib.Path, work: pathlib.Path, name: str | None
) -> runs.Run:
    """Open the run of an experiment that was trained on `data`; never create one."""
    dataset = _prepared(data, work)
    return runs.read(dataset.run(_name(experiment, name)))


def _prepared(data: pathlib.Path, work: pathlib.Path) -> layout.DatasetFiles:
    """Return the data set of a competition folder; refuse that of another folder."""
    dataset = layout.dataset(data, work)
    prepare.check_source(data, dataset)
    _keep_compiled(dataset)
    return dataset


def _name(experiment: str, name: str | None) -> str:
    """Return the name of a run: the given one, or that of the experiment."""
    return layout.run_name(experiment) if name is None else name


def _keep_compiled(dataset: layout.DatasetFiles) -> None:
    """Give JAX, which is imported later, a folder for the programs that it compiles.

    So folds and restarts do not compile the same programs again.
    """
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(dataset.compiled.absolute()))
