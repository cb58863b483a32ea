"""The 3D family: its network, its patches, and how they slide over a scan."""
