"""Moments on the wire: RFC 3339, with an offset from UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from secondgate.access.fields import Text, refusal

_LAST_S = 253_402_300_799  # the end of the year 9999


def moment_s(text: str) -> int:
    """Give a moment in Unix seconds, a fraction cut off. Raises ValueError for another form or before 1970."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None or "T" not in text.upper():
        raise ValueError("no time with an offset")
    seconds = int(at.timestamp())
    if not 0 <= seconds <= _LAST_S:
        raise ValueError("out of range")
    return seconds


def _well_formed(value: str) -> str:
    try:
        moment_s(value)
    except (ValueError, OverflowError):
        raise refusal("must be a date and time with its offset, as 2030-01-31T00:00:00Z") from None
    return value


Moment = Annotated[Text, AfterValidator(_well_formed), WithJsonSchema({"type": "string", "format": "date-time"})]
