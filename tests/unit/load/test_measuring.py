"""How the load harness reads answers and judges numbers; what it measures is not tested here."""

from __future__ import annotations

from array import array

import pytest

from tests.load.generator import is_whole, percentile
from tests.load.measure import Row
from tests.load.report import BYTES, MILLION_RATIO, markdown_table, target_block, targets, text_table
from tests.load.scenarios import hits, million, misses


def rows() -> dict[str, Row]:
    hit = Row("hits, auth-request", 90_000, half_p99_ms=0.4, redis_per_check=0.002, ratios={hits.NGINX: 0.5})
    hit.ratios[hits.AIOHTTP] = 4.9
    behind = Row(hits.BEHIND, 40_000, ratios={hits.FRONT: 0.62})
    miss = Row(misses.MISSES, 8_000, redis_per_check=1.0)
    live = Row(million.ALL, 85_000, more={MILLION_RATIO: 0.95, BYTES: 701.0})
    return {row.name: row for row in (hit, behind, miss, live)}


def test_each_target_says_whether_it_is_reached() -> None:
    assert [target.is_reached for target in targets(rows(), {})] == [
        True,
        False,
        True,
        True,
        False,
        True,
        True,
        True,
    ] + [False] * 11
    block = target_block(targets(rows(), {}))
    assert "NOT reached   hits directly, times a plain aiohttp route: 4.9 (≥ 5)" in block
    assert "reached       hits behind nginx, of nginx asking a static nginx: 0.62 (≥ 0.62)" in block


def test_what_was_not_measured_is_not_reached() -> None:
    assert not any(target.is_reached for target in targets({}, {}))
    assert target_block(targets({}, {})).count("not measured") == 19


def test_tables_have_a_line_a_row() -> None:
    found = list(rows().values())
    assert len({len(line) for line in text_table(found).splitlines()}) == 1
    assert markdown_table(found).count("\n") == len(found) + 2


def test_a_percentile_is_a_time_that_was_measured() -> None:
    times = array("d", [index / 1000 for index in range(1, 101)])
    assert (percentile(times, 0.5), percentile(times, 0.99), percentile([], 0.5)) == (50, 99, 0)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", False),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab", False),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc", True),
        (b"HTTP/1.1 200 OK\r\nX: Content-Length: 0\r\nContent-Length: 3\r\n\r\nabc", True),
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 07\r\n\r\n", False),
    ],
)
def test_an_answer_is_whole_when_its_body_is_there(data: bytes, *, expected: bool) -> None:
    assert is_whole(data) == expected
