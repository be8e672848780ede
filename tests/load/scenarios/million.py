"""A million live sessions, all of them known to the process; then a thousand people at a time work.

Runs on a Secondgate and a Redis of its own, in turn with the Secondgate that knows a thousand, so that both meet the
same machine. What the memory grew by while each session was asked about once is what a cached session takes.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import islice

from tests.load import machine, programs
from tests.load.generator import Result
from tests.load.generator import run as generate
from tests.load.lab import Lab, at_half, in_rounds, median, say, warmed, wrong_of
from tests.load.measure import Row, count_wrong
from tests.load.programs import Secondgate
from tests.load.requests import PATHS, Check
from tests.load.sessions import Crowd, email
from tests.load.wrk import Asked, Load, run_wrk

ALL, THOUSAND, UNIFORM = "hits, all live", "hits, 1,000 live", "all live, drawn uniformly"
FIRST = 1_000_000
WORKING = 1000
DRAWN = 200_000
STEP = 50_000


def run(lab: Lab) -> None:
    """Measure with very many sessions, and memory."""
    count = lab.options.sessions
    say(f"{count:,} live sessions")
    store = programs.start_redis(lab.folder, lab.load_core, name="redis-all")
    lab.own(store.running)
    config = programs.write_config(lab.folder, "secondgate-all", store.port)
    secondgate = programs.start_secondgate(config, lab.server_core)
    lab.own(secondgate.running)
    crowd = lab.make(config, "all", first=FIRST, count=count)
    grown, wrong, first = _ask_each(secondgate, crowd)
    # Not random for secrecy: the same people in every run.
    chance = random.Random(1)  # noqa: S311
    sets = [_working_set(crowd, f"working-{n}", chance) for n in range(lab.options.rounds)]
    turn, seconds = iter(sets), lab.options.seconds
    ways: dict[str, Callable[[], Load]] = {
        THOUSAND: lambda: warmed(lab.secondgate.gate, Asked(cookies=lab.crowd.cookies), seconds=seconds),
        # People who were away for longer than an entry lives are asked about anew in the second that does not count.
        ALL: lambda: warmed(secondgate.gate, Asked(cookies=next(turn).cookies), seconds=seconds),
    }
    loads = in_rounds(lab.options.rounds, ways)
    thousand, million = median(loads[THOUSAND]), median(loads[ALL])
    meter = lab.meter(secondgate, store)  # the last working set is in use
    metered = run_wrk(secondgate.gate, Asked(cookies=sets[-1].cookies), seconds=seconds)
    cost = meter.stop()
    for name, load in ((THOUSAND, thousand), (ALL, million)):
        row = Row(name, load.rate, load.p50_ms, load.p99_ms, requests=sum(one.requests for one in loads[name]))
        row.wrong = sum(wrong_of(one, expected=200) for one in loads[name])
        row.more["rates"] = [one.rate for one in loads[name]]
        if name == ALL:
            row.wrong += wrong + _wrong_answers(secondgate, crowd, chance)
            cost.into(row, checks=metered.requests)
            at_half(lab, secondgate.gate, _checks(sets[-1].lines()), row)
            row.more.update(
                sessions=count,
                ratio_to_1000=million.rate / thousand.rate,
                bytes_per_session=grown / count,
                first_asked_rate=first,
            )
        lab.add(row)
    _draw_uniformly(lab, secondgate, crowd, chance)


def _ask_each(secondgate: Secondgate, crowd: Crowd) -> tuple[int, int, float]:
    """Ask about each session once: how much memory grew, how many answers were wrong, and the rate."""
    before = machine.resident_bytes(secondgate.pid)
    wrong, results = 0, list[Result]()
    with crowd.cookies.open() as file:
        for begin in range(0, crowd.count, STEP):
            lines = (line.strip() for line in islice(file, STEP))
            requests = (Check(PATHS[n % len(PATHS)], line).encode() for n, line in enumerate(lines))
            result = generate(secondgate.gate, requests, connections=16)
            results.append(result)
            wrong += result.others(200)
            if crowd.count > STEP:
                say(f"  {begin + result.requests:,} of {crowd.count:,} asked once, {result.rate:,.0f}/s")
    grown = machine.resident_bytes(secondgate.pid) - before
    asked = sum(result.requests for result in results)
    return grown, wrong + abs(crowd.count - asked), asked / sum(result.seconds for result in results)


def _working_set(crowd: Crowd, name: str, chance: random.Random) -> Crowd:
    return crowd.taken(name, chance.sample(range(crowd.count), min(WORKING, crowd.count)))


def _checks(lines: list[str]) -> list[Check]:
    return [Check(PATHS[n % len(PATHS)], line) for n, line in enumerate(lines)]


def _wrong_answers(secondgate: Secondgate, crowd: Crowd, chance: random.Random) -> int:
    """Ask about some of all people, and look whether each is told as who they are."""
    numbers = chance.sample(range(crowd.count), min(200, crowd.count))
    lines = crowd.taken("some", numbers).lines()
    checks: dict[Check, str | None] = {
        Check(PATHS[0], line): email(crowd.first + number) for number, line in zip(numbers, lines, strict=True)
    }
    return count_wrong(secondgate.gate, checks, status=200)


def _draw_uniformly(lab: Lab, secondgate: Secondgate, crowd: Crowd, chance: random.Random) -> None:
    """Ask about very many people in turn, nobody soon again: no entry is young enough then. There is no target."""
    drawn = crowd.taken("drawn", chance.sample(range(crowd.count), min(DRAWN, crowd.count)))
    load = run_wrk(secondgate.gate, Asked(cookies=drawn.cookies), seconds=lab.options.seconds)
    row = Row(UNIFORM, load.rate, load.p50_ms, load.p99_ms, requests=load.requests)
    row.wrong = wrong_of(load, expected=200)
    row.resident_mb = machine.resident_bytes(secondgate.pid) / 1e6
    lab.add(row)
