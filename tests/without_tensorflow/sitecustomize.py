"""Imported by every Python with this folder on its path, where it hides TensorFlow."""

import importlib.abc
import sys


class Hidden(importlib.abc.MetaPathFinder):
    """Finds no TensorFlow, as if it were not installed."""

    def find_spec(self, name, path=None, target=None):
        """Raise the error of a missing module; None leaves others to other finders."""
        if name.partition(".")[0] in {"tensorflow", "tf_keras", "tensorflow_addons"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Hidden())
