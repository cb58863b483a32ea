"""Do the work of a task on a node, and return how it ended."""

import os
import socket
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from competition.core import storage
from competition.machine import process


class Outcome(NamedTuple):
    """How a task ended, and where; `again` says whether to retry after a `fault`.

    `status` is the exit code or -signal of a process that did not foresee its error. It
    is 0 for a fault of the machine, such as a full disk.
    """

    node: str
    result: Any = None
    fault: str = ""
    again: bool = False
    status: int = 0


def attempt(
    work: Callable[..., Any], arguments: Sequence[Any], environment: Mapping[str, str]
) -> Outcome:
    """Do the work of a task; return an error as its outcome.

    Variables that are not set here are taken from `environment`.
    """
    os.environ.update({**environment, **os.environ})
    node = socket.gethostname()
    try:
        return Outcome(node, work(*arguments))
    except process.EndedError as error:
        return Outcome(node, fault=str(error), again=True, status=error.status)
    except ValueError as error:
        return Outcome(node, fault=str(error))
    except Exception as error:
        # Ray shows this on the machine that sent the task.
        traceback.print_exc(file=sys.stderr)
        is_of_machine = isinstance(error, (OSError, storage.StorageError))
        status = 0 if is_of_machine else 1
        return Outcome(node, fault=repr(error), again=True, status=status)
