"""The 2D and 2.5D networks, their building blocks and encoders."""

# Imported before any module of this folder imports Keras.
from competition.net import frameworks  # noqa: F401
