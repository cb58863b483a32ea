"""Regions of a mask: components, distances, presence along a scan."""
