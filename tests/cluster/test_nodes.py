"""What tasks take of nodes, and folders that nodes may not see: without Ray."""

import sys
import types

import pytest

from competition import cluster
from competition.cluster import nodes, on_node, shared_folder
from competition.core import locks
from competition.machine import process


def cluster_of(*resources):
    made = cluster.Cluster("here")
    made._nodes = lambda: list(resources)
    return made


def test_a_fold_takes_a_gpu_where_there_is_one():
    made = cluster_of({"CPU": 32, "GPU": 4}, {"CPU": 16, "GPU": 2}, {"CPU": 64})
    assert made.needs("auto") == nodes.Needs(cpus=1, gpus=1)
    assert made.at_once("auto") == 6
    assert made.needs("mirror") == nodes.Needs(cpus=1, gpus=2)
    assert made.at_once("mirror") == 3
    assert made.describe() == "cluster here: 3 nodes with 112 CPUs and 6 GPUs"


def test_without_gpus_it_takes_the_processors_of_the_smallest_node():
    made = cluster_of({"memory": 1.0}, {"CPU": 8.0}, {"CPU": 20.0})
    assert made.needs("auto") == nodes.Needs(cpus=8, gpus=0)
    assert made.at_once("auto") == 3


def test_nodes_without_processors_are_refused_at_once():
    with pytest.raises(ValueError, match=r"no node with a proc.*ray start --address="):
        cluster_of({"memory": 1.0}).describe()


def test_time_is_divided_by_the_tasks_that_follow_each_other():
    made = cluster_of({"CPU": 8, "GPU": 2})
    needs = made.needs("auto")
    assert [made._rounds([needs] * count) for count in (1, 2, 3, 5)] == [1, 1, 2, 3]
    made = cluster_of({"CPU": 16, "GPU": 9})
    both = [made.needs("auto")] * 5 + [nodes.Needs(cpus=2, gpus=2)] * 4
    # Nine ninths are one round, not a little more.
    assert [made._rounds(needs) for needs in (both[:1] * 9, both)] == [1, 2]


class Ray:
    """Stands in for Ray: the node of the first task is lost, the next one works."""

    class exceptions:
        NodeDiedError = LocalRayletDiedError = RayError = ConnectionError

    def __init__(self):
        self.environments = []

    def remote(self, **options):
        return lambda work: types.SimpleNamespace(options=self.options)

    def options(self, **options):
        return types.SimpleNamespace(remote=self.send)

    def send(self, work, arguments, environment):
        self.environments.append(environment)
        return len(self.environments)

    def wait(self, refs, **options):
        return refs, []

    def get(self, ref):
        if ref == 1:
            raise self.exceptions.NodeDiedError
        return on_node.Outcome("a node", result="done")


def test_what_was_lost_waits_longer_for_the_locks_of_the_dead(monkeypatch):
    ray = Ray()
    monkeypatch.setitem(sys.modules, "ray", ray)
    task = nodes.Task("fold 0", print, lambda share: (), "auto")
    assert [result for _, result in cluster_of({"CPU": 1}).run([task])] == ["done"]
    first, again = (each.get(locks.ENDING_VARIABLE) for each in ray.environments)
    assert first is None and float(again) > 60


def test_a_folder_that_a_node_does_not_see_is_refused(tmp_path):
    with shared_folder.marked(tmp_path) as mark:
        shared_folder.check(str(tmp_path), mark)
        with pytest.raises(ValueError, match=r"no such folder: .*Mount it under"):
            shared_folder.check(str(tmp_path / "elsewhere"), mark)
        other = tmp_path / "other"
        other.mkdir()
        with pytest.raises(ValueError, match="another folder of this name"):
            shared_folder.check(str(other), mark)
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def raising(error):
    raise error


@pytest.mark.parametrize(
    "error, again",
    [
        (ValueError("a bad config"), False),
        (process.EndedError("ended by SIGKILL"), True),
        (OSError("stale file handle"), True),
        (KeyError("a fault of the program"), True),
    ],
)
def test_faults_of_data_are_not_tried_again(error, again):
    outcome = on_node.attempt(raising, [error], {})
    assert str(error) in outcome.fault
    assert outcome.again is again
    # A study ends a trial that was killed or fails by a fault of the program.
    assert bool(outcome.status) is isinstance(error, KeyError)


def test_a_file_that_is_not_seen_here_is_named(tmp_path, monkeypatch):
    here, missing = tmp_path / "here", tmp_path / "missing"
    here.write_bytes(b"abc")
    shared_folder.wait_for([here], [3])
    monkeypatch.setattr(shared_folder, "SEEN_SECONDS", 0.0)
    with pytest.raises(ValueError, match=r"missing has 5 bytes on the node .*-1 here"):
        shared_folder.wait_for([here, missing], [3, 5])
