"""The curves of a fold for TensorBoard, written without any framework."""

import os
import pathlib
import platform
import time
from typing import Any

from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer import record_writer

from competition.core import storage


class Curves:
    """Adds points to a new file of events in `folder`."""

    def __init__(self, folder: pathlib.Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{time.time():.3f}.{platform.node()}.{os.getpid()}"
        self.path = folder / name
        # Written with the first point: a training that fails before leaves no file.
        self._is_begun = False

    def add(self, step: int, values: dict[str, Any]) -> None:
        """Add a point at `step` to the curve of each name."""
        points = [
            summary_pb2.Summary.Value(tag=name, simple_value=value)
            for name, value in values.items()
        ]
        if not self._is_begun:
            self._write(file_version="brain.Event:2")
            self._is_begun = True
        self._write(step=step, summary=summary_pb2.Summary(value=points))

    def _write(self, **event: Any) -> None:
        record = event_pb2.Event(wall_time=time.time(), **event).SerializeToString()
        try:
            with self.path.open("ab", buffering=0) as file:
                record_writer.RecordWriter(file).write(record)
        except OSError as error:
            # A full disk is reported without the file that it has no room for.
            error.filename = error.filename or str(self.path)
            raise
        storage.publish(self.path)
