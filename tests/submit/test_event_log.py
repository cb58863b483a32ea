"""The log of a blind run."""

import os

import pytest

from competition.core import problems
from competition.submit import event_log


def test_every_event_is_a_line_and_the_last_are_counts_and_summary(tmp_path, capsys):
    log = event_log.EventLog(tmp_path / "submit.log")
    log.warn("odd slice", "slice 1\nis odd")
    log.warn("odd slice", "slice 2 is odd")
    log.finish({"rows": 3})
    assert log.path.read_text("utf-8").splitlines() == [
        "warning: odd slice: slice 1 is odd",
        "warning: odd slice: slice 2 is odd",
        "2 x odd slice",
        '{"rows": 3}',
    ]
    assert event_log.read_summary(log.path) == {"rows": 3}
    assert "warning: slice 2 is odd" in capsys.readouterr().err


def test_a_traceback_stands_below_its_event_and_is_no_event(tmp_path, capsys):
    log = event_log.EventLog(tmp_path / "submit.log")
    log.warn("unexpected", "a fault", "Traceback:\n  at once\nwarning: odd: fault\n")
    assert log.path.read_text("utf-8").splitlines() == [
        "warning: unexpected: a fault",
        "    Traceback:",
        "      at once",
        "    warning: odd: fault",
    ]
    assert "at once" not in capsys.readouterr().err
    again = event_log.EventLog(log.path, resume=True)
    assert again.counts == {"unexpected": 1}


def test_the_console_shows_the_first_of_a_kind_and_the_file_all(tmp_path, capsys):
    log = event_log.EventLog(tmp_path / "submit.log")
    for number in range(problems.SHOWN + 5):
        log.warn("kind", f"number {number}")
    assert capsys.readouterr().err.count("number") == problems.SHOWN
    assert log.path.read_text("utf-8").count("number") == problems.SHOWN + 5


def test_a_killed_run_goes_on_in_its_file_and_has_no_summary(tmp_path):
    path = tmp_path / "submit.log"
    event_log.EventLog(path).warn("kind", "before")
    assert event_log.read_summary(path) == {}
    log = event_log.EventLog(path, resume=True)
    log.warn("kind", "before")
    log.warn("kind", "after")
    assert path.read_text("utf-8").count("warning") == 2
    assert log.counts == {"kind": 2}
    event_log.EventLog(path)
    assert not path.exists()


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000])
def test_a_log_of_another_form_has_no_summary(tmp_path, text):
    (tmp_path / "submit.log").write_text(text, "utf-8")
    assert event_log.read_summary(tmp_path / "submit.log") == {}


def test_a_log_that_cannot_be_written_costs_nothing(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    event_log.EventLog(tmp_path / "file" / "submit.log", resume=True).warn(
        "kind", "text"
    )
    assert "submit.log: " in capsys.readouterr().err


def test_a_pipe_in_the_place_of_the_log_is_replaced(tmp_path):
    path = tmp_path / "submit.log"
    for resume in (False, True):
        os.mkfifo(tmp_path / "pipe")
        path.symlink_to(tmp_path / "pipe")
        assert event_log.read_summary(path) == {}
        event_log.EventLog(path, resume=resume).finish({"rows": 3})
        assert event_log.read_summary(path) == {"rows": 3}
        path.unlink()
        (tmp_path / "pipe").unlink()


@pytest.mark.parametrize("half", ["warning: no masks: ca", "budget: 3", "warning"])
def test_a_half_line_of_a_killed_process_does_not_count(tmp_path, half):
    path = tmp_path / "submit.log"
    event_log.EventLog(path, budget="30m").warn("no body", "case1_day0: none is seen.")
    whole = path.read_text("utf-8")
    path.write_text(whole + half, "utf-8")
    file = path.stat().st_ino
    log = event_log.EventLog(path, budget="30m", resume=True)
    assert log.counts == {"no body": 1} and log.budget_before == "30m"
    assert path.read_text("utf-8") == whole + "budget: 30m\n"
    assert path.stat().st_ino == file, "a new file might belong to another user"
