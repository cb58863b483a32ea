"""A run that is killed, crowded or left without a disk ends like one that never was.

Here a few cases of each; behind `make soak` 100 kills, every pair of steps at once, and
every step in each trouble, with a new seed each time, which is printed.
"""

import json
import os
import random
import subprocess
import sys

import pytest

from tests import conftest

SOAK = os.environ.get("SOAK") == "1"
# Of kills, of pairs of steps at once, and of steps in each trouble.
COUNTS = (100, 45, 8) if SOAK else (10, 2, 1)


@pytest.fixture(scope="module")
def disturbed(tmp_path_factory):
    """What came of all disturbances, in one process that loads the libraries once."""
    seed = random.SystemRandom().randrange(10**6) if SOAK else 0
    counts = [str(count) for count in COUNTS]
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak.disturb",
         tmp_path_factory.mktemp("disturb"), str(seed), *counts],
        capture_output=True, encoding="utf-8", cwd=conftest.ROOT,
    )  # fmt: skip
    assert done.returncode == 0, f"seed {seed}: {done.stderr}"
    return json.loads(done.stdout.splitlines()[-1])


def test_killed_in_every_step_it_ends_as_if_it_had_not_been(disturbed):
    result = disturbed["kills"]
    print(result)
    assert not result["faults"], result
    assert result["kills"] == sum(result["steps"].values()) == COUNTS[0]
    assert result["rounds"] >= 1


def test_two_steps_at_once_never_mix_their_results(disturbed):
    result = disturbed["pairs"]
    print(result)
    assert not result["faults"], result
    assert result["pairs"] == COUNTS[1]


def test_a_clock_that_is_set_back_changes_nothing(disturbed):
    assert not disturbed["clock"]["faults"]


def test_without_room_or_disk_a_step_says_so_and_can_be_taken_again(disturbed):
    if "troubles" not in disturbed:
        pytest.skip("no file system can be mounted here")
    result = disturbed["troubles"]
    print(result)
    assert not result["faults"], result
    assert all(len(codes) == COUNTS[2] for codes in result["codes"].values())
