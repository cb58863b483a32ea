"""`-m bench.peers`: budgets, Dice, results that are kept, with a peer made for it."""

import importlib
import json
import sys

import numpy as np
import pytest

from bench.peers import clock, patches, table, volumes, worker
from bench.peers.__main__ import ADAPTERS, NAMES, export, main
from competition.sources import phantom

# A peer without any package: it learns nothing and draws the brightest voxels.
TRIVIAL = """
import numpy as np
PACKAGES = ()
def train(task, its):
    def predict(scan):
        return (scan.image > np.quantile(scan.image, 0.9)).astype(np.uint8)
    while its.goes_on(predict):
        sum(range(1000))
    return predict
"""


def _scan(*shape: int) -> volumes.Scan:
    return volumes.Scan("case1_day0", np.zeros(shape, np.float32), (1.0, 1.0, 1.0))


def test_dice_of_half_a_mask_is_two_thirds_and_of_two_empty_ones_nothing():
    truth, predicted = np.zeros((2, 1, 4, 4), np.uint8)
    truth[0, :2], predicted[0, :1] = 1, 1
    first, second = volumes.dice(truth, predicted, 2)
    assert first == pytest.approx(2 * 4 / 12) and np.isnan(second)


def test_a_prediction_of_another_shape_is_refused():
    labelled = [_scan(2, 4, 4)], [np.zeros((2, 4, 4), np.uint8)]
    with pytest.raises(ValueError, match=r"shape \(2, 4, 4\). Received: \(1, 4, 4\)"):
        volumes.mean_dice(lambda scan: np.zeros((1, 4, 4)), labelled, 1)


def test_evaluations_and_pauses_do_not_count():
    seconds = [0.0]

    def evaluate(predict):
        seconds[0] += 50
        return [0.5]

    its = clock.Clock(100, evaluate, cpu=lambda: seconds[0])
    with its.paused():
        seconds[0] += 7
    steps = 0
    while its.goes_on(lambda scan: scan.image):
        seconds[0] += 1
        steps += 1
    assert steps == 100 and its.spent() == 100 and its.share() == 1
    assert [spent for spent, _ in its.curve] == [100 * share for share in clock.SHARES]


def test_a_long_step_skips_the_evaluations_that_it_passes():
    seconds = [0.0]
    its = clock.Clock(100, lambda predict: [0.5], cpu=lambda: seconds[0])
    while its.goes_on(lambda scan: scan.image):
        seconds[0] += 45
    assert [spent for spent, _ in its.curve] == [45, 90]


def test_the_time_of_the_target_is_that_of_the_first_evaluation_above_it():
    result = {"curve": [(60, [0.9, 0.8]), (120, [0.9, 0.88])], "spent": 180}
    assert table.reached(result | {"dice": [0.9, 0.9]}) == 120
    assert table.reached(result | {"curve": [], "dice": [0.8, 0.9]}) is None


def test_a_stack_holds_the_slices_below_and_above_and_is_padded():
    image = np.arange(3, dtype=np.float32)[:, None, None] * np.ones((3, 40, 5))
    task = volumes.Task(
        [volumes.Scan("a", image, (1, 1, 1))],
        [np.zeros((3, 40, 5), np.uint8)],
        classes=["organ"],
        largest=volumes.largest({"training": ([_scan(3, 40, 5)], [])}),
        folder=ADAPTERS,
        settings={},
    )
    stacks = patches.Stacks(task).stacks(image)
    assert stacks.shape == (3, 64, 32, 3)
    below, own, above = stacks[1, 0, 0]
    assert below < own < above and own == pytest.approx(0)
    assert stacks[0, 0, 0, 0] == stacks[0, 0, 0, 1]


def test_what_is_not_probable_is_background():
    probability = np.array([[0.4, 0.3], [0.6, 0.7], [0.9, 0.1]])
    assert patches.decided(probability).tolist() == [0, 2, 1]


@pytest.mark.parametrize("name", NAMES)
def test_each_adapter_says_its_packages_or_names_the_one_that_is_missing(name):
    try:
        adapter = importlib.import_module(f"bench.peers.adapters.{name}")
    except ModuleNotFoundError as error:
        assert error.name
    else:
        assert adapter.PACKAGES and callable(adapter.train)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantom")
    phantom.write(folder / "phantom", small=True)
    return folder / "phantom" / "competition"


def test_a_peer_is_trained_its_result_kept_and_one_without_package_skipped(
    data, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "out"
    monkeypatch.setattr("bench.peers.__main__.export", _exclusive)
    (tmp_path / "trivial.py").write_text(TRIVIAL)
    (tmp_path / "absent.py").write_text("import a_package_that_nobody_has")
    (tmp_path / "broken.py").write_text("raise RuntimeError('no nms')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    names = ["trivial", "absent", "broken"]
    monkeypatch.setattr("bench.peers.__main__.NAMES", names)
    monkeypatch.setattr("bench.peers.__main__.MODULES", "")
    command = [str(data), "--out", str(out), "--minutes", "0.005"]
    main([*command, "--peers", ",".join(names)])
    shown = capsys.readouterr().out
    assert "trivial, 0.005 minutes: done" in shown
    assert "absent, 0.005 minutes: skipped, no --python has a_package" in shown
    assert "no --python has packages that load (RuntimeError('no nms'))" in shown
    assert "pip install -r" in shown
    path = out / data.name / "fold0" / "0.3s" / "trivial.json"
    result = json.loads(path.read_text())
    assert result["spent"] >= 0.3 and len(result["dice"]) == len(result["classes"])
    main([*command, "--peers", "trivial"])
    assert "trivial, 0.005 minutes: kept" in capsys.readouterr().out


def _exclusive(data, work, folder, fold):
    """Write two volumes whose class is where they are bright."""
    path = folder / "volumes.npz"
    labels = np.zeros((2, 8, 8), np.uint8)
    labels[:, :2, :5] = 1
    scan = volumes.Scan("case1_day0", labels * 100.0, (1.0, 1.0, 1.0))
    parts = {name: ([scan], [labels]) for name in ("training", "held_out")}
    volumes.write(path, parts, {"classes": ["organ"], "fold": fold})
    return path


def test_a_fold_that_is_not_there_is_refused(data, tmp_path):
    with pytest.raises(ValueError, match="`fold` must be one of 0 to"):
        export(data, tmp_path / "work", tmp_path, 9)


def test_the_results_of_a_data_set_are_not_those_of_another(data, tmp_path, capsys):
    folder = tmp_path / "out" / data.name / "fold0"
    _exclusive(data, tmp_path, folder, 0)
    with pytest.raises(ValueError, match=r"volumes\.npz: .* of other data .* Remove"):
        main([str(data), "--out", str(tmp_path / "out"), "--peers", "own"])


def test_volumes_are_read_as_they_were_written(tmp_path):
    parts = {"training": ([_scan(2, 3, 4)], [np.ones((2, 3, 4), np.uint8)])}
    volumes.write(tmp_path / "volumes.npz", parts, {"fold": 1})
    read, about = volumes.read(tmp_path / "volumes.npz")
    ((scan,), (labels,)) = read["training"]
    assert about == {"fold": 1} and scan.name == "case1_day0"
    assert scan.image.shape == (2, 3, 4) and labels.all()


def test_an_unknown_peer_is_refused(data, capsys):
    with pytest.raises(SystemExit):
        main([str(data), "--peers", "nobody"])
    assert "no peer nobody; there are: medicai_unet" in capsys.readouterr().err


def test_the_worker_needs_numpy_alone():
    code = "import sys, bench.peers.worker, bench.peers.volumes, bench.peers.clock; "
    code += "sys.exit(any(m in sys.modules for m in ('pandas', 'keras', 'torch')))"
    import subprocess

    assert not subprocess.run([sys.executable, "-c", code], check=False).returncode
    assert worker.MISSING == 3
