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


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0.00 kB"),
        (800, "0.80 kB"),
        (999_499, "999 kB"),
        (999_500, "1.00 MB"),
        (36_400_000, "36.4 MB"),
        (1_174_000_000, "1.17 GB"),
        (16 * 10**9, "16.0 GB"),
        (2_500 * 10**9, "2.50 TB"),
    ],
)
def test_bytes_are_shown_as_a_person_would(size, text):
    assert memory.show(size) == text


def test_a_process_that_is_gone_tells_nothing():
    assert memory.resident(2**30) is None
