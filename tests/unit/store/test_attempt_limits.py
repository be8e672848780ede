from __future__ import annotations

import pytest

from secondgate.store.attempt_limits import largest_count, longest_window_s, resets_in_s
from secondgate.store.ports import AttemptLimits

LIMITS = AttemptLimits().per_person


@pytest.mark.case(36)
@pytest.mark.parametrize(
    ("recent", "now", "wait_s"),
    [
        ([], 0, 0),
        ([3, 2, 1, 0], 10, 0),
        ([4, 3, 2, 1, 0], 10, 290),
        ([4, 3, 2, 1, 0], 299, 1),
        ([4, 3, 2, 1, 0], 300, 0),
        ([1000, 4, 3, 2, 1, 0], 1000, 0),
        ([0] * 20, 10, 3590),
        ([0] * 50, 3600, 82800),
        ([0] * 50, 86400, 0),
        ([100] * 5, 0, 400),
    ],
)
def test_the_wait_is_until_the_oldest_that_fills_a_window_leaves_it(recent: list[int], now: int, wait_s: int) -> None:
    assert resets_in_s(recent, LIMITS, now=now) == wait_s


def test_without_limits_there_is_no_wait() -> None:
    assert resets_in_s([0] * 1000, (), now=0) == 0
    assert longest_window_s(()) == 0
    assert largest_count(()) == 0


def test_what_must_be_kept_and_read_follows_from_the_limits() -> None:
    assert longest_window_s(LIMITS) == 86400
    assert largest_count(LIMITS) == 50
