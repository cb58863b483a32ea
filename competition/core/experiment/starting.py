"""Start or reopen a run: its config is fixed, and impossible settings are refused."""

import dataclasses
import pathlib
from typing import Any

from competition.core import files, locks
from competition.core.experiment import configs, heartbeat, layout, runs


def start(
    dataset: layout.DatasetFiles,
    name: str,
    config: configs.Config,
    *,
    run_files: layout.RunFiles | None = None,
) -> runs.Run:
    """Open the run `name` and return it; create it if it is new.

    Its files are `run_files`, by default those of that name in the data set. Once it
    trains or has results, another config or other data is an error. Only `decide`,
    `rules` and the folder of `model.encoder_weights` may change: the weights do not
    depend on them.
    """
    manifest = runs.prepared(dataset)
    run_files = run_files or dataset.run(name)
    classes, fingerprint = manifest["classes"], manifest["fingerprint"]
    is_begun = files.exists(run_files.config) and _is_begun(run_files)
    begun = runs.read(run_files) if is_begun else None
    config = _settled(config, manifest, begun)
    wanted = runs.Run(name, run_files, config, classes, fingerprint)
    folds = _folds(wanted, dataset, manifest["folds"])
    config = config.model_copy(update={"folds": folds})
    wanted = dataclasses.replace(wanted, config=config)
    _check_rules(name, config)
    # A missing or unfit gate is an error now, not after hours of training.
    _check_folds(wanted)
    record = {
        "name": name,
        "classes": list(classes),
        "fingerprint": fingerprint,
        "config": config.model_dump(mode="json"),
    }
    is_open = (
        _is_same_training(begun, wanted)
        if begun
        else not _is_recorded(run_files, record)
    )
    if is_open:
        # This fails while another process trains with the present config.
        with locks.locked(run_files.root, doing="starting"):
            files.write_sealed(run_files.config, record)
    run = runs.read(run_files)
    if changed := configs.changes(run.config.model_dump(), config.model_dump()):
        raise ValueError(
            f"{run_files.config} holds another config under this name:\n  "
            + "\n  ".join(changed)
            + "\nContinue under another `name`, or set these keys as they were; those "
            f"of a blend's member with `--set {run.name}:KEY=VALUE`."
        )
    runs.check_data(run, dataset)
    return run


def _settled(
    config: configs.Config, manifest: runs.Manifest, begun: runs.Run | None
) -> configs.Config:
    """Replace "auto" by the values of a begun run, perhaps of an older version.

    In a new run the masks say whether classes exclude each other.
    """
    model, submit = config.model, config.submit
    if model.exclusive == "auto":
        found = manifest.get("exclusive", False)
        exclusive = begun.config.model.softmax if begun else found
        model = model.model_copy(update={"exclusive": exclusive})
    if submit.tta == "auto" and begun:
        submit = submit.model_copy(update={"tta": begun.config.submit.tta})
    return config.model_copy(update={"model": model, "submit": submit})


def _folds(
    wanted: runs.Run, dataset: layout.DatasetFiles, count: int
) -> tuple[layout.Fold, ...]:
    """Return the folds that a run trains on data split into `count` folds.

    Data of few cases has fewer folds than an experiment asks for; no fold is an error.
    """
    config = wanted.config
    if config.members:
        # A blend trains nothing: its folds are those of its members.
        return runs.members(wanted)[0].config.folds
    folds = runs.present_folds(config.folds, count)
    if not folds:
        raise ValueError(
            f"{dataset.slices} has the folds 0 to {count - 1}, the experiment trains "
            f"{list(config.folds)}. Set `folds` within them."
        )
    return folds


def _is_same_training(kept: runs.Run, wanted: runs.Run) -> bool:
    """Return whether two runs differ, but only in values that no weights depend on.

    `decide` and `rules` are read after training. The path of the encoder's weights may
    differ in its folder: on Kaggle the folder of inputs moved between two sessions.
    """
    paths = [pathlib.PurePath(r.config.model.encoder_weights) for r in (kept, wanted)]
    changed = {
        "model": kept.config.model.model_copy(
            update={"encoder_weights": str(paths[1])}
        ),
        "decide": wanted.config.decide,
        "rules": wanted.config.rules,
    }
    same = dataclasses.replace(kept, config=kept.config.model_copy(update=changed))
    return kept != wanted == same and paths[0].name == paths[1].name


def _is_recorded(run_files: layout.RunFiles, record: dict[str, Any]) -> bool:
    try:
        return bool(files.read_json(run_files.config) == record)
    except (OSError, ValueError):
        return False


def _is_begun(run_files: layout.RunFiles) -> bool:
    """Return whether the run has results, after which its config must not change."""
    beats = run_files.root.glob(".*.heartbeat")
    if any(heartbeat.age(path) < heartbeat.FRESH_SECONDS for path in beats):
        return True
    # Locks, old heartbeats and half-written files begin with a dot. They show only that
    # a process once opened the folder, and kernel.json that a kernel was pushed.
    others = {run_files.config, run_files.kernel}
    return any(
        path.is_file() and path not in others and not path.name.startswith(".")
        for path in run_files.root.rglob("*")
    )


def _check_rules(name: str, config: configs.Config) -> None:
    """Refuse a run that would have no decision rules, or has two sources of them."""
    if (config.folds == layout.ALL) == (config.rules != "none"):
        return
    if config.folds == layout.ALL:
        raise ValueError(
            f"{name} trains on every case and holds nothing out, so that no decision "
            "rule can be searched for it. Set `rules` to the run whose rules it takes: "
            "the same experiment with folds."
        )
    raise ValueError(
        f"{name} takes the decision rules of {config.rules}, though its folds "
        f"{list(config.folds)} hold out scans to search them on. Set "
        'rules = "none", or folds = ["all"].'
    )


def _check_folds(run: runs.Run) -> None:
    """Refuse members and gates that train other folds than the run's first member."""
    for source in runs.members_and_gates(run):
        received, expected = source.config.folds, run.config.folds
        if set(received) != set(expected):
            raise ValueError(
                f"{run.name} uses the run {source.name}, which trains the folds "
                f"{list(received)}, not {list(expected)}: the scans that it holds out "
                f"are others. Train {source.name} under another `name` with folds = "
                f"{list(expected)}, and name that run."
            )
