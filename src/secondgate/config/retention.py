"""How long the audit log keeps its events: hours, at least a day, or for ever."""

from __future__ import annotations

from dataclasses import dataclass

from secondgate.errors import Malformed
from secondgate.protocol.duration import FOREVER, parse_token_duration

MIN_HOURS = 24


@dataclass(frozen=True, slots=True)
class Retention:
    """For how many seconds events are kept; None: for ever."""

    seconds: int | None

    def __str__(self) -> str:
        """Write it as it is read."""
        return FOREVER if self.seconds is None else f"{self.seconds // 3600}h"


def parse_retention(value: object) -> Retention:
    """Read hours, such as `2160h`, or `forever`. Raises Malformed: less than a day is no audit log."""
    try:
        seconds = parse_token_duration(value, field="retention")
    except Malformed:
        seconds = 0
    if seconds is not None and seconds < MIN_HOURS * 3600:
        raise Malformed("retention", f"must be hours, at least {MIN_HOURS}h, such as 2160h or 8760h, or {FOREVER}")
    return Retention(seconds)
