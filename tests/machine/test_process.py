"""Fresh processes: what they say, how they fail, and when they end."""

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

INSIDE = "import os, time; from competition.machine import deadline, process\n"


def inside(work):
    return lambda: f"{INSIDE}process.inside(lambda: {work})"


def test_works_in_turn_share_an_environment(tmp_path):
    codes = [
        inside(f"open({str(tmp_path / name)!r}, 'w').write(os.environ['G'])")
        for name in ("a", "b", "c")
    ]
    process.run_all(codes, [{"G": "0"}, {"G": "1"}])
    made = sorted((tmp_path / name).read_text("utf-8") for name in ("a", "b", "c"))
    assert made in (["0", "0", "1"], ["0", "1", "1"])


def test_a_message_is_raised_here_and_no_traceback_shown(capfd):
    with pytest.raises(ValueError, match=r"^A budget is hours, .* Received: 'x'\.$"):
        process.run_all([inside("deadline.parse('x')")], [{}])


def test_other_faults_say_where_to_look(capfd):
    with pytest.raises(
        ValueError, match=r"exit code 1; what it said last stands above"
    ):
        process.run_all([inside("[][0]")], [{}])
    assert "IndexError" in capfd.readouterr().err


def test_a_killed_process_says_by_what_and_to_go_on():
    with pytest.raises(
        ValueError, match=r"ended by SIGKILL; .* smaller `training\.batch"
    ):
        process.run_all([inside("os.kill(os.getpid(), 9)")], [{}])


def test_it_is_ended_once_nobody_wants_it_to_go_on(tmp_path):
    begun, late = tmp_path / "begun", tmp_path / "late"
    work = f"(open({str(begun)!r}, 'w'), time.sleep(60), open({str(late)!r}, 'w'))"
    before = time.monotonic()
    process.run_all([inside(work)], [{}], go_on=lambda: not begun.exists())
    assert begun.exists() and not late.exists()
    assert time.monotonic() - before < 30


def test_the_first_fault_ends_the_others(tmp_path):
    slow = f"(time.sleep(60), open({str(tmp_path / 'late')!r}, 'w'))"
    began = time.monotonic()
    with pytest.raises(ValueError, match="invalid literal"):
        process.run_all([inside("int('x')"), inside(slow)], [{}, {}])
    assert time.monotonic() - began < 30
    assert not (tmp_path / "late").exists()


def test_it_ends_with_its_parent(tmp_path):
    mark = tmp_path / "pid"
    work = f"(open({str(mark)!r}, 'w').write(str(os.getpid())), time.sleep(60))"
    code = f"{INSIDE}process.inside(lambda: {work})"
    parent = subprocess.Popen(
        [sys.executable, "-c", f"{INSIDE}process.run_all([lambda: {code!r}], [{{}}])"],
        cwd=conftest.ROOT,
    )
    wait(lambda: mark.is_file() and mark.read_text("utf-8"))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    pid = int(mark.read_text("utf-8"))
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
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    found = []
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [process.LATER]
    assert os.getpriority(os.PRIO_PROCESS, 0) < process.LATER
