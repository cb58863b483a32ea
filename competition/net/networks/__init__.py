"""The 2D and 2.5D networks, their building blocks and encoders."""
