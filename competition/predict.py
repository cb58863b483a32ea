"""Step 3: out-of-fold probabilities, each scan by the fold that held it out."""

from typing import Any

from rich import progress

from competition.core import console, probabilities
from competition.core.data import arrays, slices
from competition.core.experiment import layout, runs


def run(dataset: layout.DatasetFiles, run: runs.Run) -> dict[str, Any]:
    """Predict the held-out scans of all trained folds; done ones are left.

    A blend keeps no probabilities of its own: those of its runs are what is made.
    """
    folds = runs.trained(run)
    table = slices.read(dataset.slices)
    made = sum(
        _predict_fold(dataset, source, table, fold=fold)
        for source in runs.sources(run)
        for fold in folds
    )
    return {
        "folds": folds,
        "predicted": made,
        "scans": len(slices.held_out_scans(table, folds)),
    }


def _made_by(run: runs.Run, fold: int) -> str:
    """What probabilities are kept under: the weights, and whose word on presence."""
    digest = runs.digest(run, fold)
    # Without this mark a file is of before the heads were asked, as submit asks them.
    return f"{digest}-presence" if run.config.model.presence else digest


def _predict_fold(
    dataset: layout.DatasetFiles, run: runs.Run, table: Any, *, fold: int
) -> int:
    weights = _made_by(run, fold)
    rows = slices.held_out(table, fold)
    wanted = [
        scan
        for scan in slices.scans(rows)
        if probabilities.digest(run.files.oof(scan)) != weights
    ]
    if not wanted:
        return 0
    from competition.net.inference import scan_predictor, trained_network

    network = trained_network.load(
        run.files.weights(fold), run.config, len(run.classes)
    )
    predictor = scan_predictor.ScanPredictor(
        [scan_predictor.Member(run.name, run.config, (network,))]
    )
    store = arrays.Arrays(dataset)
    title = f"predict {run.name} fold {fold}"
    for scan in progress.track(wanted, title, console=console.ERR):
        intensity = run.config.intensity
        windows = slices.windows(rows[rows["scan"] == scan], intensity)
        seen = predictor.predict(store.scan(scan), {intensity: windows})
        probabilities.write(run.files.oof(scan), seen[run.name], digest=weights)
    return len(wanted)
