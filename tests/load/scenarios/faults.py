"""What Redis may suffer, under load: killed, paused, emptied, failed over. Nobody is let in without proof meanwhile.

People with live sessions, cookies whose sessions never were, and strangers are asked about steadily; every answer is
kept and judged afterwards (`judge`). What is remembered may be used for 5 s after Redis was last heard; then 503.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass

import uvloop

from secondgate.app import open_services
from secondgate.config import load
from secondgate.errors import Unavailable
from secondgate.flows.services import Services
from secondgate.model.session import ApplicationSession
from tests.load import programs
from tests.load.browser import Link
from tests.load.lab import Lab, say
from tests.load.programs import APP, Secondgate
from tests.load.redis_faults import Emptied, FailedOver, Killed, Paused, Suffering
from tests.load.requests import PATHS, Check
from tests.load.sessions import make_session
from tests.load.steady import Seen, Steady, steadily
from tests.load.table import Table, Target

TITLE = "Redis fails while people are asked about"
LIVE, UNKNOWN, STRANGER = "live", "unknown", "stranger"
FAULT, FIRST_503, LATE, UNPROVED = "Redis is", "first 503 s", "200 after 5 s", "2xx unproved"
CLEARED, LONGEST, FIRST_RIGHT = "cookies cleared", "longest ms", "right again s"
ALL_RIGHT, NEW = "99% right s", "new session s"
OTHER = "other"
HEADS = (
    FAULT,
    "down s",
    "checks",
    "503",
    FIRST_503,
    LATE,
    UNPROVED,
    CLEARED,
    LONGEST,
    FIRST_RIGHT,
    ALL_RIGHT,
    NEW,
    "wrong",
)
RATE = 300.0
PEOPLE = 60
FIRST = 3_000_000
LIFE_S = 5.0
BEFORE_S, DOWN_S, AFTER_S = 2.0, 8.0, 7.0
BIN_S = 0.25
RECOVERS_WITHIN_S = 15.0
_SENT_AWAY = frozenset({301, 302, 303, 307, 401, 403})


@dataclass(frozen=True, slots=True)
class Times:
    """When it began, when Redis answered again, and whether all sessions were gone then (`time.perf_counter`).

    `down_until` is until when nothing can have been proved for certain: `began` where that is not known.
    """

    began: float
    back: float
    down_until: float
    sessions_gone: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it. `others` counts answers that are right at no time, and answers that did not come."""

    first_503_s: float | None
    late: int
    unproved: int
    cleared: int
    longest_ms: float
    first_right_s: float | None
    all_right_s: float | None
    others: int

    @property
    def wrong(self) -> int:
        """How many answers may not be."""
        return self.late + self.unproved + self.cleared + self.others


def judge(seen: list[Seen], times: Times) -> Outcome:
    """Judge every answer by what could be known when it was asked for and given."""
    right = 401 if times.sessions_gone else 200
    later = [one for one in seen if one.sent_at >= times.began]
    back = [one for one in later if one.kind == LIVE and one.sent_at >= times.back]
    problems = Counter(_problem(one, times) for one in seen)
    return Outcome(
        first_503_s=_first([one.at for one in later if one.status == 503], times.began),
        late=problems[LATE],
        unproved=problems[UNPROVED],
        cleared=problems[CLEARED],
        longest_ms=max((one.took_ms for one in later), default=0.0),
        first_right_s=_first([one.at for one in back if one.status == right], times.back),
        all_right_s=_all_right(back, times.back, right),
        others=problems[OTHER],
    )


def _problem(one: Seen, times: Times) -> str:
    """Give under what an answer counts that may not be; empty for all others."""
    is_of_stranger = one.kind == STRANGER
    is_dead = one.sent_at >= times.began + LIFE_S
    match one.status:
        case _ if one.sets_cookie:
            return CLEARED
        case _ if one.at < times.began:
            return "" if one.status == (200 if one.kind == LIVE else 401) else OTHER
        case status if 200 <= status < 300:
            if one.kind != LIVE:
                return UNPROVED
            if is_dead and one.at < times.down_until:
                return LATE
            return UNPROVED if is_dead and times.sessions_gone else ""
        case 503:
            return OTHER if is_of_stranger else ""
        case 401 if is_of_stranger:
            return ""
        case status if status in _SENT_AWAY:
            # Somebody is sent to log in only when Redis could be asked, and had no session of theirs.
            was_proved = one.at >= times.down_until or one.sent_at < times.began
            is_nobody = one.kind == UNKNOWN or times.sessions_gone
            return OTHER if is_of_stranger else "" if was_proved and is_nobody else CLEARED
        case _:
            return OTHER


def _first(moments: list[float], since: float) -> float | None:
    return min(moments) - since if moments else None


def _all_right(seen: list[Seen], since: float, right: int) -> float | None:
    """Give from when on 99% were right in every quarter of a second, in seconds; None: not even in the last one."""
    bins: dict[int, list[bool]] = {}
    for one in seen:
        bins.setdefault(int((one.sent_at - since) / BIN_S), []).append(one.status == right)
    bad = [number for number, found in bins.items() if sum(found) < 0.99 * len(found)]
    if not bins or max(bad, default=-1) == max(bins):
        return None
    return (max(bad, default=-1) + 1) * BIN_S


def targets(table: Table | None) -> list[Target]:
    """Say what is required of all faults together."""

    def worst(head: str) -> float | None:
        return table.worst(head) if table else None

    return [
        Target("Redis fails: permissions of what was remembered for longer than 5 s", "≤", 0, worst(LATE)),
        Target("Redis fails: permissions without proof", "≤", 0, worst(UNPROVED)),
        Target("Redis fails: cookies cleared, or logins asked for instead of 503", "≤", 0, worst(CLEARED)),
        Target("Redis fails: longest answer in ms", "≤", 2500, worst(LONGEST)),
        Target("Redis is back: seconds until 99% of answers are right", "≤", 5, worst(ALL_RIGHT)),
        Target("Redis is back: seconds until a new session is let in", "≤", 5, worst(NEW)),
    ]


def run(lab: Lab) -> None:
    """Let Redis fail in each way."""
    say("Redis killed, paused, emptied, failed over")
    table = Table(TITLE, HEADS)
    table.notes = [
        f"{RATE:,.0f} checks a second: 70% live sessions, 15% sessions that never were, 15% strangers",
        "right again: 200 for a live session; 401 where Redis lost them, with a new session that is let in",
    ]
    lab.tables[TITLE] = table
    for number, kind in enumerate((Killed, Paused, Emptied, FailedOver)):
        suffering = kind(lab)
        config = programs.write_config(lab.folder, f"secondgate-fault-{number}", 0)
        config.write_text(config.read_text().replace("redis://127.0.0.1:0/0", suffering.url))
        secondgate = programs.start_secondgate(config, lab.server_core)
        try:
            uvloop.run(_suffer(table, suffering, secondgate))
        finally:
            secondgate.running.stop()


async def _suffer(table: Table, suffering: Suffering, secondgate: Secondgate) -> None:
    async with open_services(load(str(secondgate.config), {})) as services:
        await _until_200(secondgate, services, FIRST - 1, until=time.perf_counter() + RECOVERS_WITHIN_S)
        live = [await _save(services, FIRST + number) for number in range(PEOPLE)]
        unknown = [_make(services, FIRST + PEOPLE + number)[1] for number in range(PEOPLE)]
        steady = Steady(secondgate.gate, _asked(live, unknown), rate=RATE)
        async with steadily([steady]):
            await asyncio.sleep(BEFORE_S)
            await suffering.begin()
            began = time.perf_counter()
            await asyncio.sleep(DOWN_S if suffering.lasts else 0)
            down_until = time.perf_counter() if suffering.lasts else began
            await suffering.end()
            back = time.perf_counter() if suffering.is_away else began
            new = asyncio.ensure_future(
                _until_200(secondgate, services, FIRST - 2, until=back + RECOVERS_WITHIN_S, since=back)
            )
            await asyncio.sleep(AFTER_S)
            new_s = await new
    times = Times(began, back, down_until, suffering.sessions_gone)
    outcome = judge(steady.seen, times)
    later = [one for one in steady.seen if one.sent_at >= began]
    table.rows.append(
        {
            FAULT: suffering.name,
            "down s": back - began,
            "checks": len(later),
            "503": sum(one.status == 503 for one in later),
            FIRST_503: outcome.first_503_s,
            LATE: outcome.late,
            UNPROVED: outcome.unproved,
            CLEARED: outcome.cleared,
            LONGEST: outcome.longest_ms,
            FIRST_RIGHT: outcome.first_right_s,
            # What did not come back while it was looked at has not come back in time.
            ALL_RIGHT: AFTER_S if outcome.all_right_s is None else outcome.all_right_s,
            NEW: new_s,
            "wrong": outcome.wrong,
        }
    )
    table.wrong += outcome.wrong
    say(f"  {suffering.name}: {outcome}")


def _asked(live: list[str], unknown: list[str]) -> list[tuple[str, bytes]]:
    """Give what is asked in turn: of twenty checks fourteen are of live sessions, three of none, three of nobody."""
    asked = []
    for number in range(20 * PEOPLE):
        path = PATHS[number % len(PATHS)]
        match number % 20:
            case 3 | 9 | 15:
                asked.append((UNKNOWN, Check(path, unknown[number // 20]).encode()))
            case 6 | 12 | 18:
                asked.append((STRANGER, Check(path).encode()))
            case _:
                asked.append((LIVE, Check(PATHS[0], live[number % PEOPLE]).encode()))
    return asked


def _make(services: Services, number: int) -> tuple[ApplicationSession, str]:
    application = services.access().index.find(APP, "/")
    if application is None:
        raise RuntimeError(f"there is no application at {APP}")
    return make_session(services, application, number)


async def _save(services: Services, number: int) -> str:
    session, token = _make(services, number)
    await services.sessions.save_application_session(session, now=services.now())
    return token


async def _until_200(
    secondgate: Secondgate, services: Services, number: int, *, until: float, since: float = 0.0
) -> float:
    """Make a session as a login would, and ask until it is let in; gives how long that took."""
    link = Link(secondgate.gate)
    token = ""
    while time.perf_counter() < until:
        with suppress(Unavailable):
            token = token or await _save(services, number)
            if (await link.ask(Check(PATHS[0], token).encode())).status == 200:
                break
        await asyncio.sleep(0.02)
    link.close()
    return time.perf_counter() - since
