"""Out-of-fold prediction: scans are predicted again only by other weights."""

import shutil

import numpy as np
import pytest

from competition import predict
from competition.core import files, probabilities
from competition.core.experiment import configs, layout, runs, starting
from competition.machine import deadline, process
from competition.net.inference import scan_predictor, trained_network
from tests import by_hand


@pytest.fixture
def heads(tmp_path, monkeypatch):
    """A data set and a trained run whose presence heads always predict 200."""
    dataset, _ = by_hand.scored_run(tmp_path)
    run = starting.start(
        dataset, "heads", configs.load("smoke", ("model.presence=true",))
    )
    for fold in (0, 1):
        files.write_bytes(run.files.weights(fold), b"weights")
        files.write_text(run.files.history(fold), "epoch,loss,score,seconds\n0,1,1,1\n")

    class Predictor:
        def __init__(self, members):
            self.name = members[0].name

        def predict(self, volume, windows, grid):
            blank = np.zeros((*volume.shape, 2), np.uint8)
            presence = np.full((len(volume), 2), 200, np.uint8)
            return {self.name: probabilities.prediction(blank, presence)}

    monkeypatch.setattr(trained_network, "load", lambda *_: None)
    monkeypatch.setattr(scan_predictor, "ScanPredictor", Predictor)
    return dataset, run


def test_predictions_without_presence_heads_are_made_again(heads):
    dataset, run = heads
    path = run.files.oof("case1_day0")
    blank = probabilities.prediction(np.zeros((*by_hand.SHAPE, 2), np.uint8))
    digest = files.file_digest(run.files.weights(0))
    probabilities.write(path, blank, digest=digest)
    assert predict.run(dataset, run)["predicted"] == 3
    assert (probabilities.read(path).presence == 200).all()
    assert predict.run(dataset, run)["predicted"] == 0


def test_once_the_time_is_over_no_other_fold_is_begun(heads):
    dataset, run = heads
    now = iter([0.0, 1.0, 3.0])
    limit = deadline.Deadline(2.0, lambda: next(now))
    done = predict.run(dataset, run, limit=limit)
    assert done["left"] == 1 and 0 < done["predicted"] < 3
    assert predict.run(dataset, run)["predicted"] == 3 - done["predicted"]


def test_several_gpus_take_a_fold_each(heads, monkeypatch):
    dataset, run = heads
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    places = []

    def run_all(commands, environments):
        places.extend(environments)
        for _, module, *arguments in commands:
            assert module == predict.__spec__.name
            predict.main(*arguments)

    monkeypatch.setattr(process, "run_all", run_all)
    assert predict.run(dataset, run)["predicted"] == 3
    assert [each["CUDA_VISIBLE_DEVICES"] for each in places] == ["0", "1"]
    for scan in by_hand.OFF:
        assert (probabilities.read(run.files.oof(scan)).presence == 200).all()
    places.clear()
    run.files.oof("case1_day0").unlink()
    # For one fold no other process is started.
    assert predict.run(dataset, run)["predicted"] == 1
    assert places == []


def test_weights_of_another_fold_are_an_error_that_names_them(finished, tmp_path):
    job, _ = finished
    place = layout.RunFiles(tmp_path / "run")
    shutil.copytree(job.run.files.root, place.root)
    shutil.copy(place.weights(0), place.weights(1))
    with pytest.raises(ValueError, match=r"fold1/best\.weights\.h5: expected weights"):
        predict.run(job.dataset, runs.read(place))


def test_a_folder_in_the_place_of_weights_is_an_error(heads):
    dataset, run = heads
    path = run.files.weights(1)
    path.unlink()
    path.mkdir()
    with pytest.raises(ValueError, match=r"fold1/best\.weights\.h5: a folder, not a f"):
        predict.run(dataset, run)


def test_probabilities_that_are_not_finite_are_an_error(heads, monkeypatch):
    monkeypatch.setattr(scan_predictor.ScanPredictor, "predict", lambda *_: {})
    with pytest.raises(ValueError, match=r"weights\.h5: the probabilities of case1_d"):
        predict.run(*heads)
