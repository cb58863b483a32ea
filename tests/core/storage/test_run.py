"""Whole steps on a bucket: the same results as on a disk, whatever dies meanwhile."""

import json
import os
import signal
import subprocess
import sys

import pytest

from competition import opening, pipeline, train
from competition.core import storage
from competition.core.experiment import history
from competition.core.storage import leases
from competition.net import weights_file
from tests import conftest

RUN = "work/competition/runs/smoke"
# Most of the time is tracing the network, so it has a single level.
OVERRIDES = (
    *conftest.TINY,
    "model.widths=[4]",
    "augment.engine=none",
)


@pytest.fixture(scope="module")
def finished(tiny_phantom, tmp_path_factory):
    """A whole run on a disk: (job, results)."""
    asked = dict(data=tiny_phantom / "competition", overrides=OVERRIDES)
    asked["work"] = tmp_path_factory.mktemp("work")
    results = pipeline.run("smoke", **asked, truth=tiny_phantom / "solution.csv")
    return conftest.open_job("smoke", **asked), results


@pytest.fixture
def data(bucket, tiny_phantom):
    """The phantom in the bucket, as a URI."""
    bucket.put_folder(tiny_phantom / "competition", "data/competition")
    return "s3://bucket/data/competition"


def results_of(run_files, fold):
    """The losses and scores of a fold's epochs, and the digest of its weights."""
    rows = history.read(run_files.history(fold))
    digest = weights_file.check(run_files.weights(fold))
    return [(row["loss"], row["score"]) for row in rows], digest


def go_on(run=f"s3://bucket/{RUN}"):
    """Train fold 0 of the run in the bucket to its end, and return its results."""
    storage.refresh(storage.path("s3://bucket/work"))
    dataset, opened = opening.open_run(storage.path(run))
    assert train.alone(dataset, opened, fold=0)["finished"]
    return results_of(opened.files, 0)


def test_a_run_on_a_bucket_scores_as_on_a_disk(bucket, data, finished, tiny_phantom):
    _, local = finished
    results = pipeline.run(
        "smoke",
        data=data,
        work="s3://bucket/work",
        overrides=OVERRIDES,
        truth=tiny_phantom / "solution.csv",
    )
    assert results["score"] == local["score"]
    assert results["decide"] == local["decide"]
    assert results["submit"]["complete"]
    log = json.loads(bucket.get(f"{RUN}/submit.log").splitlines()[-1])
    assert log["digest"] == results["submit"]["digest"]
    assert not [key for key in bucket.keys() if ".lock/" in key]


def prepared(bucket, dataset):
    """Put the data set and the untrained run of a finished job into the bucket."""
    for path in sorted(dataset.root.rglob("*")):
        name = path.relative_to(dataset.root).as_posix()
        if path.is_file() and ("runs/" not in name or name.endswith("/config.json")):
            bucket.put(f"work/competition/{name}", path.read_bytes())


def test_a_training_that_died_between_two_writes_goes_on_elsewhere(
    bucket, finished, elsewhere
):
    job, _ = finished
    prepared(bucket, job.dataset)
    states = []

    def look(method, path):
        if method in ("PUT", "DELETE") and "/fold0/" in path:
            states.append((path, bucket.content(RUN)))

    bucket.trouble = look
    unbroken = go_on()
    bucket.trouble = None
    assert unbroken == results_of(job.run.files, 0)
    # Of all instants two: after the best weights of the second epoch, and its state.
    chosen = states[6], states[8]
    names = [path.split("/")[-1] for path, _ in chosen]
    assert names == ["state-before.npz", "history.csv"]
    for number, (path, content) in enumerate(chosen):
        for key in bucket.keys(RUN):
            bucket.client.delete_object(Bucket="bucket", Key=key)
        for key, each in content.items():
            if ".lock" not in key:
                bucket.put(key, each)
        elsewhere(number)
        assert go_on() == unbroken, path


def test_a_killed_machine_is_replaced_by_another(
    bucket, finished, elsewhere, monkeypatch
):
    job, _ = finished
    prepared(bucket, job.dataset)
    command = ["-m", "competition", "train", "--run", f"s3://bucket/{RUN}", "--fold=0"]
    child, seen = None, []

    def kill(method, path):
        seen.append((method, path.split("/")[-1]))
        if seen.count(("PUT", "state.npz")) == 2:
            os.kill(child.pid, signal.SIGKILL)
            return "cut"
        return None

    bucket.trouble = kill
    child = subprocess.Popen([sys.executable, *command], stderr=subprocess.PIPE)
    error = child.communicate()[1].decode()
    assert child.returncode == -signal.SIGKILL, error
    bucket.trouble = None
    assert f"{RUN}/fold0/state-before.npz" in bucket.keys()
    elsewhere(1)
    monkeypatch.setattr(leases, "DEAD_SECONDS", 60.0)
    with pytest.raises(ValueError, match=r"s3://bucket/.* is training"):
        monkeypatch.setattr("competition.core.locks.ENDING_SECONDS", 0.0)
        go_on()
    monkeypatch.setattr(leases, "DEAD_SECONDS", 0.0)
    assert go_on() == results_of(job.run.files, 0)
    assert not [key for key in bucket.keys() if ".lock/" in key]
