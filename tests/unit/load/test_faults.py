"""How answers during an outage of Redis are judged."""

from __future__ import annotations

import pytest

from tests.load.scenarios.faults import LIVE, STRANGER, UNKNOWN, Outcome, Times, judge
from tests.load.steady import BROKEN, Seen

LOST = Times(began=100, back=108, down_until=108, sessions_gone=True)
KEPT = Times(began=100, back=108, down_until=108, sessions_gone=False)


def seen(kind: str, at: float, status: int, *, sets_cookie: bool = False) -> Seen:
    return Seen(kind, at - 0.01, at - 0.01, at, status, sets_cookie=sets_cookie)


def problems(times: Times, *answers: Seen) -> tuple[int, int, int, int]:
    outcome = judge(list(answers), times)
    assert outcome.wrong == sum((outcome.late, outcome.unproved, outcome.cleared, outcome.others))
    return outcome.late, outcome.unproved, outcome.cleared, outcome.others


@pytest.mark.parametrize("times", [LOST, KEPT])
def test_what_may_be_answered_is_no_problem(times: Times) -> None:
    after = 401 if times.sessions_gone else 200
    right = [
        *(seen(LIVE, 99, 200), seen(UNKNOWN, 99, 401), seen(STRANGER, 99, 401)),
        *(seen(LIVE, 104.9, 200), seen(LIVE, 106, 503), seen(UNKNOWN, 106, 503), seen(STRANGER, 106, 401)),
        *(seen(LIVE, 109, 503), seen(LIVE, 110, after), seen(UNKNOWN, 110, 401)),
    ]
    assert problems(times, *right) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("times", "answer", "expected"),
    [
        (KEPT, seen(LIVE, 106, 200), (1, 0, 0, 0)),
        (LOST, seen(LIVE, 109, 200), (0, 1, 0, 0)),
        (KEPT, seen(UNKNOWN, 101, 200), (0, 1, 0, 0)),
        (KEPT, seen(STRANGER, 109, 200), (0, 1, 0, 0)),
        (KEPT, seen(LIVE, 101, 401), (0, 0, 1, 0)),
        (KEPT, seen(LIVE, 109, 302), (0, 0, 1, 0)),
        (LOST, seen(LIVE, 107, 401), (0, 0, 1, 0)),
        (LOST, seen(UNKNOWN, 107, 401), (0, 0, 1, 0)),
        (LOST, seen(STRANGER, 107, 401, sets_cookie=True), (0, 0, 1, 0)),
        (KEPT, seen(STRANGER, 107, 503), (0, 0, 0, 1)),
        (KEPT, seen(LIVE, 107, 500), (0, 0, 0, 1)),
        (KEPT, seen(LIVE, 107, BROKEN), (0, 0, 0, 1)),
        (KEPT, seen(LIVE, 99, 503), (0, 0, 0, 1)),
    ],
)
def test_what_may_not_be_answered_counts_once(times: Times, answer: Seen, expected: tuple[int, int, int, int]) -> None:
    assert problems(times, answer) == expected


def test_recovery_is_from_when_on_all_answers_are_right() -> None:
    outcome = judge(
        [seen(LIVE, 101, 503), *(seen(LIVE, 108.1 + n / 10, 503 if n < 4 else 200) for n in range(20))], KEPT
    )
    assert outcome == Outcome(
        first_503_s=1,
        late=0,
        unproved=0,
        cleared=0,
        longest_ms=outcome.longest_ms,
        first_right_s=0.5,
        all_right_s=0.5,
        others=0,
    )


def test_what_never_recovers_is_no_number() -> None:
    outcome = judge([seen(LIVE, 108.1 + n / 10, 503) for n in range(20)], KEPT)
    assert (outcome.first_right_s, outcome.all_right_s) == (None, None)
