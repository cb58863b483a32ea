"""Pages of runs by hand, drawn once for all tests."""

import shutil

import numpy as np
import pytest

from competition import decide, score
from competition.core import files, masks, probabilities
from competition.core.data import arrays
from competition.core.experiment import layout, runs
from tests import by_hand
from tests.report import pages


@pytest.fixture(scope="package", autouse=True)
def drawn_once():
    """Most pages show the same pictures."""
    with pytest.MonkeyPatch.context() as patch:
        by_hand.draw_once(patch, {})
        yield


@pytest.fixture
def scored(tmp_path):
    return by_hand.scored_run(tmp_path)


@pytest.fixture(scope="package")
def page(tmp_path_factory):
    return pages.page_of(*by_hand.scored_run(tmp_path_factory.mktemp("page")))


@pytest.fixture
def two_runs(tmp_path):
    """A run, and one beside it that predicts case 3 exactly and misses a slice."""
    dataset, run = scored_anew(tmp_path)
    root = run.files.root.with_name("other")
    shutil.copytree(run.files.root, root)
    other = runs.read(layout.RunFiles(root))
    for scan, missed in (("case3_day0", []), ("case2_day0", [2])):
        planes = masks.unpack(np.asarray(arrays.Arrays(dataset).masks(scan)), 2)
        planes[missed] = False
        seen = probabilities.prediction(probabilities.quantise(planes.astype(float)))
        probabilities.write(other.files.oof(scan), seen, digest=by_hand.MADE_BY)
    score.of_run(dataset, other, data=dataset.root)
    return dataset, run, other


@pytest.fixture(scope="package")
def whole(tmp_path_factory):
    """The page of a run that was decided on and scored."""
    return pages.page_of(*scored_anew(tmp_path_factory.mktemp("whole")))


def scored_anew(root):
    dataset, run = by_hand.scored_run(root)
    for fold in (0, 1):
        files.write_bytes(run.files.weights(fold), by_hand.WEIGHTS)
    run.files.decision.unlink()
    decide.run(dataset, run)
    score.of_run(dataset, run, data=dataset.root)
    return dataset, run
