"""Damaged files: the right result or a message, never another result in silence.

Here each kind of file once for each command that reads it, always in the same way;
behind `make soak` 2,000 cases with a new seed each time.
"""

import os
import random
import subprocess
import sys

from tests import conftest

SOAK = os.environ.get("SOAK") == "1"


def test_damage_is_never_silent(tmp_path):
    seed = random.SystemRandom().randrange(10**6) if SOAK else 0
    counts = ["2000" if SOAK else "each", str(seed)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak.fuzz", tmp_path, *counts],
        cwd=conftest.ROOT,
        capture_output=True,
        encoding="utf-8",
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
