"""Score and draw the scans that a fold holds out, by a rule that costs little time."""

import pathlib
from typing import TYPE_CHECKING

import keras
import numpy as np

from competition.core import blending, files, masks, metric, probabilities, rules
from competition.core.data import arrays, slice_table
from competition.core.experiment import runs
from competition.core.pages import pictures
from competition.net import hosts
from competition.net.inference import scan_predictor

if TYPE_CHECKING:
    import pandas as pd


class HeldOutScans:
    """The scans of `table` that are scored, `training.score_scans` of them; 0 is all.

    A table without rows is allowed: there is nothing to score then.
    """

    def __init__(
        self, table: "pd.DataFrame", store: arrays.Arrays, run: runs.Run
    ) -> None:
        scans = slice_table.scans(table)
        count = min(run.config.training.score_scans or len(scans), len(scans))
        # They are spread evenly, from the first scan to the last one.
        numbers = np.linspace(0, len(scans) - 1, count).round().astype(int)
        chosen = [scans[number] for number in numbers]
        self.rows = {
            scan: table[table["scan"] == scan].sort_values("index") for scan in chosen
        }
        self.grids = slice_table.grids(table)
        self.store, self.run = store, run
        self._network: keras.Model | None = None

    def score(self, network: keras.Model) -> float | None:
        """Return `score_per_class` of the scans; None if all masks are empty."""
        classes = self.run.classes

        def measure(scan: str) -> metric.ScanMeasurement:
            truth, predicted = self.store.masks(scan), self._predict(network, scan)
            return metric.measure(truth, predicted, classes=len(classes))

        if hosts.count() == 1:
            measured = {scan: measure(scan) for scan in self.rows}
        else:
            sent = hosts.divided(list(self.rows), lambda scan: measure(scan).to_json())
            read = metric.ScanMeasurement.from_json
            measured = {scan: read(values) for scan, values in sent.items()}
        score: float | None = metric.summarise(measured, classes)["score_per_class"]
        return score

    def draw(self, network: keras.Model, path: pathlib.Path) -> None:
        """Draw the fullest slice of the first scan, with truth and prediction."""
        for scan, rows in list(self.rows.items())[:1]:
            truth = self.store.masks(scan)
            index = int((truth > 0).sum(axis=(1, 2)).argmax())
            row = rows.iloc[index]
            window = slice_table.windows(rows, self.run.config.intensity)[index]
            shown = pictures.SlicePicture(
                scan=scan,
                number=int(row["slice"]),
                grey=pictures.grey(self.store.scan(scan)[index], window),
                truth=truth[index],
                predicted=self._predict(network, scan)[index],
                aspect=float(row["spacing_y_mm"] / row["spacing_x_mm"]),
            )
            files.write_bytes(path, pictures.slice(shown, len(self.run.classes)))

    def _predict(self, network: keras.Model, scan: str) -> masks.Bits:
        # Compiling takes longer than a scan, and all epochs score the same network.
        if network is not self._network:
            self._network = network
            self._probability = scan_predictor.alone([network], self.run.config)
        windows = slice_table.windows(self.rows[scan], self.run.config.intensity)
        volume, grid = self.store.scan(scan), self.grids[scan]
        probability = self._probability(volume, windows, grid)
        prediction = probabilities.prediction(probabilities.quantise(probability))
        predictions = blending.MemberPredictions(
            [prediction], exclusive=self.run.config.model.softmax
        )
        cheap = [rules.CHEAP] * len(self.run.classes)
        return blending.decide(predictions, cheap)
