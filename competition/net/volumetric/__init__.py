"""The 3D networks, their patches, and the window that slides over a scan."""
