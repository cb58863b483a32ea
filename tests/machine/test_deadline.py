"""Budgets and what is left of them."""

import pytest

from competition.machine import deadline


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("8h30m", 30600),
        ("90m", 5400),
        ("45s", 45),
        ("1h1m1s", 3661),
        ("1080000s", 1_080_000),
    ],
)
def test_a_budget_is_hours_minutes_and_seconds(text, seconds):
    assert deadline.parse(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "8", "h", "30m8h", "1.5h", "-5m", "8 h", "5d", "9" * 400 + "h"]
)
def test_another_budget_is_an_error(text):
    with pytest.raises(ValueError, match=r"such as 8h30m, 90m or 45s\. Received: '"):
        deadline.parse(text)


def test_time_is_shown_as_a_person_would():
    shown = [deadline.show(each) for each in (30600, 3660, 750, 45, 0.2, -3)]
    assert shown == ["8h30m", "1h01m", "12m30s", "45s", "0s", "0s"]


def test_a_sum_is_unknown_if_one_time_is():
    assert deadline.total([1.5, 2]) == 3.5 and deadline.total([]) == 0
    assert deadline.total([1.5, None]) is None


def test_what_is_left_can_be_shared_among_folds():
    now = [100.0]
    limit = deadline.Deadline(60, clock=lambda: now[0])
    assert limit.left() == 60
    first = limit.share(3)
    assert first.left() == 20
    now[0] = 110
    # The first took half of its share: the others have more.
    assert limit.share(2).left() == 25
    assert limit.allows(50) and not limit.allows(50.1)
    now[0] = 161
    assert not limit.allows(0)
