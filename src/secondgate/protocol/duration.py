"""Durations as administrators write them: `30m`, `1h`, `24h`, `1h30m`.

The grammar is that of Cloudflare Access's `session_duration`, cut down to minutes and hours, from `0m`
to `720h`. What a duration of `0m` means is not decided here. How long a service token is valid has a form of its own.
"""

from __future__ import annotations

import re

from secondgate.errors import Malformed

MAX_DURATION_S = 720 * 3600
FOREVER = "forever"
MAX_TOKEN_HOURS = 87_600
_DURATION = re.compile(r"(?=.)(?:([0-9]{1,5})h)?(?:([0-9]{1,5})m)?")
_HOURS = re.compile(r"([0-9]{1,5})h")


def parse_duration(text: object, *, field: str) -> int:
    """Give a duration in seconds, 0 to 2,592,000.

    `field` names the place for the error. Raises Malformed for anything else than hours, minutes or both.
    """
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise Malformed(field, "must be a duration in hours and minutes, such as 30m, 24h or 1h30m")
    duration_s = int(match[1] or 0) * 3600 + int(match[2] or 0) * 60
    if duration_s > MAX_DURATION_S:
        raise Malformed(field, "must be between 0m and 720h")
    return duration_s


def format_duration(seconds: int) -> str:
    """Write whole minutes the shortest way that `parse_duration` reads: `0m`, `30m`, `24h`, `1h30m`.

    Raises ValueError for what it would not read.
    """
    if not 0 <= seconds <= MAX_DURATION_S or seconds % 60:
        raise ValueError(f"{seconds} s is not a duration of whole minutes between 0m and 720h")
    hours, minutes = divmod(seconds // 60, 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if minutes or not hours else "")


def format_token_duration(duration_s: int | None) -> str:
    """Write what `parse_token_duration` gave: whole hours, or `forever`."""
    return FOREVER if duration_s is None else f"{duration_s // 3600}h"


def parse_token_duration(text: object, *, field: str) -> int | None:
    """Give for how many seconds a service token is valid; None for `forever`.

    The values are Cloudflare's, hours such as `8760h` (a year), up to ten years. Raises Malformed.
    """
    if text == FOREVER:
        return None
    match = _HOURS.fullmatch(text) if isinstance(text, str) else None
    if match is None or not 0 < int(match[1]) <= MAX_TOKEN_HOURS:
        raise Malformed(field, f"must be hours, from 1h to {MAX_TOKEN_HOURS}h, such as 8760h, or {FOREVER}")
    return int(match[1]) * 3600
