"""The patches of 3D networks and of crops, and how they slide over a scan."""
