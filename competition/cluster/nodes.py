"""The nodes of a cluster, and tasks that run on them until each has ended."""

import collections
import contextlib
import dataclasses
import fractions
import math
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from competition.cluster import on_node
from competition.core import console, locks
from competition.machine import deadline, process

POLL_SECONDS = 0.5
# Ray kills a process at once, but shows a little later that it is gone.
ENDING_SECONDS = 10.0
TRIES = 3
# A file system or a storage may keep the locks of a lost node for this long.
LOCKED_SECONDS = "240"


@dataclasses.dataclass(frozen=True, slots=True)
class Task:
    """Work for one node: a function of a module, called there with its arguments.

    `arguments` is called when the task is sent, with its deadline or None, and returns
    the arguments. `gpus` is the experiment's `training.gpus`.
    """

    name: str
    work: Callable[..., Any]
    arguments: Callable[[deadline.Deadline | None], Sequence[Any]]
    gpus: str


@dataclasses.dataclass(frozen=True, slots=True)
class Needs:
    """The processors and GPUs that a task takes of a node."""

    cpus: float
    gpus: float

    def fit(self, node: dict[str, float]) -> int:
        """Return how many tasks with these needs fit on a node."""
        fitting = node.get("CPU", 0) // self.cpus
        if self.gpus:
            fitting = min(fitting, node.get("GPU", 0) // self.gpus)
        return int(fitting)


class Cluster:
    """A cluster to which this process is connected."""

    def __init__(self, address: str) -> None:
        self.address = address

    def describe(self) -> str:
        """Describe the nodes in words; raise an error if none of them can work."""
        nodes = self._nodes()
        if not any(node.get("CPU") for node in nodes):
            raise ValueError(
                f"The cluster at {self.address} has no node with a processor to work "
                "on. Add one: ray start --address=HOST:6379."
            )
        cpus, gpus = (
            f"{sum(node.get(kind, 0) for node in nodes):g} {kind}s"
            for kind in ("CPU", "GPU")
        )
        return f"cluster {self.address}: {len(nodes)} nodes with {cpus} and {gpus}"

    def needs(self, gpus: str) -> Needs:
        """Return what a task takes: a GPU, or processors where there is none.

        A mirrored task takes all GPUs of a node. If nodes differ, it takes as many as
        the smallest one has: so it runs on any of them, and computes the same.
        """
        nodes = self._nodes()
        if cards := [node["GPU"] for node in nodes if node.get("GPU")]:
            return Needs(cpus=1, gpus=min(cards) if gpus == "mirror" else 1)
        cpus = [node["CPU"] for node in nodes if node.get("CPU")]
        return Needs(cpus=min(cpus, default=1), gpus=0)

    def at_once(self, gpus: str) -> int:
        """Return how many tasks with this setting run at the same time; at least 1."""
        return self._at_once(self.needs(gpus))

    def _at_once(self, needs: Needs) -> int:
        return max(1, sum(needs.fit(node) for node in self._nodes()))

    def run(
        self,
        tasks: Iterable[Task],
        *,
        limit: deadline.Deadline | None = None,
        go_on: Callable[[], bool] = lambda: True,
    ) -> Iterator[tuple[Task, Any]]:
        """Run tasks on free nodes, and yield each with its result when it ends.

        Each task gets a share of the time until `limit`. A task whose node is lost is
        sent again. A task that fails is tried up to three times where that may help;
        then its error is raised. All running tasks end on an error, on an interrupt, or
        once `go_on` returns False.
        """
        import ray

        left = list(tasks)
        needs = {task.gpus: self.needs(task.gpus) for task in left}
        running: dict[Any, tuple[Task, int]] = {}

        def send(task: Task, tries: int, *, is_lost: bool = False) -> None:
            share = limit and limit.share(self._rounds([needs[t.gpus] for t in left]))
            arguments = task.arguments(share)
            ref = _send(task, needs[task.gpus], arguments, is_lost=is_lost)
            running[ref] = task, tries

        try:
            for task in left:
                send(task, 1)
            while running and go_on():
                ended, _ = ray.wait(list(running), timeout=POLL_SECONDS)
                for ref in ended:
                    task, tries = running.pop(ref)
                    outcome = _outcome(ref)
                    if outcome is None:
                        console.warn(f"{task.name}: its node was lost. {self._then()}")
                        send(task, tries, is_lost=True)
                    elif outcome.fault:
                        _check_tries(task, outcome, tries)
                        send(task, tries + 1)
                    else:
                        left.remove(task)
                        yield task, outcome.result
        finally:
            _end(list(running))

    def _rounds(self, needs: Sequence[Needs]) -> float:
        """Return how many tasks each place works on, one after the other."""
        # Fractions, since nine ninths are a little more than 1 as floats.
        counts = collections.Counter(needs).items()
        parts = (fractions.Fraction(n, self._at_once(each)) for each, n in counts)
        return math.ceil(sum(parts))

    def _then(self) -> str:
        if any(node.get("CPU") for node in self._nodes()):
            return "It goes on elsewhere."
        return "It waits for a node: none is left."

    def _nodes(self) -> list[dict[str, float]]:
        import ray

        return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _send(task: Task, needs: Needs, arguments: Sequence[Any], *, is_lost: bool) -> Any:
    import ray

    # A worker ends with its task. Only `run` sends a lost task again, not Ray.
    remote = ray.remote(max_calls=1, max_retries=0)(on_node.attempt)
    sent = remote.options(name=task.name, num_cpus=needs.cpus, num_gpus=needs.gpus)
    environment = {}
    if not needs.gpus:
        # The same on all nodes, so that a fold that moves computes the same.
        environment["TF_NUM_INTRAOP_THREADS"] = str(math.ceil(needs.cpus))
    if is_lost:
        environment[locks.ENDING_VARIABLE] = LOCKED_SECONDS
    return sent.remote(task.work, arguments, environment)


def _outcome(ref: Any) -> on_node.Outcome | None:
    """Return how a task ended; None where its node was lost."""
    import ray

    try:
        outcome: on_node.Outcome = ray.get(ref)
    except (ray.exceptions.NodeDiedError, ray.exceptions.LocalRayletDiedError):
        return None
    except ray.exceptions.RayError as error:
        killed = ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError
        status = -signal.SIGKILL if isinstance(error, killed) else 0
        return on_node.Outcome("a node", fault=str(error), again=True, status=status)
    return outcome


def _check_tries(task: Task, outcome: on_node.Outcome, tries: int) -> None:
    """Raise the error of a task that must not be tried again; warn of others."""
    text = f"{task.name} failed on {outcome.node}: {outcome.fault}"
    if not outcome.again:
        raise ValueError(text)
    if tries == TRIES:
        error = process.EndedError(
            f"{text}\nIt was tried {TRIES} times, so all other tasks were ended. Mend "
            "the fault, and run the same again: all tasks go on where they stopped."
        )
        error.status = outcome.status
        raise error
    console.warn(f"{text}\nIt is tried again ({tries + 1} of {TRIES}).")


def _end(refs: list[Any]) -> None:
    """End the processes of tasks, and wait until they are gone."""
    import ray

    for ref in refs:
        with contextlib.suppress(Exception):
            ray.cancel(ref, force=True)
    with contextlib.suppress(Exception):
        ray.wait(refs, num_returns=len(refs), timeout=ENDING_SECONDS)
