"""From a scan to the probabilities of its voxels."""
