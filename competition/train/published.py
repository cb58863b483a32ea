"""Get the published weights that encoders begin with, before any fold is trained.

A blend trains for hours before it reaches its last member, so missing weights are
reported before the first one trains.
"""

import sys
from collections.abc import Sequence

from competition.core import files
from competition.core.experiment import layout, runs
from competition.machine import gpus, process


def get(waiting: Sequence[tuple[runs.Run, layout.Fold]]) -> None:
    """Download and check the weights of all encoders whose folds have not begun."""
    pairs = sorted(
        {
            (run.config.model.encoder, run.config.model.encoder_weights)
            for run, fold in waiting
            if run.config.model.encoder_weights != "none"
            and not files.exists(run.files.history(fold))
        }
    )
    if pairs:
        arguments = [each for pair in pairs for each in pair]
        process.run_all([["-m", __name__, *arguments]], [gpus.ON_CPU])


def main(*arguments: str) -> None:
    """Check weights in a process that `get` started; names and sources alternate."""
    from competition.net.networks import encoders

    for name, source in zip(arguments[::2], arguments[1::2], strict=True):
        encoders.check_weights(name, source)


if __name__ == "__main__":
    process.run_as_child(lambda: main(*sys.argv[1:]))
