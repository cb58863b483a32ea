"""Score and draw the scans that a fold holds out, by a rule that costs little time."""

import pathlib
from typing import TYPE_CHECKING

import keras
import numpy as np

from competition.core import blending, files, masks, metric, probabilities, rules
from competition.core.data import arrays, slice_table
from competition.core.experiment import runs
from competition.core.pages import pictures
from competition.net.inference import scan_predictor

if TYPE_CHECKING:
    import pandas as pd


class HeldOutScans:
    """The scans of `table` that are scored, `training.score_scans` of them.

    A table without rows is allowed: there is nothing to score then.
    """

    def __init__(
        self, table: "pd.DataFrame", store: arrays.Arrays, run: runs.Run
    ) -> None:
        chosen = spread(slice_table.scans(table), run.config.training.score_scans)
        self.rows = {
            scan: table[table["scan"] == scan].sort_values("index") for scan in chosen
        }
        self.store, self.run = store, run

    def score(self, network: keras.Model) -> float | None:
        """Return the score per class; None where truth and prediction are empty."""
        classes = self.run.classes
        measured = {
            scan: metric.measure(
                self.store.masks(scan),
                self._predict(network, scan),
                classes=len(classes),
            )
            for scan in self.rows
        }
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
        windows = slice_table.windows(self.rows[scan], self.run.config.intensity)
        probability = scan_predictor.predict_scan(
            [network], self.store.scan(scan), windows, self.run.config
        )
        prediction = probabilities.prediction(probabilities.quantise(probability))
        cheap = [rules.CHEAP] * len(self.run.classes)
        return blending.decide(blending.MemberPredictions([prediction]), cheap)


def spread(scans: list[str], count: int) -> list[str]:
    """Take `count` of the scans evenly, the first and last among them; 0 takes all."""
    if not 0 < count < len(scans):
        return scans
    places = np.linspace(0, len(scans) - 1, count).round().astype(int)
    return [scans[place] for place in places]
