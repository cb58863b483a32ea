"""What `watch` shows of runs, sound and damaged, and how it ends."""

import io
import json
import os
import shutil
import time

import pytest
from rich import console

from competition.commands import options
from competition.core.experiment import configs, history, layout, starting
from competition.study import watch
from competition.study.watch import display, reading
from tests import by_hand

ROW = history.Epoch(
    epoch=0,
    loss=0.5,
    score=0.25,
    seconds=60.0,
    rate=1e-3,
    memory=3 * 10**9,
    waiting=15.0,
)


@pytest.fixture
def root(tmp_path):
    """The folder of a run of two folds and six epochs, that has not begun."""
    return begin(tmp_path, "smoke")


def begin(folder, name, *overrides):
    dataset = layout.DatasetFiles(folder / "boxes")
    if not dataset.root.exists():
        by_hand.scored_run(folder)
    config = configs.load("smoke", overrides)
    return starting.start(dataset, name, config).files.root


def train(root, fold, epochs, *, beat=None, score=0.25):
    """Imitate a fold that has some epochs, and maybe a process that trains it."""
    paths = layout.RunFiles(root)
    rows = [
        ROW | {"epoch": k, "loss": 0.5 / (k + 1), "score": score} for k in range(epochs)
    ]
    if rows:
        history.write(paths.history(fold), rows)
    if epochs == 6:
        paths.weights(fold).write_bytes(b"weights")
    if beat:
        paths.heartbeat(fold).write_text(json.dumps(beat))


def shown(root, *, width=120, height=50, encoding="utf-8"):
    """What a terminal of this size shows, in lines without their last blanks."""
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    out = console.Console(
        file=file, width=width, height=height, force_terminal=True, color_system=None
    )
    watch.run(root, once=True, out=out)
    file.flush()
    text = file.buffer.getvalue().decode(encoding)
    return [line.rstrip() for line in text.splitlines()]


def states(root):
    (member,) = reading.Reader(root).members()
    return {fold.name: fold.state for fold in member.folds}


def test_an_epoch_without_a_time_has_no_share_of_waiting(root):
    history.write(layout.RunFiles(root).history(0), [ROW | {"seconds": 0.0}])
    assert "0.0s        -" in shown(root)[2]


def test_each_fold_has_a_line_with_where_it_is(root):
    train(root, 0, 6)
    beat = {"doing": "training", "epoch": 2, "step": 3, "steps": 4, "seconds": 45.0}
    train(root, 1, 2, beat=beat | {"loss": 0.125, "memory": 4 * 10**9})
    head, names, first, second = shown(root)
    # Four epochs of a minute are left, less 45 s.
    assert head.startswith("smoke  1 of 2 folds done, mean score 0.2500, about 3m15s")
    assert names.split() == [
        "fold", "state", "epoch", "loss", "score", "best", "rate", "an", "epoch",
        "waiting", "left", "memory", "loss", "score",
    ]  # fmt: skip
    assert first.split()[:10] == [
        "0", "done", "6/6", "0.0833", "0.2500", "0.2500", "1.0e-03", "1m00s", "25%",
        "3.00",
    ]  # fmt: skip
    assert "█" in first and "▁" in first
    assert second.split()[:12] == [
        "1", "training", "75%", "2/6", "0.1250", "0.2500", "0.2500", "1.0e-03",
        "1m00s", "25%", "3m15s", "4.00",
    ]  # fmt: skip


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_no_line_is_wider_than_the_terminal(root, width):
    train(root, 0, 6)
    train(root, 1, 2, beat={"doing": "scoring"})
    lines = shown(root, width=width)
    assert max(map(len, lines)) <= width
    assert any(line.startswith("1     scoring") for line in lines)
    assert any("█" in line for line in lines) == (width >= 80)


def test_a_terminal_without_unicode_is_drawn_in_ascii(root):
    train(root, 0, 6)
    assert any("#" in line for line in shown(root, encoding="ascii"))


def test_a_fold_that_waits_is_taken_to_be_as_slow_as_the_others(root):
    train(root, 0, 3, beat={"doing": "training", "epoch": 3})
    (member,) = reading.Reader(root).members()
    assert [fold.left for fold in member.folds] == [180.0, 360.0]
    assert reading.left([member]) == 540.0
    # Side by side.
    train(root, 1, 0, beat={"doing": "starting"})
    assert reading.left(reading.Reader(root).members()) == 360.0


def test_the_first_epoch_is_estimated_from_its_steps(root):
    beat = {"doing": "training", "epoch": 0, "step": 5, "steps": 10, "seconds": 20.0}
    train(root, 0, 0, beat=beat)
    (member,) = reading.Reader(root).members()
    assert member.folds[0].left == 6 * 40 - 20
    train(root, 0, 0, beat=beat | {"step": 0, "seconds": 0.0})
    assert reading.left(reading.Reader(root).members()) is None


def test_a_process_that_was_killed_is_told_by_the_age_of_its_heartbeat(root):
    train(root, 0, 2, beat={"doing": "training"})
    train(root, 1, 0, beat={"doing": "starting"})
    assert states(root) == {0: "training", 1: "starting"}
    for fold in (0, 1):
        path = layout.RunFiles(root).heartbeat(fold)
        os.utime(path, (time.time() - 100, time.time() - 100))
    assert states(root) == {0: "stopped", 1: "waiting"}
    assert "no fold is trained just now" in shown(root)[0]


def test_the_clock_of_another_machine_may_be_wrong(root):
    path = layout.RunFiles(root).heartbeat(0)
    train(root, 0, 2, beat={"doing": "training"})
    reader = reading.Reader(root)
    os.utime(path, (10**9, 10**9))
    assert reader.members()[0].folds[0].state == "stopped"
    os.utime(path, (10**9 + 5, 10**9 + 5))
    assert reader.members()[0].folds[0].state == "training"


def test_a_run_that_has_not_begun_says_so(tmp_path):
    lines = shown(tmp_path / "none")
    assert lines[0] == "none  not begun yet"
    assert "config.json: not found" in " ".join(lines)


def test_a_damaged_history_is_shown_as_far_as_it_is_sound(root):
    train(root, 0, 3, beat={"doing": "training"})
    path = layout.RunFiles(root).history(0)
    path.write_text(path.read_text()[:-40])
    lines = shown(root)
    assert lines[2].split()[:4] == ["0", "training", "2/6", "0.2500"]
    assert "history.csv: not read after epoch 2" in " ".join(lines)
    path.write_bytes(b"\xff\xfe\x00")
    assert shown(root)[2].split()[:3] == ["0", "training", "0/6"]
    path.unlink()
    path.mkdir()
    assert "a folder, not a file" in " ".join(shown(root))


def test_a_damaged_config_leaves_what_was_known_before(root):
    train(root, 0, 2, beat={"doing": "training"})
    reader = reading.Reader(root)
    before = reader.members()
    path = layout.RunFiles(root).config
    path.write_text(path.read_text()[:100])
    (member,) = reader.members()
    assert member.folds == before[0].folds
    assert "is not valid JSON" in member.faults[0]
    # Who has not seen it before takes the folds that have files.
    lines = shown(root)
    assert lines[2].split()[:3] == ["0", "training", "2/?"]


def test_a_blend_shows_its_members(tmp_path):
    one, other = (begin(tmp_path, name) for name in ("one", "other"))
    blend = begin(tmp_path, "blend", 'members=["one", "other"]')
    train(one, 0, 6)
    train(one, 1, 6)
    train(other, 0, 1, beat={"doing": "training"})
    lines = shown(blend)
    assert lines[0].startswith("blend  2 of 4 folds done")
    assert [line for line in lines if line in ("one", "other")] == ["one", "other"]
    # Where the lines are few, a member that is done has one.
    assert "one  all folds done" in shown(blend, height=10)
    shutil.rmtree(other)
    assert "other/config.json: not found" in "".join(shown(blend))


def test_json_holds_what_the_table_holds(root):
    train(root, 1, 2, beat={"doing": "training", "step": 1})
    (member,) = watch.now(root)["members"].values()
    assert json.loads(json.dumps(member))["folds"]["1"] == {
        "state": "training", "epoch": 2, "epochs": 6, "score": 0.25, "best": 0.25,
        "left": 240.0, "last": history.read(layout.RunFiles(root).history(1))[-1],
        "now": {"doing": "training", "step": 1},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([1.0, 2.0, 3.0], "▁▅█"),
        ([2.0, 2.0], "▄▄"),
        ([], ""),
        ([9.0, 1.0, 9.0, 2.0, 9.0, 3.0], "▁▅█"),
    ],
)
def test_a_line_of_blocks(values, line):
    assert display.spark(values, 3, display.BLOCKS[True]) == line


def test_a_loss_falls_by_equal_steps_where_each_is_half_of_the_one_before():
    line = display.spark([0.8, 0.4, 0.2, 0.1], 9, "0123", log=True)
    assert line == "3210"


def on_terminal():
    return console.Console(file=io.StringIO(), force_terminal=True, width=100)


def test_it_ends_by_itself_when_all_folds_are_done(root, monkeypatch):
    train(root, 0, 6)
    monkeypatch.setattr(time, "sleep", lambda seconds: train(root, 1, 6))
    out = on_terminal()
    watch.run(root, once=False, out=out)
    assert "2 of 2 folds done" in out.file.getvalue()


def test_ctrl_c_ends_it_quietly(root, monkeypatch):
    def interrupt(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupt)
    watch.run(root, once=False, out=on_terminal())


def test_it_stands_below_what_others_print_meanwhile(root, monkeypatch):
    out, log = on_terminal(), console.Console(file=io.StringIO())
    with watch.below(root, out) as show:
        show()
        out.print("a line of a node")
        train(root, 0, 6)
        train(root, 1, 6)
    said = out.file.getvalue()
    places = [said.rindex(text) for text in ("a line of a node", "2 of 2 folds done")]
    assert places == sorted(places)
    with watch.below(root, log) as show:
        show()
    assert not log.file.getvalue()


def test_a_log_is_written_once(root):
    out = console.Console(file=io.StringIO())
    watch.run(root, once=False, out=out)
    assert out.file.getvalue().startswith("smoke  0 of 2 folds done")


def test_without_a_folder_it_takes_the_run_that_was_written_to_last(tmp_path):
    begin(tmp_path, "one")
    other = begin(tmp_path, "other")
    os.utime(other / "config.json", (1, 1))
    assert watch.newest(tmp_path).name in ("one", "by-hand")
    train(other, 0, 0, beat={"doing": "training"})
    path = layout.RunFiles(other).heartbeat(0)
    os.utime(path, (time.time() + 9, time.time() + 9))
    assert watch.newest(tmp_path) == other
    with pytest.raises(ValueError, match=r"expected a run.*Received: none"):
        watch.newest(tmp_path / "empty")


def test_the_folder_of_a_run_may_be_the_one_that_one_is_in(root, monkeypatch):
    monkeypatch.chdir(root)
    here = options.run_folder(".")
    assert here == root
    (member,) = watch.now(here)["members"].values()
    assert len(member["folds"]) == 2
