"""The 3D family: its network, its patches, and the window that slides over a scan."""
