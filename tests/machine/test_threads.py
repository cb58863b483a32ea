"""Work that threads do: on all items, and ahead."""

import itertools
import threading
import time

import pytest

from competition.machine import threads


def running():
    return sum(each.name.startswith("ahead") for each in threading.enumerate())


def test_all_results_come_in_the_order_of_the_arguments():
    def work(number):
        time.sleep(0.02 if number % 3 == 0 else 0)
        return -number

    assert threads.for_all(work, range(7), "work") == [0, -1, -2, -3, -4, -5, -6]


def test_results_come_in_order_whichever_is_ready_first():
    def work(number):
        time.sleep(0.02 if number % 3 == 0 else 0)
        return number

    made = threads.in_order(work, range(20), threads=4, ahead=6)
    assert list(made) == list(range(20))
    assert list(threads.in_order(work, (), threads=4, ahead=6)) == []


def test_so_many_are_made_ahead_and_no_more():
    begun = []
    made = threads.in_order(begun.append, itertools.count(), threads=2, ahead=3)
    next(made)
    made.close()
    assert 1 <= len(begun) <= 4


def test_several_threads_work_at_once():
    together = threading.Barrier(3)
    made = threads.in_order(lambda _: together.wait(10), range(3), threads=3, ahead=3)
    assert sorted(made) == [0, 1, 2]


def test_an_error_arrives_after_what_was_made_before_it_and_ends_the_threads():
    def work(number):
        if number == 2:
            raise ValueError("the disk is gone")
        return number

    before = running()
    made = threads.in_order(work, range(9), threads=2, ahead=4)
    assert [next(made), next(made)] == [0, 1]
    with pytest.raises(ValueError, match="the disk is gone"):
        next(made)
    assert running() == before


def test_closed_early_or_read_to_the_end_no_thread_is_left():
    before = running()
    made = threads.in_order(str, itertools.count(), threads=3, ahead=5)
    next(made)
    assert running() > before
    made.close()
    assert running() == before
    list(threads.in_order(str, range(5), threads=3, ahead=5))
    assert running() == before
