"""`kernels/cluster/slurm.sh` with a stand-in for sbatch, which loses a node."""

import os
import pathlib
import subprocess
import sys

import pytest

from competition.core import files
from competition.core.experiment import layout
from tests import conftest

SCRIPT = conftest.ROOT / "kernels" / "cluster" / "slurm.sh"
SET = " ".join(f"--set '{each}'" for each in conftest.TINY)
HERE = pathlib.Path(__file__).parent


@pytest.fixture
def checkout(tmp_path):
    """A checkout whose .venv has the Python that runs the tests."""
    root = tmp_path / "check out"
    root.mkdir()
    for name in ("competition", "kernels"):
        (root / name).symlink_to(conftest.ROOT / name)
    (root / ".venv" / "bin").mkdir(parents=True)
    python = root / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return root


def submitted(checkout, data, work, **more):
    jobs, logs = work.parent / "jobs", work.parent / "logs"
    jobs.mkdir()
    logs.mkdir()
    environment = os.environ | {
        "PATH": f"{HERE}:{os.environ['PATH']}",
        "JOBS": str(jobs), "LOGS": str(logs), "DATA": str(data), "WORK": str(work),
        "EXPERIMENT": "smoke", "FOLDS": "0-1", "SET": SET,
    }  # fmt: skip
    return subprocess.run(
        [checkout / "kernels" / "cluster" / "slurm.sh", "--partition=gpu"],
        cwd=checkout, env=environment | more, capture_output=True, encoding="utf-8",
    )  # fmt: skip


def test_a_lost_node_changes_nothing(checkout, tiny_phantom, finished, tmp_path):
    data, work = tiny_phantom / "competition", tmp_path / "work"
    run = layout.dataset(data, work).run("smoke")
    done = submitted(
        checkout, data, work, KILL_TASK="1", KILL_AT=str(run.fold(1) / "state.npz")
    )
    logs = {
        path.name: path.read_text(encoding="utf-8")
        for path in (tmp_path / "logs").iterdir()
    }
    assert done.returncode == 0, (done.stderr, logs)
    assert "folds: job 1. The other steps follow as job 2." in done.stdout
    unbroken, _ = finished
    one, other = (files.read_json(each.score) for each in (run, unbroken.run.files))
    # The submission of the unbroken run is scored as well: its truth is known there.
    compared = ("oof", "nested", "slices")
    assert [one[key] for key in compared] == [other[key] for key in compared]


def test_the_data_must_be_named(checkout, tmp_path):
    done = submitted(checkout, "", tmp_path / "work")
    assert done.returncode != 0
    assert "Name the competition folder: DATA=/data/uw" in done.stderr
