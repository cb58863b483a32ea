"""Step 3: predict each training scan with the fold that held it out."""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from competition import cluster
from competition.core import console, probabilities, storage
from competition.core.data import arrays, slice_table
from competition.core.experiment import layout, predicted, runs
from competition.machine import deadline, gpus, process

if TYPE_CHECKING:
    import pandas as pd


def run(
    dataset: layout.DatasetFiles,
    run: runs.Run,
    nodes: cluster.Cluster | None = None,
    *,
    limit: deadline.Deadline | None = None,
) -> dict[str, Any]:
    """Predict the held-out scans of all trained folds that lack predictions.

    With several GPUs, or with `nodes`, each of them predicts a fold in its own process.
    A blend has no probabilities of its own: its members and gates predict theirs. Once
    the time is over, this process begins no other fold: `left` counts those.
    """
    with runs.held(run, doing="predicting", dataset=dataset):
        folds = runs.trained_folds(run)
        table = slice_table.read(dataset)
        held_out = {fold: slice_table.held_out(table, fold) for fold in folds}
        waiting = [
            (source, fold, scans)
            for source in runs.members_and_gates(run)
            for fold in folds
            if (scans := _waiting(source, fold, held_out[fold]))
        ]
        if layout.ALL == tuple(folds):
            console.note(
                f"{run.name} holds nothing out: nothing is predicted or scored"
            )
        done = len(waiting)
        environments = gpus.environments(run.config.training.gpus)
        if nodes:
            on_nodes = [_for_a_node(dataset, *each) for each in waiting]
            cluster.run_commands(nodes, on_nodes, dataset.root)
        elif len(waiting) > 1 and len(environments) > 1:
            commands = [_command(dataset, *each[:2]) for each in waiting]
            process.run_all(commands, environments)
        else:
            done = 0
            for source, fold, _ in waiting:
                if limit and not limit.allows(0):
                    break
                predict_fold(dataset, source, fold)
                done += 1
        return {
            "folds": folds,
            "left": len(waiting) - done,
            "predicted": sum(len(scans) for _, _, scans in waiting[:done]),
            "scans": len(slice_table.held_out_scans(table, folds)),
        }


def _command(
    dataset: layout.DatasetFiles, run: runs.Run, fold: layout.Fold
) -> list[str]:
    """Return Python's arguments to predict a fold in a process of its own."""
    folders = map(storage.name, (dataset.root, run.files.root))
    return ["-m", "competition.predict", *folders, str(fold)]


def _for_a_node(
    dataset: layout.DatasetFiles, run: runs.Run, fold: layout.Fold, scans: list[str]
) -> cluster.Command:
    """Return the command that predicts the scans of a fold on a node of a cluster."""
    command = _command(dataset, run, fold)
    return cluster.Command(
        name=f"predict {run.name}, fold {fold}",
        arguments=lambda limit: command,
        gpus=run.config.training.gpus,
        leaves=[run.files.oof(scan) for scan in scans],
    )


def predict_fold(
    dataset: layout.DatasetFiles, run: runs.Run, fold: layout.Fold
) -> None:
    """Predict the held-out scans of one fold that lack predictions.

    The caller holds the run.
    """
    from competition.net.inference import scan_predictor, trained_network

    held_out = slice_table.held_out(slice_table.read(dataset), fold)
    digest = predicted.digest(run, fold)
    network = trained_network.load(run, fold)
    member = scan_predictor.Member(run.name, run.config, {fold: network})
    predictor = scan_predictor.ScanPredictor([member])
    store = arrays.Arrays(dataset)
    intensity, grids = run.config.intensity, slice_table.grids(held_out)
    scans = predicted.missing(run, held_out, digest)
    for scan in _tracked(scans, f"predict {run.name} fold {fold}"):
        rows = held_out[held_out["scan"] == scan]
        windows = slice_table.windows(rows, intensity)
        volume, grid = store.scan(scan), grids[scan]
        predictions = predictor.predict(volume, {intensity: windows}, grid)
        if run.name not in predictions:
            raise ValueError(
                f"{run.files.weights(fold)}: the probabilities of {scan} hold NaN or "
                "infinity. Train the fold again, or with another `training.precision`."
            )
        path = run.files.oof(scan)
        probabilities.write(path, predictions[run.name], digest=digest)


def _tracked(scans: list[str], title: str) -> Iterable[str]:
    """Yield scans and show how many are done; parallel processes show no bars."""
    if not process.is_child():
        return console.track(scans, title)
    console.note(f"{title}: {len(scans)} scans")
    return scans


def _waiting(run: runs.Run, fold: layout.Fold, rows: "pd.DataFrame") -> list[str]:
    return predicted.missing(run, rows, predicted.digest(run, fold))


def main(dataset: str, run: str, fold: str) -> None:
    """Predict a fold in a process that `run` started."""
    prepared = layout.DatasetFiles(storage.mirrored(dataset))
    opened = runs.read(layout.RunFiles(storage.path(run)))
    predict_fold(prepared, opened, layout.parse_fold(fold))


if __name__ == "__main__":
    process.run_as_child(lambda: main(*sys.argv[1:]))
