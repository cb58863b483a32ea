"""Several hosts, as processes of this machine, that train one network."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

from competition import pipeline
from competition.core.experiment import history, layout
from tests import conftest, test_without_tensorflow

EPOCHS = 24
SET = (
    *conftest.TINY,
    # Most of the time is compiling the network, so it has a single level.
    "model.widths=[4]",
    f"training.epochs={EPOCHS}",
    f"training.score_every={EPOCHS}",
    # At the rate of other tests AdamW turns rounding into steps.
    "training.learning_rate=0.001",
    "training.tensorboard=false",
    "folds=[0]",
)
# Most of the time is compiling: XLA optimises less than by default.
JAX = {
    "KERAS_BACKEND": "jax",
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_backend_optimization_level=1",
    "PYTHONDONTWRITEBYTECODE": "",
    # Keras loads TensorFlow as well, where it finds it, which takes seconds.
    "PYTHONPATH": str(test_without_tensorflow.HIDING),
}
SECONDS = 240


@pytest.fixture(scope="module")
def prepared(tiny_phantom, tmp_path_factory):
    """The competition folder and a function that makes a work folder."""
    data = tiny_phantom / "competition"
    made = tmp_path_factory.mktemp("hosts") / "work"
    pipeline.prepare(data, work=made)

    def copy(name):
        return shutil.copytree(made, made.parent / name)

    with pytest.MonkeyPatch.context() as patch:
        # What one process has compiled, the next need not.
        patch.setenv("JAX_COMPILATION_CACHE_DIR", str(made.parent / "compiled"))
        patch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        yield data, copy


def free_port():
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        return any_port.getsockname()[1]


def start(data, work, *arguments, overrides=SET, **environment):
    sets = [part for each in overrides for part in ("--set", each)]
    command = ["train", "--data", data, "--work", work, "--experiment", "smoke"]
    command = [sys.executable, "-m", "competition", *command, *sets, *arguments]
    return subprocess.Popen(
        list(map(str, command)), cwd=conftest.ROOT, env=os.environ | JAX | environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
        # A group of its own, as on another machine.
        start_new_session=True,
    )  # fmt: skip


def place(port, number):
    coordinator = f"127.0.0.1:{port}"
    return "--coordinator", coordinator, "--hosts", 2, "--host", number


def start_two(data, *works, **asked):
    port = free_port()
    return [start(data, works[i], *place(port, i), **asked) for i in range(2)]


def ended(process):
    """Wait for a process; return its exit code and what it printed, in one line."""
    try:
        out, told = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, " ".join(f"{out} {told}".split())


def losses(work, data):
    path = layout.dataset(data, work).run("smoke").history(0)
    return [row["loss"] for row in history.read(path)] if path.is_file() else []


def kill_after(epochs, victim, data, work):
    """Kill a process and its child once a fold has so many epochs."""
    end = time.monotonic() + SECONDS
    while len(losses(work, data)) < epochs:
        assert victim.poll() is None and time.monotonic() < end, ended(victim)
        time.sleep(0.01)
    os.killpg(victim.pid, signal.SIGKILL)
    victim.communicate()
    return time.monotonic()


def test_two_hosts_and_one_in_turn_each_killed_learn_what_one_does(prepared):
    data, work_folder = prepared
    alone, turns = work_folder("alone"), work_folder("turns")
    reference = start(data, alone)
    assert ended(reference)[0] == 0
    first, second = start_two(data, turns, turns)
    killed = kill_after(1, second, data, turns)
    code, told = ended(first)
    # Well before the patience of the tests' own processes.
    assert code == 1 and time.monotonic() - killed < 90, told
    assert "host" in told and "run the same on every host again" in told
    by_two = len(losses(turns, data))
    # One host goes on, and two hosts after it.
    kill_after(by_two + 1, start(data, turns), data, turns)
    by_one = len(losses(turns, data))
    first, second = start_two(data, turns, turns)
    (code, told), (other_code, other) = ended(first), ended(second)
    assert (code, other_code) == (0, 0), (told, other)
    assert "2 hosts with 1 CPU" in told and "trained folds" in told
    # The other host says nothing that the first has said.
    assert "epoch" not in other and "trained folds" not in other
    assert 1 <= by_two < by_one < EPOCHS
    assert losses(turns, data) == pytest.approx(losses(alone, data), abs=1e-4)


def test_hosts_that_differ_are_told_so_before_the_first_step(prepared):
    data, work_folder = prepared
    works = work_folder("here"), work_folder("there")
    port = free_port()
    first = start(data, works[0], *place(port, 0))
    second = start(data, works[1], *place(port, 1), overrides=(*SET, "seed=5"))
    for code, told in map(ended, (first, second)):
        assert code == 1
        assert "alike in seed. Received: host 0: 0, host 1: 5. Make" in told


def test_a_host_without_the_data_ends_all_with_its_message(prepared, tmp_path):
    data, work_folder = prepared
    # As SLURM tells JAX.
    slurm = {
        "SLURM_JOB_ID": str(os.getpid()),
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_NTASKS": "2",
        "SLURM_LOCALID": "0",
    }
    hosts = [
        start(data, work, "--coordinator", "auto", **slurm, SLURM_PROCID=str(number))
        for number, work in enumerate((work_folder("with"), tmp_path / "without"))
    ]
    for code, told in map(ended, hosts):
        assert code == 1
        assert f"error: host 1: {tmp_path}" in told and "manifest.json" in told
