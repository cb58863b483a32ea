"""Step 3: out-of-fold probabilities, each scan by the fold that held it out."""

from typing import TYPE_CHECKING, Any

from competition.core import console, files, probabilities
from competition.core.data import arrays, slice_table
from competition.core.experiment import layout, runs

if TYPE_CHECKING:
    import pandas as pd


def run(dataset: layout.DatasetFiles, run: runs.Run) -> dict[str, Any]:
    """Predict the held-out scans of all trained folds that lack predictions.

    A blend has no probabilities of its own: its members and gates predict theirs.
    """
    with runs.held(run, doing="predicting", dataset=dataset):
        folds = runs.trained_folds(run)
        table = slice_table.read(dataset)
        predicted = sum(
            _predict_fold(dataset, source, slice_table.held_out(table, fold), fold)
            for source in runs.members_and_gates(run)
            for fold in folds
        )
        scans = len(slice_table.held_out_scans(table, folds))
        return {"folds": folds, "predicted": predicted, "scans": scans}


def _predict_fold(
    dataset: layout.DatasetFiles, run: runs.Run, rows: "pd.DataFrame", fold: int
) -> int:
    """Predict the scans in `rows` with the network of `fold`, and return their number.

    Scans that the same weights have predicted before are left out.
    """
    digest = files.file_digest(run.files.weights(fold))
    if run.config.model.presence:
        # Older versions stored no predictions of presence heads; by this mark such
        # files count as made by other weights.
        digest += "-presence"
    scans = [
        scan
        for scan in slice_table.scans(rows)
        if not probabilities.is_made_by(run.files.oof(scan), digest)
    ]
    if not scans:
        return 0
    from competition.net.inference import scan_predictor, trained_network

    network = trained_network.load(run, fold)
    member = scan_predictor.Member(run.name, run.config, {fold: network})
    predictor = scan_predictor.ScanPredictor([member])
    store = arrays.Arrays(dataset)
    intensity = run.config.intensity
    title = f"predict {run.name} fold {fold}"
    for scan in console.track(scans, title):
        windows = slice_table.windows(rows[rows["scan"] == scan], intensity)
        predictions = predictor.predict(store.scan(scan), {intensity: windows})
        if run.name not in predictions:
            raise ValueError(
                f"{run.files.weights(fold)}: the probabilities of {scan} hold NaN or "
                "infinity. Train the fold again, or with another `training.precision`."
            )
        path = run.files.oof(scan)
        probabilities.write(path, predictions[run.name], digest=digest)
    return len(scans)
