"""Ninety-nine hits, then a login, and so on: the logins are real, through every page, with MFA at the login proxy.

Of a hundred checks that are begun one is a person without a cookie, who is sent to the portal, is named there by a
login proxy (`identity.headers`) that vouches for a one-time password too, gets a session and asks again. A Secondgate
of its own runs it, since only its configuration believes a login proxy.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

import uvloop

from tests.load import programs
from tests.load.browser import Link, Visit, links
from tests.load.generator import percentile
from tests.load.lab import Lab, say
from tests.load.measure import Row
from tests.load.programs import NAMED, Secondgate
from tests.load.requests import PATHS, Check

MIXED = "hits with 1% logins"
WORKERS = 32
EACH = 100
PEOPLE = 1000


@dataclass
class Found:
    """What the workers found; times are seconds."""

    hits: array[float] = field(default_factory=lambda: array("d"))
    logins: array[float] = field(default_factory=lambda: array("d"))
    requests_of_logins: int = 0
    wrong: int = 0


def run(lab: Lab) -> None:
    """Measure hits with logins among them."""
    say("99% hits, 1% logins")
    config = programs.write_config(
        lab.folder, "secondgate-logins", lab.redis.port, settings={"identity": {"headers": [NAMED]}}
    )
    secondgate = programs.start_secondgate(config, lab.server_core)
    lab.own(secondgate.running)
    crowd = lab.make(config, "mixed", first=900_000, count=PEOPLE)
    checks = [Check(PATHS[n % len(PATHS)], line).encode() for n, line in enumerate(crowd.lines())]
    uvloop.run(_work(secondgate, checks, seconds=1))
    meter = lab.meter(secondgate)
    seconds = lab.options.seconds * 2
    found = uvloop.run(_work(secondgate, checks, seconds=seconds))
    cost = meter.stop()
    count = len(found.hits) + len(found.logins)
    row = Row(MIXED, count / seconds, percentile(found.hits, 0.5), percentile(found.hits, 0.99), requests=count)
    row.wrong = found.wrong
    cost.into(row, checks=count)
    row.more.update(
        logins_a_second=len(found.logins) / seconds,
        requests_a_login=found.requests_of_logins / max(1, len(found.logins)),
        login_p50_ms=percentile(found.logins, 0.5),
        login_p99_ms=percentile(found.logins, 0.99),
    )
    lab.add(row)


async def _work(secondgate: Secondgate, checks: list[bytes], *, seconds: float) -> Found:
    found, turns = Found(), itertools.count(1)
    until = time.perf_counter() + seconds
    await asyncio.gather(*(_worker(secondgate, checks, turns, found, until) for _ in range(WORKERS)))
    return found


async def _worker(
    secondgate: Secondgate, checks: list[bytes], turns: Iterator[int], found: Found, until: float
) -> None:
    gate, portal = links(secondgate)
    for turn in turns:
        at = time.perf_counter()
        if at >= until:
            break
        if turn % EACH == 0:
            visit = Visit(gate, portal, f"visitor-{turn // EACH % PEOPLE:04}@people.test")
            found.wrong += not await visit.log_in()
            found.logins.append(time.perf_counter() - at)
            found.requests_of_logins += visit.requests
        else:
            await _hit(gate, checks[turn % len(checks)], found, at)
    gate.close()
    portal.close()


async def _hit(gate: Link, check: bytes, found: Found, at: float) -> None:
    reply = await gate.ask(check)
    found.hits.append(time.perf_counter() - at)
    found.wrong += reply.status != 200
