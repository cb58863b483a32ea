"""The curves of a fold for TensorBoard."""

import pathlib

import tensorflow as tf

from competition.core.experiment import history


class TensorBoardCurves:
    """Writes the numbers of each epoch; every call of `fit` has its own file."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.writer = tf.summary.create_file_writer(str(folder))

    def write(self, row: history.Epoch) -> None:
        """Write the row's numbers; an epoch that was trained again is written again."""
        with self.writer.as_default(step=row["epoch"] + 1):
            for name, value in row.items():
                if name != "epoch" and value is not None:
                    tf.summary.scalar(name, value)
        self.writer.flush()
