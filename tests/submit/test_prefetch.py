"""Stages that overlap."""

import threading
import time

import pytest

from competition.submit import prefetch


def test_items_come_in_order():
    assert list(prefetch.prefetch(number for number in range(20))) == list(range(20))
    assert list(prefetch.prefetch(number for number in ())) == []


def test_the_next_item_is_made_meanwhile_and_not_many_more():
    made, second = [], threading.Event()

    def numbers():
        for number in range(10):
            made.append(number)
            if number == 1:
                second.set()
            yield number

    stage = prefetch.prefetch(numbers())
    assert next(stage) == 0
    assert second.wait(10), "the second is made while the first is used"
    assert len(made) <= 3
    stage.close()


def test_an_error_arrives_after_what_was_made_before_it():
    def broken():
        yield 1
        raise ValueError("the disk is gone")

    stage = prefetch.prefetch(broken())
    assert next(stage) == 1
    with pytest.raises(ValueError, match="the disk is gone"):
        next(stage)


def test_closed_early_all_stages_end():
    ended = threading.Event()

    def endless():
        try:
            while True:
                yield 0
        finally:
            ended.set()

    stage = prefetch.prefetch(prefetch.prefetch(endless()))
    next(stage)
    stage.close()
    assert ended.wait(10)


def test_interrupted_while_its_thread_begins_the_interrupt_is_what_arrives(monkeypatch):
    # The pool does not wait for a thread of which it does not know that it has started.
    start, in_work, ended = threading.Thread.start, threading.Event(), threading.Event()

    def interrupted(thread):
        start(thread)
        in_work.wait(10)
        raise KeyboardInterrupt

    def slow():
        try:
            in_work.set()
            time.sleep(0.2)
            yield 1
        finally:
            ended.set()

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        next(prefetch.prefetch(slow()))
    assert ended.is_set()
