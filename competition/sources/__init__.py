"""The sources of a competition folder: a phantom, or converted images."""
