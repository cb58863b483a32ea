"""From a scan to the probabilities of its voxels."""

# Before any module of this folder imports Keras.
from competition.net import frameworks  # noqa: F401
