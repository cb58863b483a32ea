"""Augmentation: drawn parameters, and the engines that apply them."""
