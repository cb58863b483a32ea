"""Memory for batches, used again and again: fresh pages cost more than their filling.

TensorFlow takes an array as it is, without a copy, where it begins at a multiple of 64
bytes, and keeps it for as long as it needs it.
"""

import sys
import threading

import numpy as np

_ALIGNMENT = 64
# More than prefetching, the threads and the training step hold together.
_KEPT = 16


class Buffers:
    """Arrays of one shape and type, each lent until nobody holds it any more."""

    def __init__(self, shape: tuple[int, ...], dtype: "np.typing.DTypeLike") -> None:
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self._kept: list[np.ndarray] = []
        self._lock = threading.Lock()

    def take(self) -> np.ndarray:
        """Return an array that nobody else holds, with whatever stands in it."""
        with self._lock:
            for memory in self._kept:
                # The list, this loop and the call; whoever holds an array or a tensor
                # of this memory holds it as well.
                if sys.getrefcount(memory) <= 3:
                    return self._aligned(memory)
            size = int(np.prod(self.shape)) * self.dtype.itemsize
            memory = np.empty(size + _ALIGNMENT, np.uint8)
            if len(self._kept) < _KEPT:
                self._kept.append(memory)
            return self._aligned(memory)

    def _aligned(self, memory: np.ndarray) -> np.ndarray:
        first = -memory.ctypes.data % _ALIGNMENT
        used = memory[first : first + len(memory) - _ALIGNMENT]
        return used.view(self.dtype).reshape(self.shape)
