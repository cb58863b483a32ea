"""Memory, as Linux tells it."""

import os
import sys

import numpy as np
import pytest

from competition.machine import memory


@pytest.mark.skipif(sys.platform != "linux", reason="nobody tells the memory")
def test_a_process_holds_what_it_has_written():
    before = memory.resident(os.getpid())
    held = np.ones(2**24)
    more = memory.resident(os.getpid()) - before
    assert 0.9 * held.nbytes < more < 1.5 * held.nbytes
    assert memory.available() > 2**20


def test_a_process_that_is_gone_tells_nothing():
    assert memory.resident(2**30) is None
