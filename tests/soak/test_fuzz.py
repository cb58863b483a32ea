"""Damaged files: the right result or a message, never another result in silence."""

import os
import subprocess
import sys

from tests import conftest

CASES = "2000" if os.environ.get("SOAK") == "1" else "100"
SEED = "0"


def test_damage_is_never_silent(tmp_path):
    command = [sys.executable, "-m", "tests.soak.fuzz", tmp_path, CASES, SEED]
    done = subprocess.run(
        command, cwd=conftest.ROOT, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
