"""Processes that die, hang or eat all memory while they predict a submission."""

import dataclasses
import io
import os
import pathlib
import queue
import shutil
import signal
import subprocess
import sys
import time
import types

import cv2
import pytest

from competition import submit
from competition.core import files, rules
from competition.core.data import images, mask_csv
from competition.core.experiment import configs, layout, runs
from competition.machine import memory
from competition.submit import event_log, guard, members, trial, watched_process
from tests import conftest
from tests.submit.planted import sitecustomize

CLASSES = ("large_bowel", "small_bowel", "stomach")
PLANTED = pathlib.Path(__file__).parent / "planted"
PATIENCE = submit.Patience(start=60, silence=1, memory=8e8)


@pytest.fixture
def run(tmp_path):
    """A run of two folds, whose weights the planted networks do not read."""
    place = layout.RunFiles(tmp_path / "run")
    wanted = configs.load("smoke", ("folds=[0, 1]",))
    about = {"name": "run", "classes": CLASSES, "fingerprint": "0"}
    files.write_json(place.config, about | {"config": wanted.model_dump(mode="json")})
    for fold in wanted.folds:
        files.write_bytes(place.weights(fold), b"weights")
    decided = [rules.Rule()] * len(CLASSES)
    files.write_json(place.decision, rules.to_json(decided, CLASSES))
    return runs.read(place)


@pytest.fixture
def data(competition):
    """A test folder of four scans; the second has a pixel of MARK."""
    (competition / "sample_submission.csv").unlink()
    first, *others = sorted((competition / "test").glob("*/*/scans"))
    for folder in others:
        shutil.rmtree(folder.parents[1])
    shutil.move(first, competition / "scans")
    shutil.rmtree(competition / "test")
    for scan in names():
        folder = competition / "test" / scan.partition("_")[0] / scan / "scans"
        shutil.copytree(competition / "scans", folder)
    marked = next(i for i in images.find(competition, "test") if i.scan == names()[1])
    pixels = cv2.imread(str(competition / marked.path), cv2.IMREAD_UNCHANGED)
    pixels[0, 0] = sitecustomize.MARK
    cv2.imwrite(str(competition / marked.path), pixels)
    return competition


def names():
    return [f"case{number}_day0" for number in (11, 12, 13, 14)]


@pytest.fixture
def plant(monkeypatch):
    """Return a function that plants networks with a fault in processes to come."""
    monkeypatch.syspath_prepend(PLANTED)

    def set(fault, place):
        monkeypatch.setenv("FAULT", fault)
        monkeypatch.setenv("PLACE", place)

    return set


def guarded(run, data, tmp_path, **options):
    """Return the summary of a guarded submission and the scans that have masks."""
    out = tmp_path / "out" / "submission.csv"
    options = {"patience": PATIENCE} | options
    began = time.monotonic()
    summary = submit.run(run, data=data, out=out, **options)
    assert time.monotonic() - began < 300
    return summary, filled(out, data)


def filled(out, data):
    rows = mask_csv.read(out, "predicted")
    assert len(rows) == 3 * len(images.find(data, "test"))
    return sorted({images.scan_of(row.id) for row in rows if row.rle})


def log(tmp_path):
    return (tmp_path / "out" / "submit.log").read_text("utf-8")


def test_a_process_that_works_leaves_no_event(run, data, tmp_path, plant):
    plant("none", "none")
    summary, scans = guarded(run, data, tmp_path)
    assert scans == names()
    assert summary["complete"] and summary["events"] == {}
    assert not (tmp_path / "out" / ".submission.csv.part").exists()


@pytest.mark.parametrize("place", ["load 1", "network"])
def test_a_network_that_segfaults_is_left_out(run, data, tmp_path, plant, place):
    plant("segfault", place)
    summary, scans = guarded(run, data, tmp_path)
    assert scans == names() and summary["complete"]
    assert summary["events"]["network left out"] == 1
    text = "run, fold 1: the process that used it was ended by SIGSEGV."
    assert f"warning: network left out: {text}" in log(tmp_path)


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("segfault", "was ended by SIGSEGV"),
        ("hang", "gave no sign of life for"),
        ("memory", "needed more than 0.8 GB of memory"),
    ],
)
def test_a_scan_with_which_a_process_ends_is_left_out(
    run, data, tmp_path, plant, fault, why
):
    plant(fault, "scan")
    # A slow machine takes long to fill its memory.
    silence = 20 if fault == "memory" else PATIENCE.silence
    patience = dataclasses.replace(PATIENCE, silence=silence)
    summary, scans = guarded(run, data, tmp_path, patience=patience)
    assert scans == [names()[0], *names()[2:]]
    text = f"{names()[1]} is left out: the process that worked on it {why}"
    assert f"warning: process ended: {text}" in log(tmp_path)
    assert not summary["complete"]
    if fault == "segfault":
        plant("none", "none")
        summary, scans = guarded(run, data, tmp_path)
        assert scans == names() and summary["complete"], "the next call tries it again"


def test_networks_that_segfault_only_together_predict_alone(run, data, tmp_path, plant):
    plant("segfault", "together")
    summary, scans = guarded(run, data, tmp_path)
    assert scans == names() and summary["complete"]
    assert "no scan could be predicted with all networks" in log(tmp_path)


@pytest.mark.parametrize(
    ("fault", "place", "why"),
    [("exit", "start", "exit code 7"), ("segfault", "all", "SIGSEGV")],
)
def test_where_every_process_dies_the_file_is_empty_and_valid(
    run, data, tmp_path, plant, fault, place, why
):
    plant(fault, place)
    with pytest.raises(ValueError, match=r"is written, but it has no masks: "):
        guarded(run, data, tmp_path)
    assert filled(tmp_path / "out" / "submission.csv", data) == []
    assert f"was ended by {why}" in log(tmp_path)


def test_an_error_that_is_not_foreseen_is_in_the_log_with_its_traceback(
    run, data, tmp_path, plant, monkeypatch
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    plant("error", "card 0")
    with pytest.raises(ValueError, match=r"it has no masks: no scan could"):
        guarded(run, data, tmp_path)
    assert filled(tmp_path / "out" / "submission.csv", data) == []
    assert "in misbehave_at\n" in log(tmp_path)
    assert "    ValueError: a fault of the program\n" in log(tmp_path)


def test_a_process_that_hangs_costs_no_more_than_the_budget(run, data, tmp_path, plant):
    plant("hang", "scan")
    began = time.monotonic()
    patience = submit.Patience()
    summary, scans = guarded(run, data, tmp_path, budget="10s", patience=patience)
    assert time.monotonic() - began < 30
    assert scans == names()[:1]
    assert summary["events"]["no time"] == 3


def test_ctrl_c_ends_all_processes_and_the_next_call_goes_on(
    run, data, tmp_path, plant
):
    plant("hang", "scan")
    out = tmp_path / "out" / "submission.csv"
    command = ["submit", "--run", run.files.root, "--data", data, "--out", out]
    parent = subprocess.Popen(
        [sys.executable, "-m", "competition", *command],
        cwd=conftest.ROOT,
        env={**os.environ, "PYTHONPATH": str(PLANTED), "CUDA_VISIBLE_DEVICES": "0,1"},
        # A shell that runs the tests in the background has switched it off.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    part = out.with_name(".submission.csv.part")
    end = time.monotonic() + 60
    while not part.is_file() or part.read_bytes().count(b"\n") < 2:
        assert time.monotonic() < end
        time.sleep(0.05)
    children = pathlib.Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
    started = children.read_text("utf-8").split()
    assert started
    parent.send_signal(signal.SIGINT)
    assert parent.wait(30) not in (0, -signal.SIGKILL)
    assert not out.exists()
    for child in started:
        with pytest.raises(ProcessLookupError):
            os.kill(int(child), 0)
    plant("none", "none")
    summary, scans = guarded(run, data, tmp_path)
    assert scans == names() and summary["complete"]
    assert event_log.read_summary(out.with_name("submit.log"))["events"] == {}


def test_two_gpus_share_the_scans_and_one_that_dies_is_replaced(
    run, data, tmp_path, plant, monkeypatch
):
    for bright, scan in enumerate(names(), start=1):
        image = next(each for each in images.find(data, "test") if each.scan == scan)
        pixels = cv2.imread(str(data / image.path), cv2.IMREAD_UNCHANGED)
        pixels[1 : 1 + bright] = sitecustomize.BRIGHT
        cv2.imwrite(str(data / image.path), pixels)
    plant("none", "none")
    guarded(run, data, tmp_path / "one")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    plant("segfault", f"once {tmp_path / 'died'}")
    summary, scans = guarded(run, data, tmp_path / "two")
    assert scans == names() and summary["complete"]
    assert summary["events"] == {"process ended": 1}
    assert "was ended by SIGSEGV; the next one works step by step" in log(
        tmp_path / "two"
    )
    one, two = (tmp_path / each / "out" / "submission.csv" for each in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_what_a_broken_gpu_gives_up_the_other_one_takes(
    run, data, tmp_path, plant, monkeypatch
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    plant("segfault", "card 1")
    summary, scans = guarded(run, data, tmp_path)
    assert scans == names() and summary["complete"]
    assert summary["events"]["GPU left out"] == 1


def test_scans_are_divided_by_their_slices():
    slices = {"a": 100, "b": 40, "c": 50, "d": 10, "e": 20}
    assert guard.divide(slices, 2) == [["a", "e"], ["b", "c", "d"]]
    assert guard.divide(slices, 1) == [["a", "b", "c", "d", "e"]]
    assert guard.divide({"a": 1}, 2) == [["a"], []]


def test_processes_side_by_side_share_the_memory(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 20_000)
    assert guard.per_process(submit.Patience(), 1).memory == 18_000
    assert guard.per_process(submit.Patience(), 2).memory == 9_000
    assert guard.per_process(PATIENCE, 2) == PATIENCE


def test_a_process_may_be_silent_five_times_as_long_as_before(monkeypatch):
    now, lines = [0.0], queue.SimpleQueue()
    running = types.SimpleNamespace(
        stdin=io.BytesIO(), stdout=iter(lines.get, b""), poll=lambda: None, pid=0
    )
    clock = types.SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr(watched_process, "time", clock)
    monkeypatch.setattr(watched_process.process, "start", lambda *a, **kw: running)
    watched = watched_process.WatchedProcess({}, {})
    now[0] = 10.0
    lines.put(b'["finish", "case1_day0"]\n')
    while not list(watched.reports()):
        pass
    patience = submit.Patience(silence=1)
    now[0] = 55.0
    assert watched.fault(patience) is None
    now[0] = 65.0
    assert watched.fault(patience).startswith("gave no sign of life for")
    lines.put(b"")


def test_a_process_that_nothing_ends_is_left_behind(monkeypatch):
    def start(command, environment, *, stdout):
        code = "import time; time.sleep(60)"
        started = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=stdout
        )
        # As while it waits for a dead mount.
        processes.append((started, started.kill))
        started.kill = lambda: None
        return started

    processes = []
    monkeypatch.setattr(watched_process, "END_SECONDS", 0.5)
    monkeypatch.setattr(watched_process.process, "start", start)
    watched = watched_process.WatchedProcess({}, {})
    began = time.monotonic()
    watched.close()
    assert time.monotonic() - began < 30
    for started, kill in processes:
        kill()
        started.wait()


def test_a_file_with_some_masks_is_no_error_so_that_it_is_scored(
    run, data, tmp_path, plant, monkeypatch
):
    def fail(*arguments, tell, **options):
        tell.finish(names()[0], {})
        raise members.NoNetworkError("no network loads")

    monkeypatch.setattr(guard, "predict", fail)
    summary = submit.run(
        run, data=data, out=tmp_path / "submission.csv", patience=PATIENCE
    )
    assert summary["failure"] == "no network loads" and not summary["complete"]


@pytest.mark.parametrize("fault", ["none", "error"])
def test_without_a_test_the_networks_are_tried_on_training_scans(
    run, data, tmp_path, plant, fault, capsys
):
    (data / "test").rename(data / "hidden")
    plant(fault, "network")
    out = tmp_path / "submission.csv"
    asked = {"data": data, "out": out, "patience": PATIENCE}
    if fault == "none":
        summary = submit.run(run, **asked)
        assert summary["complete"] and summary["events"] == {}
        assert "trial: they were predicted" in capsys.readouterr().err
    else:
        for _ in range(2):
            with pytest.raises(
                ValueError, match=r"the trial of its networks (failed|predicted 0)"
            ):
                submit.run(run, **asked)
    assert len(mask_csv.read(out, "predicted")) == 0


def test_of_photographs_few_are_tried(tmp_path):
    for number in range(1, 13):
        name = f"slice_0001_{20 + number}_20_1.00_1.00.png"
        path = tmp_path / f"train/case{number}/case{number}_day0/scans" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(b"")
    assert len(trial.scans(tmp_path)) == trial.SIZES
    assert trial.scans(tmp_path / "none") == {}


def test_why_masks_are_missing_is_known_by_the_log(tmp_path):
    out = tmp_path / "submission.csv"
    assert submit.failure(out) is None
    event_log.EventLog(tmp_path / "submit.log").finish({"failure": "a reason"})
    assert submit.failure(out) == "a reason"
