"""What runs on a node: the work of a task, and in which way it ended."""

import os
import socket
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from competition.machine import process


class Outcome(NamedTuple):
    """How a task ended, and where; with a `fault`, whether to try it `again`.

    `status` is the exit code or -signal of a process that did not foresee its error;
    0 where its machine is at fault, such as a full disk.
    """

    node: str
    result: Any = None
    fault: str = ""
    again: bool = False
    status: int = 0


def attempt(
    work: Callable[..., Any], arguments: Sequence[Any], environment: Mapping[str, str]
) -> Outcome:
    """Do the work of a task; an error becomes its outcome.

    What is not set in the environment is taken from `environment`.
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
        # The driver shows what is written here.
        traceback.print_exc(file=sys.stderr)
        return Outcome(node, fault=repr(error), again=True, status=1)
