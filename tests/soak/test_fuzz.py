"""Damaged files: the right result or a message, never another result in silence.

Only behind `make soak`: each case makes a process of its own.
"""

import os
import subprocess
import sys

import pytest

from tests import conftest

CASES, SEED = "2000", "0"


@pytest.mark.skipif(os.environ.get("SOAK") != "1", reason="`make soak` damages files")
def test_damage_is_never_silent(tmp_path):
    command = [sys.executable, "-m", "tests.soak.fuzz", tmp_path, CASES, SEED]
    done = subprocess.run(
        command, cwd=conftest.ROOT, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
