"""When one more wrong code may be borne: the arithmetic of the limits, without any storage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def resets_in_s(recent: Sequence[int], limits: Iterable[tuple[int, int]], *, now: int) -> int:
    """Give the seconds until one more attempt is possible; 0 when it is possible now.

    `recent` are the times (Unix seconds) of the attempts that count, the newest first; `limits` are pairs of
    count and window in seconds. An attempt at `t` counts in a window while `now < t + window`.
    """
    waits = [recent[count - 1] + window_s - now for count, window_s in limits if len(recent) >= count]
    return max(0, *waits) if waits else 0


def longest_window_s(limits: Iterable[tuple[int, int]]) -> int:
    """Give how long an attempt can count."""
    return max((window_s for _, window_s in limits), default=0)


def largest_count(limits: Iterable[tuple[int, int]]) -> int:
    """Give how many attempts need to be looked at."""
    return max((count for count, _ in limits), default=0)
