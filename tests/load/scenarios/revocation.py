"""Sessions are ended at a steady rate while a thousand others ask: how soon each is refused, and what that costs them.

A person's sessions are ended as an administrator ends them, by a process of its own: only Redis tells Secondgate.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from secondgate.app import open_services
from secondgate.cli.opened import ACTOR
from secondgate.config import load
from secondgate.flows.sessions import end_sessions
from tests.load.generator import percentile
from tests.load.lab import Lab, say, wrong_of
from tests.load.measure import Asker, Row
from tests.load.requests import PATHS, Check
from tests.load.sessions import email, person_id
from tests.load.wrk import Asked, begin_wrk, finish_wrk

REVOCATION = "hits while sessions are revoked"
FIRST = 800_000
A_SECOND = 20
WORST_S = 6.0
"""An entry lives for 5 s: whoever is let in after that was never to be let in."""


@dataclass(slots=True)
class Ended:
    """How long people were still let in after their sessions were ended, and how long ending them took, in seconds."""

    refused_after_s: list[float] = field(default_factory=list)
    ending_s: list[float] = field(default_factory=list)
    wrong: int = 0


def run(lab: Lab) -> None:
    """Measure revocation under load."""
    count = lab.options.revocations
    say(f"revocation: {count} people, {A_SECOND} a second, while others ask")
    crowd = lab.make(lab.secondgate.config, "revoked", first=FIRST, count=count)
    seconds = count / A_SECOND + 2
    meter = lab.meter()
    wrk = begin_wrk(lab.secondgate.gate, Asked(cookies=lab.crowd.cookies), seconds=seconds)
    try:
        ended = asyncio.run(_end_all(lab, crowd.lines()))
    finally:
        found = finish_wrk(wrk, seconds=seconds)
    cost = meter.stop()
    row = Row(REVOCATION, found.rate, found.p50_ms, found.p99_ms, requests=found.requests)
    row.wrong = wrong_of(found, expected=200) + ended.wrong
    cost.into(row, checks=found.requests)
    row.more.update(
        revoked=len(ended.refused_after_s),
        refused_after_p50_ms=percentile(ended.refused_after_s, 0.5),
        refused_after_p99_ms=percentile(ended.refused_after_s, 0.99),
        ending_p50_ms=percentile(ended.ending_s, 0.5),
    )
    lab.add(row)


async def _end_all(lab: Lab, lines: list[str]) -> Ended:
    ended = Ended()
    asker = Asker(lab.secondgate.gate)
    async with open_services(load(str(lab.secondgate.config), {})) as services:
        began = time.monotonic()
        for number, line in enumerate(lines):
            await asyncio.sleep(max(0.0, began + number / A_SECOND - time.monotonic()))
            request = Check(PATHS[0], line).encode()
            known = [asker.ask(request) for _ in range(3)]
            is_known = all(
                one.status == 200 and one.fields.get("remote-email") == email(FIRST + number) for one in known
            )
            at = time.perf_counter()
            await end_sessions(services, person_id(FIRST + number), actor=ACTOR)
            done = time.perf_counter()
            ended.ending_s.append(done - at)
            refused_after_s = await _until_refused(asker, request, done)
            if refused_after_s is None or not is_known:
                ended.wrong += 1
            else:
                ended.refused_after_s.append(refused_after_s)
    asker.close()
    return ended


async def _until_refused(asker: Asker, request: bytes, since: float) -> float | None:
    """Ask until the answer is 401, and give how long after `since` that answer was there; None if it never is."""
    while time.perf_counter() - since < WORST_S:
        if asker.ask(request).status == 401:
            return time.perf_counter() - since
        await asyncio.sleep(0)
    return None
