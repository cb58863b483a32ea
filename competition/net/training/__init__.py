"""Training a fold: losses, step, schedule, callbacks, checkpoints."""

# Before any module of this folder imports Keras.
from competition.net import frameworks  # noqa: F401
