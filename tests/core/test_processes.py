"""Which processes run."""

import os
import subprocess
import sys

from competition.core import processes


def test_a_process_is_alive_until_it_has_ended():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert processes.is_alive(child.pid) and processes.is_alive(os.getpid())
    child.communicate(b"\n")
    assert not processes.is_alive(child.pid)


def test_a_process_of_another_user_is_alive():
    assert processes.is_alive(1)
