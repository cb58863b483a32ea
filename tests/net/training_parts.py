"""The parts of a fold's training, with a score that a test makes up."""

from competition.net.training import fitting, progress


class HeldOut:
    """Stands in for held-out scans: `score` is a function of the network."""

    def __init__(self, score):
        self.score = score

    def draw(self, network, path):
        """Draw nothing."""


def fold_of(network, config, *, data, folder, score=lambda network: 0.5, limit=None):
    """Bring the parts together; progress goes to standard error."""
    return fitting.FoldTraining(
        network,
        config,
        data,
        HeldOut(score),
        progress.FoldProgress(0, config.training.epochs),
        folder,
        limit,
    )
