"""Misses: each session is asked about once, so that nothing is known of any. And a page of assets for many people."""

from __future__ import annotations

from collections.abc import Iterator

from tests.load.generator import run as generate
from tests.load.lab import Lab, at_half, say
from tests.load.measure import Row
from tests.load.requests import PATHS, Check
from tests.load.sessions import Crowd

MISSES, PAGES = "misses", "a page of 50 assets, 1,000 people"
ASSETS = 50
AT_ONCE = 20
FIRST, FIRST_OF_PAGES = 10_000, 500_000


def run(lab: Lab) -> None:
    """Measure misses."""
    say("misses: every session is asked about once")
    crowd = lab.make(lab.secondgate.config, "misses", first=FIRST, count=lab.options.misses)
    checks = [Check(PATHS[n % len(PATHS)], line) for n, line in enumerate(crowd.lines())]
    half = len(checks) // 2
    meter = lab.meter()
    result = generate(lab.secondgate.gate, (check.encode() for check in checks[:half]), connections=16)
    cost = meter.stop()
    row = Row(MISSES, result.rate, result.p50_ms, result.p99_ms, requests=result.requests, wrong=result.others(200))
    cost.into(row, checks=result.requests)
    # The other half, each once too, at half of that rate.
    count = int(min(half, row.rate / 2 * lab.options.seconds))
    at_half(lab, lab.secondgate.gate, checks[half : half + count], row)
    lab.add(row)


def run_pages(lab: Lab) -> None:
    """Measure people who open a page: a navigation, then its fifty assets, twenty people at a time."""
    people = lab.options.people
    say(f"a page of {ASSETS} assets opened by {people} people")
    crowd = lab.make(lab.secondgate.config, "pages", first=FIRST_OF_PAGES, count=people)
    requests = [check.encode() for check in _page_requests(crowd)]
    meter = lab.meter()
    result = generate(lab.secondgate.gate, iter(requests), connections=16)
    cost = meter.stop()
    row = Row(PAGES, result.rate, result.p50_ms, result.p99_ms, requests=result.requests, wrong=result.others(200))
    cost.into(row, checks=result.requests)
    row.more["people"] = people
    lab.add(row)


def _page_requests(crowd: Crowd) -> Iterator[Check]:
    lines = crowd.lines()
    for begin in range(0, len(lines), AT_ONCE):
        present = lines[begin : begin + AT_ONCE]
        yield from (Check("/page", line, is_navigation=True) for line in present)
        for asset in range(ASSETS):
            yield from (Check(f"/static/asset-{asset}.css", line) for line in present)
