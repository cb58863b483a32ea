"""Folds on a cluster: two nodes, which are processes of this machine."""

import functools
import importlib.util
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import types
import uuid

import pytest

from competition import cluster, opening, pipeline, predict, submit, train
from competition.cluster import connection
from competition.core import storage
from competition.core.experiment import history
from competition.net import weights_file
from competition.study import search
from competition.submit import on_nodes, submission_file
from tests import conftest, fold_processes

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed"
)

SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Workers give way to all other processes by default, such as to tests beside.
    "RAY_worker_niceness": "0",
    # None of those that it starts beforehand has the environment of a task.
    "RAY_prestart_worker_first_driver": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": uuid.uuid4().hex,
    # A node counts as lost after seconds, not half a minute.
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_failure_threshold": "4",
    "AWS_ACCESS_KEY_ID": "visible",
    "AWS_SECRET_ACCESS_KEY": "hidden-secret",
}
# What workers print is shown by the cluster of this machine, in a test of its own.
NODE = {"num_cpus": 1, "include_log_monitor": False}
# Of the folds that are interrupted: neither ends while the test looks.
EPOCHS = 48
OVERRIDES = (
    *conftest.TINY,
    # Most of the time is tracing the network, so it has a single level.
    "model.widths=[4]",
    "training.tensorboard=false",
    "augment.engine=none",
)


@pytest.fixture(scope="module")
def two_nodes():
    """A cluster of a head and a second node, with a processor each."""
    # Not pytest's folder: paths of sockets must be short.
    folder = tempfile.mkdtemp(prefix="r")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SETTINGS.items():
            patch.setenv(name, value)
        patch.setenv("COMPETITION_CACHE", f"{folder}/cache")
        # Ray reads these where it is imported.
        from ray import cluster_utils

        head = {"include_dashboard": False, "no_monitor": True, "temp_dir": folder}
        made = cluster_utils.Cluster(initialize_head=True, head_node_args=NODE | head)
        try:
            second = made.add_node(**NODE)
            yield types.SimpleNamespace(made=made, address=made.address, second=second)
        finally:
            made.shutdown()
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def job(tiny_phantom, tmp_path):
    """A function that opens a run on prepared data in a work folder of its own."""

    def open_job(name, *overrides):
        data, work = tiny_phantom / "competition", tmp_path / name
        pipeline.prepare(data, work=work)
        return conftest.open_job(
            "smoke", data=data, work=work, overrides=(*OVERRIDES, *overrides)
        )

    return open_job


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    """A bucket that the nodes reach as this process does; their cache is another."""
    fsspec = pytest.importorskip("fsspec")
    pytest.importorskip("s3fs")
    servers = pytest.importorskip("tests.core.storage.bucket", exc_type=ImportError)
    server = servers.Bucket()
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COMPETITION_CACHE", str(tmp_path / "cache"))
    server.client.create_bucket(Bucket="bucket")
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    yield server
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    server.server.shutdown()


def start(job, address, *more):
    """Train a run on the cluster at an address, as a person would.

    A shell lets what it starts in the background ignore Ctrl-C, so that is undone.
    """
    folder = str(job.run.files.root)
    command = [sys.executable, "-m", "competition", "train", "--run", folder]
    return subprocess.Popen(
        [*command, "--cluster", address, *more],
        cwd=conftest.ROOT, stderr=subprocess.PIPE, encoding="utf-8",
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


def wait(until, *, seconds=300):
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end
        time.sleep(0.05)


def epochs(job):
    """Return how many epochs of each fold of a run are trained."""
    return [len(history.read(job.run.files.history(fold))) for fold in (0, 1)]


def parent(process):
    stat = pathlib.Path(f"/proc/{process}/stat").read_text("utf-8")
    return int(stat.rpartition(")")[2].split()[1])


def fold_on(node, job):
    """Return the fold of a run that a node trains: its process is a worker's child."""
    raylet = node.all_processes["raylet"][0].process.pid
    trained = fold_processes.of(job.run).items()
    (fold,) = [each for each, child in trained if parent(parent(child)) == raylet]
    return fold


def test_interrupted_and_with_a_lost_node_it_learns_the_same(two_nodes, job):
    long = f"training.epochs={EPOCHS}", f"training.score_every={EPOCHS // 3}"
    broken, whole = job("broken", *long), job("whole", *long)
    driver = start(broken, two_nodes.address)
    wait(lambda: max(epochs(broken)) > 1)
    driver.send_signal(signal.SIGINT)
    said = driver.communicate()[1]
    assert driver.returncode == 130, said
    assert not fold_processes.of(broken.run)
    assert max(epochs(broken)) < EPOCHS

    driver = start(broken, two_nodes.address)
    wait(lambda: len(fold_processes.of(broken.run)) == 2)
    lost = fold_on(two_nodes.second, broken)
    # It has trained epochs that it goes on from.
    wait(lambda: epochs(broken)[lost] > 1)
    two_nodes.made.remove_node(two_nodes.second, allow_graceful=False)
    said = driver.communicate()[1]
    assert driver.returncode == 0, said
    assert said.count(": its node was lost. It goes on elsewhere.") == 1
    two_nodes.second = two_nodes.made.add_node(**NODE)

    assert train.run(whole.dataset, whole.run)["finished"]
    for fold in (0, 1):
        one, other = (each.run.files.weights(fold) for each in (broken, whole))
        assert weights_file.check(one) == weights_file.check(other)
        rows = [
            [(row["loss"], row["score"]) for row in history.read(history_of)]
            for history_of in (each.run.files.history(fold) for each in (broken, whole))
        ]
        assert rows[0] == rows[1]


def test_a_task_that_fails_three_times_is_named_and_ends_the_others(
    two_nodes, tmp_path, capsys
):
    tried, late = tmp_path / "tried", tmp_path / "late"
    die = f"open({str(tried)!r}, 'a').write('x'); import os; os.kill(os.getpid(), 9)"
    sleep = f"import time; time.sleep(30); open({str(late)!r}, 'w')"
    began = time.monotonic()
    commands = [
        cluster.Command(name, lambda _, code=code: ["-c", code], "auto", [])
        for name, code in (("smoke, fold 0", sleep), ("smoke, fold 1", die))
    ]
    with (
        cluster.opened(two_nodes.address) as nodes,
        pytest.raises(ValueError) as caught,
    ):
        cluster.run_commands(nodes, commands, tmp_path)
    assert time.monotonic() - began < 30
    host = socket.gethostname()
    assert f"smoke, fold 1 failed on {host}: A process was ended by SIGKILL." in str(
        caught.value
    )
    assert "It was tried 3 times, so all other tasks were ended." in str(caught.value)
    assert tried.read_text("utf-8") == "xxx"
    assert "It is tried again (3 of 3)." in capsys.readouterr().err
    assert not late.exists()


def test_nodes_predict_what_one_machine_predicts(two_nodes, finished, tmp_path):
    job, _ = finished
    work = pathlib.Path(shutil.copytree(job.dataset.root, tmp_path / "work"))
    opened = opening.open_run(work / "runs" / "smoke")
    run, there = opened[1].files, job.run.files
    scans = [path.stem for path in (run.root / "oof").iterdir()]
    shutil.rmtree(run.root / "oof")
    for path in (run.submission, submission_file.log_of(run.submission)):
        path.unlink()
    with cluster.opened(two_nodes.address) as nodes:
        assert predict.run(*opened, nodes)["predicted"] == len(scans) > 1
        summary = submit.run(opened[1], data=job.data, nodes=nodes)
    for scan in scans:
        assert run.oof(scan).read_bytes() == there.oof(scan).read_bytes()
    assert summary["complete"] and summary["scans"] > 1
    assert run.submission.read_bytes() == there.submission.read_bytes()


def test_trials_of_a_search_train_on_nodes(two_nodes, job, tmp_path):
    prepared = job("searched")
    path = tmp_path / "mine.toml"
    path.write_text(
        '[search.space]\n"training.learning_rate" = { choices = [0.03, 0.02] }\n'
    )
    plan = search.load(str(path), (*OVERRIDES, "training.epochs=1"))
    with cluster.opened(two_nodes.address) as nodes:
        assert nodes.at_once("auto") == 2
        learn = functools.partial(train.watched, nodes=nodes)
        found = search.run(
            prepared.dataset, "mine", plan, train=learn, count=2, at_once=2
        )
    assert (found["complete"], found["failed"]) == (2, 0)


def test_nodes_work_on_a_bucket_by_its_uri(two_nodes, finished, bucket):
    job, _ = finished
    for path in sorted(job.dataset.root.rglob("*")):
        name = path.relative_to(job.dataset.root).as_posix()
        if path.is_file() and ("runs/" not in name or name.endswith("/config.json")):
            bucket.put(f"work/competition/{name}", path.read_bytes())
    mirror = storage.path("s3://bucket/work/competition")
    storage.refresh(mirror)
    opened = opening.open_run(mirror / "runs" / "smoke")
    with cluster.opened(two_nodes.address) as nodes:
        train.alone(*opened, fold=0, nodes=nodes)
        assert predict.run(*opened, nodes)["folds"] == [0]
    there, here = (each.run("smoke") for each in (job.dataset, opened[0]))
    one, other = there.weights(0), here.weights(0)
    assert weights_file.check(one) == weights_file.check(other)
    scans = [path.name for path in (here.root / "oof").iterdir()]
    for scan in scans:
        key = f"work/competition/runs/smoke/oof/{scan}"
        assert bucket.get(key) == (there.root / "oof" / scan).read_bytes()
    assert scans


def test_a_node_with_other_test_data_is_named(two_nodes, finished):
    job, _ = finished
    with (
        cluster.opened(two_nodes.address) as nodes,
        pytest.raises(ValueError, match=r"The node .* finds other weights in .*Mount"),
    ):
        names = ["case99_day1"]
        arguments = str(job.run.files.root), str(job.data), names, "other", None
        task = cluster.Task("share", on_nodes._predict_here, lambda _: arguments, "one")
        list(nodes.run([task]))


def test_a_cluster_of_this_machine_is_started_for_the_time_of_a_run(job):
    one = job("local", "folds=[0]", "training.epochs=1")
    driver = start(one, "local")
    said = driver.communicate()[1]
    assert driver.returncode == 0, said
    assert "cluster local: 1 nodes with" in said
    assert "smoke, fold 0: epoch 1/1" in said


def test_nobody_at_the_address_is_said_in_seconds(job):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    one = job("nobody")
    began = time.monotonic()
    driver = start(one, f"ray://127.0.0.1:{port}")
    said = driver.communicate()[1]
    assert driver.returncode == 1
    assert f"error: No cluster answers at ray://127.0.0.1:{port} (" in said
    assert "`ray start --head --port=6379" in said
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("address", ["", "head", "ray://head", "head:port", "a b:1"])
def test_an_address_that_is_none_is_refused(address):
    with (
        pytest.raises(ValueError, match=r"local, auto, HOST:PORT or ray://HOST:PORT"),
        cluster.opened(address),
    ):
        raise AssertionError("there is no cluster")


def test_other_versions_are_named(two_nodes, monkeypatch):
    from ray._private import utils

    monkeypatch.setattr(utils, "compute_version_info", lambda: ("1.2.3", "3.2.1"))
    with (
        pytest.raises(ValueError, match=r"Ray: 1\.2\.3[\s\S]*must be the same on this"),
        cluster.opened(two_nodes.address),
    ):
        raise AssertionError("it is not connected")


def test_without_ray_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(connection.importlib.util, "find_spec", lambda name: None)
    with (
        pytest.raises(ValueError, match=r'pip install "ray\[client\]==2\.60\.0"'),
        cluster.opened("local"),
    ):
        raise AssertionError("there is no Ray")
