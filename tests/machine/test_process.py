"""Fresh processes: their messages, their errors, and their end."""

import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest

from competition.machine import process
from tests import conftest


def child(*arguments):
    """The command of one of the works in tests/machine/child.py."""
    return ["-m", "tests.machine.child", *map(str, arguments)]


def test_commands_in_turn_share_an_environment(tmp_path):
    commands = [child("write", tmp_path / name, "G") for name in ("a", "b", "c")]
    process.run_all(commands, [{"G": "0"}, {"G": "1"}])
    written = sorted((tmp_path / name).read_text("utf-8") for name in ("a", "b", "c"))
    assert written in (["0", "0", "1"], ["0", "1", "1"])


def test_a_command_is_taken_when_its_turn_comes(tmp_path):
    def commands():
        yield child("write", tmp_path / "first", "G")
        assert (tmp_path / "first").is_file()
        yield child("write", tmp_path / "second", "G")

    process.run_all(commands(), [{"G": "0"}])
    assert (tmp_path / "second").is_file()


def test_a_message_is_raised_here_and_no_traceback_shown(capfd):
    with pytest.raises(ValueError, match=r"^A budget is hours, .* Received: 'x'\.$"):
        process.run_all([child("budget", "x")], [{}])
    assert "Traceback" not in capfd.readouterr().err


def test_other_faults_say_where_to_look(capfd):
    with pytest.raises(
        ValueError, match=r"exit code 1; its last lines on standard error stand above"
    ):
        process.run_all([child("fail")], [{}])
    assert "IndexError" in capfd.readouterr().err


def test_a_killed_process_says_by_what_and_to_go_on():
    with pytest.raises(
        ValueError, match=r"ended by SIGKILL\. .* smaller `training\.batch"
    ):
        process.run_all([child("die")], [{}])


def test_it_is_ended_once_nobody_wants_it_to_go_on(tmp_path):
    begun, late = tmp_path / "begun", tmp_path / "late"
    before = time.monotonic()
    process.run_all(
        [child("sleep", begun, late)], [{}], go_on=lambda: not begun.exists()
    )
    assert begun.exists() and not late.exists()
    assert time.monotonic() - before < 30


def test_after_a_fault_the_others_go_on_and_then_it_is_raised(tmp_path, capsys):
    commands = [child("budget", "x"), child("budget", "y")]
    commands += [child("write", tmp_path / name, "G") for name in ("a", "b", "c")]
    with pytest.raises(ValueError, match=r"^A budget is hours"):
        process.run_all(commands, [{"G": "0"}, {"G": "1"}])
    with pytest.raises(ValueError, match=r"Received: 'x'"):
        process.run_all([child("budget", "x"), child("budget", "z")], [{}])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]
    said = " ".join(capsys.readouterr().err.split())
    assert "Received: 'x'. The others go on." in said
    assert "Received: 'y'" in said and "Received: 'z'" in said


def test_ctrl_c_is_left_to_the_parent():
    started = process.start(
        ["-c", "import time; time.sleep(2)"], stdout=subprocess.DEVNULL
    )
    started.send_signal(signal.SIGINT)
    assert started.wait() == 0


def test_it_ends_with_its_parent(tmp_path):
    begun, late = tmp_path / "begun", tmp_path / "late"
    parent = subprocess.Popen(
        [sys.executable, *child("parent", "sleep", begun, late)], cwd=conftest.ROOT
    )
    wait(lambda: begun.is_file() and begun.read_text("utf-8"))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    pid = int(begun.read_text("utf-8"))
    wait(lambda: not is_running(pid))


def wait(until):
    end = time.monotonic() + 30
    while not until():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = pathlib.Path(f"/proc/{pid}/stat").read_text("utf-8")
    return status.split(") ")[1][0] != "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority")
def test_a_thread_that_steps_back_does_so_alone():
    def work():
        process.step_back()
        priorities.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    priorities = []
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    before = os.getpriority(os.PRIO_PROCESS, 0)
    # The suite may run under `nice`.
    assert priorities == [max(before, process.LATER)]
