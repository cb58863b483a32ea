"""Submissions for every kind of test folder."""

import errno
import json
import os
import shutil
import time

import cv2
import h5py
import numpy as np
import pytest

from competition import pipeline
from competition import submit as step
from competition.core import blending, files, rle, rules
from competition.core.data import images, mask_csv, png, slice_table
from competition.core.experiment import layout, runs
from competition.net import devices
from competition.net.inference import ensemble, trained_network
from competition.submit import (
    event_log,
    members,
    partial,
    stages,
    submission_file,
    trial,
)
from tests import copies


def submit(finished, data, tmp_path):
    job, _ = finished
    out = tmp_path / "submission.csv"
    summary = pipeline.submit(job.run.files.root, data=data, out=out)
    return summary, mask_csv.read(out, "predicted"), out


def sample_rows(data):
    rows = mask_csv.read(data / "sample_submission.csv", "predicted")
    return [(row.id, row.class_name) for row in rows]


def test_without_a_test_the_submission_is_its_header(finished, competition, tmp_path):
    shutil.rmtree(competition / "test")
    (competition / "sample_submission.csv").write_text("id,class,predicted\n")
    _, rows, out = submit(finished, competition, tmp_path)
    assert rows == []
    assert out.read_text("utf-8") == "id,class,predicted\n"


def test_without_test_and_sample_too(finished, competition, tmp_path):
    shutil.rmtree(competition / "test")
    (competition / "sample_submission.csv").unlink()
    assert submit(finished, competition, tmp_path)[1] == []


def test_a_sample_without_images_gives_empty_rows(
    finished, competition, tmp_path, capsys
):
    shutil.rmtree(competition / "test")
    _, rows, _ = submit(finished, competition, tmp_path)
    assert [(row.id, row.class_name) for row in rows] == sample_rows(competition)
    assert {row.rle for row in rows} == {""}
    assert "they stay empty" in capsys.readouterr().err


def test_the_samples_order_is_kept(finished, competition, tmp_path):
    path = competition / "sample_submission.csv"
    header, *lines = path.read_text("utf-8").splitlines()
    path.write_text("\n".join([header, *reversed(lines)]) + "\n")
    _, rows, _ = submit(finished, competition, tmp_path)
    assert [(row.id, row.class_name) for row in rows] == sample_rows(competition)


def test_without_a_sample_every_slice_has_its_rows(finished, competition, tmp_path):
    (competition / "sample_submission.csv").unlink()
    summary, rows, _ = submit(finished, competition, tmp_path)
    assert len(rows) == 3 * len(images.find(competition, "test")) == summary["rows"]


def test_neither_images_nor_training_data_are_needed(finished, competition, tmp_path):
    shutil.rmtree(competition / "train")
    (competition / "train.csv").unlink()
    _, rows, out = submit(finished, competition, tmp_path)
    assert rows and out.read_bytes() == finished[0].run.files.submission.read_bytes()


def test_a_missing_folder_is_an_error(finished, tmp_path):
    with pytest.raises(ValueError, match=r"nowhere: no such folder\. Check `data`"):
        submit(finished, tmp_path / "nowhere", tmp_path)


def as_test(job, competition):
    """Put the scans that fold 0 held out in place of the test folder."""
    shutil.rmtree(competition / "test")
    (competition / "sample_submission.csv").unlink()
    table = slice_table.held_out(slice_table.read(job.dataset), 0)
    for path in table["path"]:
        target = competition / path.replace("train/", "test/", 1)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(job.data / path, target)
    return table


def only_fold_0(job, tmp_path):
    run = layout.RunFiles(tmp_path / "run")
    shutil.copytree(job.run.files.root, run.root)
    shutil.rmtree(run.fold(1))
    return runs.read(run)


def test_out_of_fold_and_submit_give_the_same_masks(finished, competition, tmp_path):
    job, _ = finished
    table = as_test(job, competition)
    run = only_fold_0(job, tmp_path)
    out = tmp_path / "submission.csv"
    summary = pipeline.submit(run.files.root, data=competition, out=out)
    # It is known to the person, so the trial of a kernel does not fail by it.
    assert summary["events"] == {"not trained": 1} and summary["complete"]
    assert not trial.FAULTS & summary["events"].keys()
    decided = rules.read(run.files.decision, run.classes)
    received = {(row.id, row.class_name): row.rle for row in mask_csv.read(out, None)}
    assert any(received.values())
    for scan in slice_table.scans(table):
        rows = table[table["scan"] == scan]
        bits = blending.decide(blending.out_of_fold(job.run, scan), decided)
        for id, each in zip(rows["id"], bits, strict=True):
            for index, name in enumerate(run.classes):
                expected = rle.encode((each >> index & 1).astype(bool))
                assert received[id, name] == expected, (id, name)


def test_a_damaged_slice_costs_no_other_scan(finished, competition, tmp_path):
    _, whole, _ = submit(finished, competition, tmp_path)
    image = images.find(competition, "test")[2]
    (competition / image.path).write_bytes(b"GIF89a")
    summary, rows, out = submit(finished, competition, tmp_path)
    assert summary["events"] == {"damaged slice": 1}
    others = [(a, b) for a, b in zip(whole, rows, strict=True)
              if not a.id.startswith(image.scan)]  # fmt: skip
    assert all(a == b for a, b in others)
    lines = out.with_name("submit.log").read_text("utf-8").splitlines()
    assert lines[0].startswith("warning: damaged slice: ")
    assert image.path in lines[0]
    assert lines[1] == "1 x damaged slice"


@pytest.mark.parametrize("shape", [(17, 91), (3, 2), (70, 1)])
def test_a_scan_of_one_slice_of_a_size_never_seen(
    finished, competition, tmp_path, shape
):
    scans = competition / "test" / "case9" / "case9_day9" / "scans"
    scans.mkdir(parents=True)
    path = scans / f"slice_0001_{shape[1]}_{shape[0]}_1.50_1.50.png"
    cv2.imwrite(str(path), np.full(shape, 500, np.uint16))
    (competition / "sample_submission.csv").unlink()
    summary, rows, _ = submit(finished, competition, tmp_path)
    assert summary["events"] == {}
    own = [row for row in rows if row.id == "case9_day9_slice_0001"]
    assert len(own) == 3
    for row in own:
        rle.decode(row.rle, shape)


def test_an_unknown_class_and_surplus_images_are_counted(
    finished, competition, tmp_path
):
    path = competition / "sample_submission.csv"
    header, *lines = path.read_text("utf-8").splitlines()
    path.write_text(
        "\n".join([header, lines[0], "case1_day1_slice_0001,liver,"]) + "\n"
    )
    summary, rows, _ = submit(finished, competition, tmp_path)
    assert len(rows) == 2
    assert set(summary["events"]) == {
        "unknown class", "id without image", "image without id",
    }  # fmt: skip


def no_weights(path):
    path.write_bytes(b"no weights")


def damaged_run(job, tmp_path, *folds, harm=no_weights):
    """Return a copy of the run in which the weights of these folds are damaged."""
    run = layout.RunFiles(tmp_path / "damaged")
    shutil.copytree(job.run.files.root, run.root)
    for fold in folds:
        harm(run.weights(fold))
    return run


def one_nan(path):
    with h5py.File(path, "r+") as file:
        first = next(name for name in arrays_of(file) if file[name].ndim == 4)
        file[first][0, 0, 0, 0] = np.nan


def flipped_bytes(path):
    with h5py.File(path, "r") as file:
        largest = max(arrays_of(file), key=lambda name: file[name].size)
        start = file[largest].id.get_offset()
    data = bytearray(path.read_bytes())
    # Of numbers alone, and of their fractions: the file opens, and all are finite.
    for place in range(start + 1, start + 4 * 64, 4):
        data[place] ^= 0xFF
    path.write_bytes(data)


def those_of_fold_0(path):
    shutil.copy(path.parents[1] / "fold0" / path.name, path)


def arrays_of(file):
    names = []
    file.visit(names.append)
    return [name for name in names if isinstance(file[name], h5py.Dataset)]


def a_folder(path):
    path.unlink()
    path.mkdir()


def a_link_to_nothing(path):
    path.unlink()
    path.symlink_to("nothing")


HARMS = [
    no_weights, one_nan, flipped_bytes, those_of_fold_0, a_folder, a_link_to_nothing,
]  # fmt: skip


@pytest.mark.parametrize("harm", HARMS)
def test_a_network_that_does_not_load_is_left_to_the_others(
    finished, competition, tmp_path, harm
):
    job, _ = finished
    out = tmp_path / "submission.csv"
    alone = only_fold_0(job, tmp_path)
    pipeline.submit(alone.files.root, data=competition, out=out)
    expected = out.read_bytes()
    run = damaged_run(job, tmp_path, 1, harm=harm)
    summary = pipeline.submit(run.root, data=competition, out=out)
    assert summary["events"] == {"network left out": 1}
    assert out.read_bytes() == expected


def test_without_any_network_the_file_is_empty_valid_and_an_error(
    finished, competition, tmp_path
):
    job, _ = finished
    run, out = damaged_run(job, tmp_path, 0, 1), tmp_path / "submission.csv"
    with pytest.raises(ValueError, match=r"is written, but .* no weights of any fold"):
        pipeline.submit(run.root, data=competition, out=out)
    rows = mask_csv.read(out, "predicted")
    assert [(row.id, row.class_name) for row in rows] == sample_rows(competition)
    assert {row.rle for row in rows} == {""}


def test_where_all_weights_are_gone_the_file_is_empty_and_valid_too(
    finished, competition, tmp_path
):
    job, _ = finished
    run, out = damaged_run(job, tmp_path, 0, 1), tmp_path / "submission.csv"
    for fold in (0, 1):
        run.weights(fold).unlink()
    with pytest.raises(ValueError, match=r"is written, but .* no weights of any fold"):
        pipeline.submit(run.root, data=competition, out=out)
    rows = mask_csv.read(out, "predicted")
    assert [(row.id, row.class_name) for row in rows] == sample_rows(competition)


def test_a_member_that_predicts_nan_is_left_to_the_others(
    finished, competition, tmp_path
):
    blend = copies.blend(finished[0], tmp_path / "work", names=("first", "second"))
    random = np.random.default_rng(0)
    for fold in (0, 1):
        # As finite as can be, with no mark of a version that kept a digest.
        with h5py.File(runs.members(blend)[1].files.weights(fold), "r+") as file:
            file.attrs.clear()
            for name in arrays_of(file):
                shape = file[name].shape
                file[name][...] = random.choice(np.float32([-3e38, 3e38]), shape)
    out = tmp_path / "submission.csv"
    summary = pipeline.submit(blend.files.root, data=competition, out=out)
    assert summary["events"] == {"network left out": summary["scans"]}
    assert "second predicts NaN or infinity" in out.with_name("submit.log").read_text()
    assert out.read_bytes() == finished[0].run.files.submission.read_bytes()


def test_a_name_that_is_not_utf_8_costs_nothing_and_can_be_read_in_the_log(
    finished, competition, tmp_path
):
    image = images.find(competition, "test")[0]
    folder = os.fsencode((competition / image.path).parent)
    with open(os.path.join(folder, b"slice_\xff.png"), "wb"):
        pass
    _, _, out = submit(finished, competition, tmp_path)
    log = out.with_name("submit.log").read_text("utf-8")
    assert r"slice_\udcff.png: a slice's name must look like" in log
    assert out.read_bytes() == finished[0].run.files.submission.read_bytes()


def test_a_link_to_a_pipe_costs_its_slice_alone(finished, competition, tmp_path):
    path = competition / images.find(competition, "test")[0].path
    path.unlink()
    os.mkfifo(competition / "pipe")
    path.symlink_to(competition / "pipe")
    summary, rows, _ = submit(finished, competition, tmp_path)
    assert summary["events"] == {"damaged slice": 1}
    assert any(row.rle for row in rows)


def test_a_scan_that_fails_stays_empty_and_is_tried_again(
    finished, competition, tmp_path, monkeypatch
):
    predict, calls = members.LoadedMembers.predict, []

    def fail_once(self, volume, grid, networks):
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("the device is lost")
        return predict(self, volume, grid, networks)

    monkeypatch.setattr(members.LoadedMembers, "predict", fail_once)
    summary, *_ = submit(finished, competition, tmp_path)
    assert summary["events"] == {"unexpected": 1}
    assert not summary["complete"]
    again, _, out = submit(finished, competition, tmp_path)
    assert again["complete"]
    assert len(calls) == again["scans"] + 1
    assert out.read_bytes() == finished[0].run.files.submission.read_bytes()
    assert submit(finished, competition, tmp_path)[0] == again
    assert len(calls) == again["scans"] + 1


def test_an_error_that_is_not_foreseen_is_in_the_log_and_costs_no_finished_scan(
    finished, competition, tmp_path, monkeypatch
):
    predict = stages.predict

    def fail_after_one(*arguments, **options):
        yield next(predict(*arguments, **options))
        raise ValueError("a fault of the program")

    monkeypatch.setattr(stages, "predict", fail_after_one)
    with pytest.raises(ValueError, match=r"some of its masks are missing: ValueError"):
        submit(finished, competition, tmp_path)
    rows = mask_csv.read(tmp_path / "submission.csv", "predicted")
    assert [(row.id, row.class_name) for row in rows] == sample_rows(competition)
    part = (tmp_path / ".submission.csv.part").read_text("utf-8")
    assert len(part.splitlines()) == 2, "the key and one scan"
    text = (tmp_path / "submit.log").read_text("utf-8")
    assert "in fail_after_one\n" in text and "    ValueError: a fault of" in text


def kill_after_one(finished, competition, tmp_path, monkeypatch):
    """Kill a submission after its first scan, and return the names of those done."""
    add, names = partial.PartialSubmission.add, []

    def kill(part, scan, encoded):
        if names:
            raise KeyboardInterrupt
        names.append(scan)
        add(part, scan, encoded)

    with monkeypatch.context() as patch:
        patch.setattr(partial.PartialSubmission, "add", kill)
        with pytest.raises(KeyboardInterrupt):
            submit(finished, competition, tmp_path)
    return names


def test_a_killed_run_goes_on_at_the_next_scan(
    finished, competition, tmp_path, monkeypatch
):
    names = kill_after_one(finished, competition, tmp_path, monkeypatch)
    add, later = partial.PartialSubmission.add, []

    def record(part, scan, encoded):
        later.append(scan)
        add(part, scan, encoded)

    monkeypatch.setattr(partial.PartialSubmission, "add", record)
    _, _, out = submit(finished, competition, tmp_path)
    assert later and names[0] not in later
    assert out.read_bytes() == finished[0].run.files.submission.read_bytes()
    assert not out.with_name(".submission.csv.part").exists()


class Clock:
    """Time that passes when told."""

    now = 0.0

    def __call__(self):
        return self.now


def test_in_time_by_a_fake_clock(finished, competition, tmp_path, monkeypatch):
    """A slice takes 10 s and network; two folds are too slow, one is not."""
    job, _ = finished
    clock, predict, passes = Clock(), members.LoadedMembers.predict, []

    def slow(self, volume, grid, networks):
        clock.now += 10 * len(volume) * networks.passes
        passes.append(networks.passes)
        return predict(self, volume, grid, networks)

    monkeypatch.setattr(members.LoadedMembers, "predict", slow)
    monkeypatch.setattr(
        members.LoadedMembers,
        "measure",
        lambda self, shape, networks: 10 * networks.passes,
    )
    out = tmp_path / "submission.csv"
    seconds = 15 * len(images.find(competition, "test"))
    summary = step.run(
        job.run, data=competition, out=out, budget=f"{seconds}s", clock=clock
    )
    assert set(passes) == {1}
    assert summary["events"] == {"effort lowered": 1}
    assert clock.now <= seconds
    short = step.run(job.run, data=competition, out=tmp_path / "short" / "s.csv",
                     budget=f"{seconds * 2 // 5}s", clock=clock)  # fmt: skip
    assert short["events"]["no time"] >= 1
    assert not short["complete"]
    rows = mask_csv.read(tmp_path / "short" / "s.csv", "predicted")
    assert [(row.id, row.class_name) for row in rows] == sample_rows(competition)


def slow_down(monkeypatch, seconds):
    """Make every network take `seconds` longer for each slice."""
    predict = ensemble.predict_on_batch

    def slow(batch, runs, *others, **options):
        networks = sum(len(run.networks) for run in runs)
        time.sleep(seconds * len(batch["stack"]) * networks)
        return predict(batch, runs, *others, **options)

    monkeypatch.setattr(ensemble, "predict_on_batch", slow)


def test_folds_are_dropped_where_the_models_are_really_slow(
    finished, competition, tmp_path, monkeypatch
):
    """12 scans of a batch of 8 take 5.8 s with two folds, 2.9 s with one."""
    first = next((competition / "test").glob("case*/case*_day*/scans"))
    for case in range(1001, 1011):
        scans = competition / "test" / f"case{case}" / f"case{case}_day0" / "scans"
        shutil.copytree(first, scans)
    (competition / "sample_submission.csv").unlink()
    out = tmp_path / "submission.csv"
    # What loads and compiles has no part in the budget.
    step.run(finished[0].run, data=competition, out=tmp_path / "first" / "s.csv")
    slow_down(monkeypatch, 0.03)
    began = time.monotonic()
    summary = step.run(finished[0].run, data=competition, out=out, budget="4s")
    assert time.monotonic() - began < 60
    assert summary["scans"] == 12 and summary["events"]["effort lowered"] == 1
    rows = mask_csv.read(out, "predicted")
    assert len(rows) == 3 * len(images.find(competition, "test"))
    assert any(row.rle for row in rows)


def test_in_time_with_models_that_are_too_slow(
    finished, competition, tmp_path, monkeypatch
):
    job, _ = finished
    slow_down(monkeypatch, 0.1)
    out = tmp_path / "submission.csv"
    began = time.monotonic()
    with pytest.raises(ValueError, match="no scan could be predicted"):
        step.run(job.run, data=competition, out=out, budget="1s")
    assert time.monotonic() - began < 30
    assert len(mask_csv.read(out, "predicted")) == len(sample_rows(competition))
    assert event_log.read_summary(tmp_path / "submit.log")["events"]["no time"] >= 1


def test_on_a_full_disk_the_parts_make_room(
    finished, competition, tmp_path, monkeypatch
):
    write, part = mask_csv.write, tmp_path / ".submission.csv.part"

    def full(path, rows):
        if part.exists():
            raise OSError(28, "No space left on device")
        write(path, rows)

    monkeypatch.setattr(mask_csv, "write", full)
    _, _, out = submit(finished, competition, tmp_path)
    assert out.read_bytes() == finished[0].run.files.submission.read_bytes()


def test_a_wrong_budget_is_an_error(finished, competition, tmp_path):
    with pytest.raises(ValueError, match="A budget is hours, minutes and seconds"):
        pipeline.submit(finished[0].run.files.root, data=competition, budget="soon")


def test_the_log_ends_with_the_summary(finished, competition, tmp_path):
    summary, _, out = submit(finished, competition, tmp_path)
    last = out.with_name("submit.log").read_text("utf-8").splitlines()[-1]
    assert {**json.loads(last), "valid": True} == summary


def test_a_damaged_slice_costs_neither_the_file_nor_the_exit_code(
    finished, competition, tmp_path
):
    image = images.find(competition, "test")[1]
    (competition / image.path).write_bytes(b"")
    (competition / image.path).with_name("junk.txt").write_text("", encoding="utf-8")
    summary, rows, _ = submit(finished, competition, tmp_path)
    assert summary["valid"] is True
    assert [(row.id, row.class_name) for row in rows] == sample_rows(competition)


def test_a_place_that_cannot_be_written_is_an_error_before_the_work(
    finished, competition, tmp_path, monkeypatch
):
    monkeypatch.setattr(members, "LoadedMembers", None)
    root = finished[0].run.files.root
    with pytest.raises(ValueError, match="the path of a file, received a folder"):
        pipeline.submit(root, data=competition, out=tmp_path)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(ValueError, match=r"cannot be written to\. Give another `out`"):
        pipeline.submit(root, data=competition, out=tmp_path / "submission.csv")


def test_an_out_that_is_a_device_is_refused_and_the_log_beside_it_stays(
    finished, competition, tmp_path
):
    job, _ = finished
    out, log = tmp_path / "submission.csv", tmp_path / "submit.log"
    out.symlink_to("/dev/null")
    log.write_text("earlier\n")
    with pytest.raises(ValueError, match=r"submission\.csv: a device, not a file"):
        pipeline.submit(job.run.files.root, data=competition, out=out)
    assert log.read_text("utf-8") == "earlier\n"


def test_a_file_that_cannot_be_replaced_costs_no_finished_scan(
    finished, competition, tmp_path, monkeypatch
):
    def fail(path, rows):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(mask_csv, "write", fail)
        with pytest.raises(PermissionError):
            submit(finished, competition, tmp_path)
    monkeypatch.setattr(members, "LoadedMembers", None)
    _, _, out = submit(finished, competition, tmp_path)
    assert out.read_bytes() == finished[0].run.files.submission.read_bytes()


def test_gone_on_with_and_out_of_time_what_is_done_is_no_error(
    finished, competition, tmp_path, monkeypatch
):
    names = kill_after_one(finished, competition, tmp_path, monkeypatch)
    out = tmp_path / "submission.csv"
    root = finished[0].run.files.root
    summary = pipeline.submit(root, data=competition, out=out, budget="0s")
    assert summary["events"]["no time"] == summary["scans"] - 1
    assert not summary["complete"]
    filled = {row.id for row in mask_csv.read(out, None) if row.rle}
    assert {images.scan_of(id) for id in filled} <= set(names)


def test_a_submission_that_was_changed_is_written_again(
    finished, competition, tmp_path
):
    _, _, out = submit(finished, competition, tmp_path)
    whole = out.read_bytes()
    out.write_bytes(whole[:100])
    assert submit(finished, competition, tmp_path)[0]["valid"]
    assert out.read_bytes() == whole


@pytest.mark.parametrize(
    "text", ['{"rules": {}}', "{", '{"rules": {"stomach": {"threshold": 50}}}', "[]"]
)
def test_a_damaged_decision_costs_the_rules_and_not_the_file(
    finished, competition, tmp_path, text
):
    run = only_fold_0(finished[0], tmp_path)
    run.files.decision.write_text(text, "utf-8")
    out = tmp_path / "out" / "submission.csv"
    summary = pipeline.submit(run.files.root, data=competition, out=out)
    assert summary["valid"] and summary["complete"]
    assert summary["events"]["decision unusable"] == 1
    assert "decision.json" in submission_file.log_of(out).read_text("utf-8")


@pytest.mark.parametrize("changed", ["weights", "config"])
def test_a_run_that_has_changed_is_submitted_anew(
    finished, competition, tmp_path, changed
):
    run = only_fold_0(finished[0], tmp_path)
    weights = run.files.weights(0)
    with h5py.File(weights, "r+") as file:
        file.attrs["note"] = np.bytes_("as made")
    out = tmp_path / "out" / "submission.csv"
    first = pipeline.submit(run.files.root, data=competition, out=out)
    assert pipeline.submit(run.files.root, data=competition, out=out) == first
    if changed == "weights":
        # They stay as large as they were.
        made = weights.read_bytes()
        assert made.count(b"as made") == 1
        weights.write_bytes(made.replace(b"as made", b"changed"))
    else:
        about = files.read_json(run.files.config)
        about["config"]["submit"]["tta"] = ["flip"]
        files.write_json(run.files.config, about)
    again = pipeline.submit(run.files.root, data=competition, out=out)
    assert again["key"] != first["key"]


def test_a_run_of_other_classes_is_submitted_anew(finished, competition, tmp_path):
    run = only_fold_0(finished[0], tmp_path)
    # Equal rules stay the same, whatever the order of the classes.
    files.write_json(run.files.decision, rules.to_json([rules.Rule()] * 3, run.classes))
    out = tmp_path / "out" / "submission.csv"
    pipeline.submit(run.files.root, data=competition, out=out)
    about = files.read_json(run.files.config)
    about["classes"].reverse()
    files.write_json(run.files.config, about)
    # Its weights are of other classes, which only a submission anew finds out.
    with pytest.raises(ValueError, match=r"is written, but .* no weights of any fold"):
        pipeline.submit(run.files.root, data=competition, out=out)


@pytest.mark.parametrize("changed", ["intensity", "classes"])
def test_weights_are_left_out_where_the_config_is_not_that_of_their_training(
    finished, competition, tmp_path, changed
):
    run = only_fold_0(finished[0], tmp_path)
    about = files.read_json(run.files.config)
    if changed == "intensity":
        about["config"]["intensity"] = "scan"
    else:
        about["classes"] = about["classes"][::-1]
    files.write_json(run.files.config, about)
    out = tmp_path / "out" / "submission.csv"
    with pytest.raises(ValueError, match=r"is written, but .* no weights of any fold"):
        pipeline.submit(run.files.root, data=competition, out=out)
    assert "expected weights of fold 0" in submission_file.log_of(out).read_text(
        "utf-8"
    )


def test_two_submissions_in_a_folder_keep_their_own_logs(
    finished, competition, tmp_path
):
    run = only_fold_0(finished[0], tmp_path)
    outs = [tmp_path / "out" / name for name in ("submission.csv", "other.csv")]
    for out in outs:
        pipeline.submit(run.files.root, data=competition, out=out)
    logs = [submission_file.log_of(out) for out in outs]
    assert [log.name for log in logs] == ["submit.log", "other.csv.log"]
    for out, log in zip(outs, logs, strict=True):
        assert str(out) in log.read_text("utf-8")
    with pytest.raises(ValueError, match=r"`out` names a log; the submission is a CSV"):
        pipeline.submit(run.files.root, data=competition, out=tmp_path / "submit.log")


def test_two_submissions_in_a_folder_keep_their_own_parts(
    finished, competition, tmp_path
):
    other = tmp_path / ".other.csv.part"
    other.write_text("kept")
    submit(finished, competition, tmp_path)
    assert other.read_text() == "kept"


def test_a_test_folder_that_goes_while_it_is_read_is_read_again(
    finished, competition, tmp_path, capsys
):
    job, _ = finished
    test, away = competition / "test", competition / "away"
    calls = []

    def clock():
        calls.append(None)
        # First the deadline is set; when time is asked for again, scans are read.
        if len(calls) == 2:
            test.rename(away)
        return 0.0

    out = tmp_path / "submission.csv"
    asked = dict(data=competition, out=out, budget="1h")
    first = step.run(job.run, **asked, clock=clock)
    assert not first["complete"]
    assert "was taken away, while it was read. Submit again." in capsys.readouterr().err
    away.rename(test)
    assert step.run(job.run, **asked)["complete"]
    assert out.read_bytes() == job.run.files.submission.read_bytes()


@pytest.fixture
def whole(finished, competition, tmp_path):
    """The rows of the submission that nothing disturbs; its file is gone."""
    _, rows, out = submit(finished, competition, tmp_path)
    out.unlink()
    return rows


def with_masks(rows):
    """Return the scan with most masks."""
    scans = [images.scan_of(row.id) for row in rows if row.rle]
    return max(set(scans), key=scans.count)


@pytest.mark.parametrize(
    "fault",
    [OSError(errno.ESTALE, "Stale file handle"), MemoryError()],
    ids=["disk", "memory"],
)
def test_a_scan_that_could_not_be_read_for_a_while_is_predicted_later(
    finished, competition, tmp_path, whole, monkeypatch, fault
):
    scan, read = with_masks(whole), png.read

    def fail(path, expected):
        if path.parent.parent.name == scan:
            raise fault
        return read(path, expected)

    with monkeypatch.context() as patch:
        patch.setattr(png, "read", fail)
        first, rows, _ = submit(finished, competition, tmp_path)
    assert not first["complete"] and rows != whole
    assert submit(finished, competition, tmp_path)[1] == whole


def test_slices_that_were_renamed_as_the_message_says_are_predicted(
    finished, competition, tmp_path, whole
):
    scan, right = with_masks(whole), {}
    for image in images.find(competition, "test"):
        if image.scan == scan:
            path = competition / image.path
            height, width = image.shape
            size = f"_{width}_{height}_", f"_{width}_{height + 2}_"
            right[path.rename(path.with_name(path.name.replace(*size)))] = path
    first, rows, _ = submit(finished, competition, tmp_path)
    # As long as they stay, nothing is predicted again.
    assert first["complete"] and rows != whole
    for wrong, path in right.items():
        wrong.rename(path)
    assert submit(finished, competition, tmp_path)[1] == whole


def damaged_by(cause):
    """Return the error of weights that could not be read for a cause."""
    error = ValueError("the weights are damaged")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("fault", "passes"),
    [
        (MemoryError("no memory now"), True),
        (devices.no_memory("the network"), True),
        (damaged_by(OSError(errno.ESTALE, "Stale file handle")), True),
        (damaged_by(FileNotFoundError(errno.ENOENT, "No such file")), False),
        (damaged_by(OSError("file signature not found")), False),
    ],
    ids=["memory", "device", "disk", "missing", "damaged"],
)
def test_a_fold_that_could_not_be_loaded_for_a_while_predicts_later(
    finished, competition, tmp_path, whole, monkeypatch, fault, passes
):
    load = trained_network.load

    def fail(run, fold):
        if fold == 1:
            raise fault
        return load(run, fold)

    with monkeypatch.context() as patch:
        patch.setattr(trained_network, "load", fail)
        first, rows, _ = submit(finished, competition, tmp_path)
    kind = "network failed" if passes else "network left out"
    assert first["events"] == {kind: 1} and rows != whole
    assert first["complete"] is not passes
    # What does not pass is left as it is, until its weights are others.
    assert (submit(finished, competition, tmp_path)[1] == whole) is passes


def test_a_log_of_an_older_version_still_says_that_a_fold_was_missing(
    finished, competition, tmp_path, monkeypatch
):
    kill_after_one(finished, competition, tmp_path, monkeypatch)
    with (tmp_path / "submit.log").open("a", encoding="utf-8") as file:
        file.write("warning: model failed: smoke, fold 1: no memory now\n")
    resumed, *_ = submit(finished, competition, tmp_path)
    assert resumed["events"] == {"model failed": 1} and not resumed["complete"]
    assert submit(finished, competition, tmp_path)[0]["complete"]


def test_with_more_time_all_folds_predict(
    finished, competition, tmp_path, whole, monkeypatch
):
    job, out = finished[0], tmp_path / "submission.csv"
    slices = len(images.find(competition, "test"))
    with monkeypatch.context() as patch:
        # A slice takes a thousand seconds, and there are three quarters of them.
        patch.setattr(members.LoadedMembers, "measure", lambda *_: 1e3)
        budget = f"{750 * slices}s"
        less = {"budget": budget, "clock": lambda: 0.0}
        first = step.run(job.run, data=competition, out=out, **less)
        assert "effort lowered" in first["events"]
        again = step.run(job.run, data=competition, out=out, **less)
    assert again == first
    assert submit(finished, competition, tmp_path)[1] == whole


def test_scans_of_a_call_that_had_too_little_time_are_predicted_with_all_folds_later(
    finished, competition, tmp_path, whole, monkeypatch
):
    job, out = finished[0], tmp_path / "submission.csv"
    slices = len(images.find(competition, "test"))
    now, predict = [0.0], members.LoadedMembers.predict

    def slow(self, *arguments):
        now[0] += 700 * slices
        return predict(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(members.LoadedMembers, "measure", lambda *_: 1e3)
        patch.setattr(members.LoadedMembers, "predict", slow)
        less = {"budget": f"{750 * slices}s", "clock": lambda: now[0]}
        first = step.run(job.run, data=competition, out=out, **less)
        assert {"effort lowered", "no time"} <= first["events"].keys()
        part = out.with_name(".submission.csv.part")
        kept = part.read_bytes(), out.with_name("submit.log").read_bytes()
        # With the same budget there would not be more networks.
        now[0] = 0.0
        same = step.run(job.run, data=competition, out=out, **less)
        assert step.run(job.run, data=competition, out=out, **less) == same
    part.write_bytes(kept[0])
    out.with_name("submit.log").write_bytes(kept[1])
    second, rows, _ = submit(finished, competition, tmp_path)
    assert not second["complete"] and rows != whole
    assert submit(finished, competition, tmp_path)[1] == whole


def test_a_scan_that_had_no_time_leaves_no_warning_once_it_is_predicted(
    finished, competition, tmp_path, monkeypatch
):
    job, out = finished[0], tmp_path / "submission.csv"
    now, predict = [0.0], members.LoadedMembers.predict

    def slow(self, *arguments):
        now[0] += 1e6
        return predict(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(members.LoadedMembers, "measure", lambda *_: 1e-6)
        patch.setattr(members.LoadedMembers, "predict", slow)
        first = step.run(
            job.run, data=competition, out=out, budget="1h", clock=lambda: now[0]
        )
    assert first["events"]["no time"]
    second = step.run(job.run, data=competition, out=out)
    assert not second["complete"] and "no time" not in second["events"]


def test_weights_that_cannot_be_read_cost_their_fold_alone(
    finished, competition, tmp_path, monkeypatch
):
    job, out = finished[0], tmp_path / "submission.csv"
    broken, digest = job.run.files.weights(1), files.file_digest

    def digest_of(path):
        if path == broken:
            raise OSError(errno.EIO, "Input/output error", str(path))
        return digest(path)

    monkeypatch.setattr(files, "file_digest", digest_of)
    step.run(job.run, data=competition, out=out)
    assert mask_csv.read(out, "predicted")


@pytest.mark.parametrize(
    ("budget", "before", "more"),
    [
        ("9h", "8h", True), ("31680s", "8h30m", False), ("8h", "9h", False),
        (None, "9h", True), ("9h", None, False), (None, None, False),
    ],
)  # fmt: skip
def test_only_clearly_more_time_is_worth_another_submission(budget, before, more):
    assert step.gives_more(budget, before) is more
