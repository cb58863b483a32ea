"""Augmentation: the changes that are drawn, and the engines that make them."""
