"""Durations: hours and minutes, 0m to 720h."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secondgate.errors import Malformed
from secondgate.protocol.duration import (
    MAX_DURATION_S,
    format_duration,
    format_token_duration,
    parse_duration,
    parse_token_duration,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0m", 0),
        ("0h", 0),
        ("30m", 1800),
        ("1h", 3600),
        ("24h", 86400),
        ("1h30m", 5400),
        ("90m", 5400),
        ("720h", MAX_DURATION_S),
        ("43200m", MAX_DURATION_S),
        ("719h60m", MAX_DURATION_S),
    ],
)
def test_hours_and_minutes_are_read(text: str, seconds: int) -> None:
    assert parse_duration(text, field="session_duration") == seconds


@pytest.mark.parametrize(
    "text",
    [
        *("", "1y", "1d", "-1m", "+1m", "30", "m", "h", "1.5h", "30s", "1h30", "30m1h", "1h 30m", " 1h", "1h\n"),
        *("1H", "1h30m10s", "\u0663m", "\uff11h", "720h1m", "721h", "43201m", "999999h", "9" * 5000 + "h"),
        *(None, 30, 30.0, True, b"30m", ["30m"], {"h": 1}),
    ],
)
def test_everything_else_is_refused_with_its_place(text: object) -> None:
    with pytest.raises(Malformed, match="session_duration: must be") as refused:
        parse_duration(text, field="session_duration")
    assert refused.value.field == "session_duration"


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=MAX_DURATION_S // 60))
def test_what_is_written_reads_the_same(minutes: int) -> None:
    assert parse_duration(format_duration(minutes * 60), field="duration") == minutes * 60


@pytest.mark.parametrize(("seconds", "text"), [(0, "0m"), (1800, "30m"), (86400, "24h"), (5400, "1h30m")])
def test_durations_are_written_the_shortest_way(seconds: int, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize("seconds", [-60, 59, 61, MAX_DURATION_S + 60])
def test_what_could_not_be_read_is_not_written(seconds: int) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        format_duration(seconds)


@pytest.mark.parametrize(
    ("text", "duration_s"), [("1h", 3600), ("8760h", 31_536_000), ("87600h", 315_360_000), ("forever", None)]
)
def test_a_service_token_is_valid_for_hours_or_for_ever(text: str, duration_s: int | None) -> None:
    assert parse_token_duration(text, field="duration") == duration_s


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0h",
        "00h",
        "87601h",
        "999999h",
        "30m",
        "1h30m",
        "1.5h",
        "-1h",
        "1H",
        " 1h",
        "1h\n",
        "Forever",
        "\u0661h",
        8760,
        None,
    ],
)
def test_any_other_duration_of_a_service_token_is_refused(text: object) -> None:
    with pytest.raises(Malformed, match="duration: must be hours"):
        parse_token_duration(text, field="duration")


@pytest.mark.parametrize("text", ["1h", "8760h", "87600h", "forever"])
def test_how_long_a_token_is_valid_is_written_as_it_is_read(text: str) -> None:
    assert format_token_duration(parse_token_duration(text, field="duration")) == text
