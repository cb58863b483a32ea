"""The parts of a fold's training, with a score function given by the test."""

import keras

from competition.net.training import progress, setup


class HeldOut:
    """Stands in for held-out scans: `score` is a function of the network."""

    def __init__(self, score):
        self.score = score

    def draw(self, network, path):
        """Draw nothing."""


def fold_of(network, config, *, data, folder, score=lambda network: 0.5, limit=None):
    """Bring the parts together."""
    training = config.training
    board = folder / "tensorboard" if training.tensorboard else None
    return setup.FoldTraining(
        network,
        config,
        data,
        HeldOut(score),
        progress.FoldProgress("fold 0", training.epochs, board),
        folder,
        owner=f"fold {folder.name}",
        limit=limit,
    )


def read(data, config, **start):
    """Read the batches that `fit` would be given, as dicts of NumPy arrays."""
    with data.batches(config, **start) as stream:
        # On JAX `fit` takes tuples.
        batches = [each[0] if isinstance(each, tuple) else each for each in stream]
        return [
            {name: keras.ops.convert_to_numpy(array) for name, array in batch.items()}
            for batch in batches
        ]
