"""A finished run without any training: three scans, a box a class, predicted shifted.

The scan of case 1 is predicted exactly, case 2's 1 pixel and case 3's 3 pixels off.
"""

import functools
import hashlib
import pathlib
import pickle
import shutil
import tempfile

import numpy as np
import pandas as pd

from competition.core import files, masks, metric, probabilities, rules
from competition.core.data import arrays, slice_table
from competition.core.experiment import configs, layout, runs, starting
from competition.core.pages import pictures

# The weights of every fold, where a test trains some, and their digest.
WEIGHTS = b"weights"
MADE_BY = hashlib.sha256(WEIGHTS).hexdigest()

SHAPE = (5, 16, 20)
OFF = {"case1_day0": 0, "case2_day0": 1, "case3_day0": 3}


def scored_run(root, classes=("bowel", "stomach")):
    """Write data set and run of `classes` below `root`: (dataset, run)."""
    dataset = layout.DatasetFiles(root / "boxes")
    shutil.copytree(_made(classes).name, dataset.root)
    return dataset, runs.read(dataset.run("by-hand"))


@functools.cache
def _made(classes):
    """The folder that all runs of these classes are copies of; it goes at the end."""
    folder = tempfile.TemporaryDirectory(prefix="boxes-")
    dataset = layout.DatasetFiles(pathlib.Path(folder.name))
    slice_table.write(dataset.slices, pd.concat(rows_of(scan) for scan in OFF))
    about = {"folds": 2, "classes": list(classes), "fingerprint": "0123"}
    files.write_json(dataset.manifest, about)
    run = starting.start(dataset, "by-hand", configs.load("smoke"))
    for fold, score in ((0, "0.5"), (1, "")):
        history = f"epoch,loss,score,seconds\n0,0.9,,60\n1,0.4,{score},60\n"
        files.write_text(run.files.fold(fold) / "history.csv", history)
    rule = [rules.Rule(0.5, 0)] * len(classes)
    decision = {**rules.to_json(rule, classes), "key": "k"}
    files.write_json(run.files.decision, decision)
    measured = {scan: write_scan(dataset, run, scan) for scan in OFF}
    scores = {"oof": metric.summarise(measured, classes), "submission": None}
    files.write_json(run.files.score, scores)
    return folder


def rows_of(scan):
    """The slice table of one scan; its fold is 0 for case 1, else 1."""
    case = int(scan[4])
    depth, height, width = SHAPE
    numbers = np.arange(1, depth + 1)
    return pd.DataFrame(
        {
            "id": [f"{scan}_slice_{number:04}" for number in numbers],
            "slice": numbers,
            "index": numbers - 1,
        }
    ).assign(
        case=case, day=0, scan=scan, path="-", height=height, width=width,
        spacing_x_mm=1.5, spacing_y_mm=1.5, spacing_z_mm=3.0, low=0.0, high=100.0,
        scan_low=0.0, scan_high=100.0, fold=min(case - 1, 1), faulty=False,
        box_top=0, box_bottom=height, box_left=0, box_right=width,
    )  # fmt: skip


def write_scan(dataset, run, scan):
    """Write the arrays and probabilities of one scan; the masks leave out its ends."""
    planes = np.zeros((*SHAPE, len(run.classes)), bool)
    for index in range(len(run.classes)):
        planes[1:4, 4:10, 2 + 6 * index : 8 + 6 * index, index] = True
    probability = np.roll(planes, OFF[scan], axis=1).astype(float)
    arrays.write(dataset.scan(scan), np.full(SHAPE, 50, np.uint16))
    arrays.write(dataset.masks(scan), masks.pack(planes))
    seen = probabilities.prediction(probabilities.quantise(probability))
    probabilities.write(run.files.oof(scan), seen, digest=MADE_BY)
    predicted = masks.pack(probability > 0.5)
    return metric.measure(masks.pack(planes), predicted, classes=len(run.classes))


def exclusive(run):
    """Let the classes of a run exclude each other, and return it."""
    record = files.read_json(run.files.config)
    record["config"]["model"]["exclusive"] = True
    files.write_sealed(run.files.config, record)
    return runs.read(run.files)


def draw_once(monkeypatch, drawn):
    """Draw equal slices and curves only once; `drawn` remembers their bytes."""

    def remembered(draw, *arguments, **named):
        key = draw.__name__, pickle.dumps((arguments, named))
        if key not in drawn:
            drawn[key] = draw(*arguments, **named)
        return drawn[key]

    for draw in (pictures.slice, pictures.curves):
        monkeypatch.setattr(
            pictures, draw.__name__, functools.partial(remembered, draw)
        )
