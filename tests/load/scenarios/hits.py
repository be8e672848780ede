"""Hits, and what they are measured against, in turn: people who are logged in ask for one page after the other."""

from __future__ import annotations

from functools import partial

from tests.load import plain_route, programs
from tests.load.lab import Lab, at_half, at_rate, in_rounds, median, sample, say, warmed, wrong_of
from tests.load.measure import Asker, Row, count_wrong
from tests.load.requests import DIALECTS, PATHS, Check
from tests.load.wrk import Asked, run_wrk

NGINX, FRONT, AIOHTTP = "nginx return 200", "nginx asking a static nginx", "a plain aiohttp route"
EMPTY = "an empty aiohttp route"
BEHIND = "hits behind nginx"


def direct(dialect: str) -> str:
    """Give the name of the row of a dialect."""
    return f"hits, {dialect}"


def run(lab: Lab) -> None:
    """Measure baselines and hits."""
    say("hits and baselines")
    static = programs.start_static_nginx(lab.folder, lab.server_core)
    lab.own(static.running)
    gate = lab.secondgate.gate
    fronts = {
        FRONT: programs.start_front_nginx(
            lab.folder, "nginx-front-static", lab.server_core, gate=static.port, portal=static.port
        ),
        BEHIND: programs.start_front_nginx(
            lab.folder, "nginx-front", lab.server_core, gate=gate, portal=lab.secondgate.portal
        ),
    }
    for program in fronts.values():
        lab.own(program.running)
    plain = programs.start_aiohttp(lab.folder, lab.server_core, lab.crowd.cookies)
    lab.own(plain.running)
    cookies = lab.crowd.cookies
    known = {direct(dialect): dialect for dialect in DIALECTS if _speaks(lab, dialect)}
    places = {
        NGINX: (static.port, Asked(cookies=cookies)),
        FRONT: (fronts[FRONT].port, Asked("site", cookies=cookies)),
        AIOHTTP: (plain.port, Asked(cookies=cookies)),
        EMPTY: (plain.port, Asked("site", cookies=cookies, paths=(plain_route.EMPTY,))),
        **{name: (gate, Asked(dialect, cookies=cookies)) for name, dialect in known.items()},
        BEHIND: (fronts[BEHIND].port, Asked("site", cookies=cookies)),
    }
    wrong = {name: count_wrong(gate, sample(lab.crowd, dialect), status=200) for name, dialect in known.items()}
    seconds = lab.options.seconds
    ways = {name: partial(warmed, port, asked, seconds=seconds) for name, (port, asked) in places.items()}
    loads = in_rounds(lab.options.rounds, ways)
    lab.baselines.update({name: median(loads[name]).rate for name in (NGINX, FRONT, AIOHTTP)})
    for name in (NGINX, FRONT, AIOHTTP, EMPTY):
        load = median(loads[name])
        row = Row(name, load.rate, load.p50_ms, load.p99_ms, requests=sum(one.requests for one in loads[name]))
        row.wrong = sum(wrong_of(one, expected=200) for one in loads[name])
        _keep(lab, row, [one.rate for one in loads[name]])
    for name in (*known, BEHIND):
        load = median(loads[name])
        port, asked = places[name]
        run_wrk(port, asked, seconds=1)
        meter = lab.meter()
        metered = run_wrk(port, asked, seconds=seconds)
        cost = meter.stop()
        row = Row(name, load.rate, load.p50_ms, load.p99_ms, requests=sum(one.requests for one in loads[name]))
        row.wrong = sum(wrong_of(one, expected=200) for one in [*loads[name], metered]) + wrong.get(name, 0)
        cost.into(row, checks=metered.requests)
        checks = _checks(lab, "site" if name == BEHIND else known[name])
        if name in {BEHIND, direct("auth-request")}:
            at_half(lab, port, checks, row)
        if name == direct("auth-request"):
            floor = at_rate(lab, static.port, checks, row.rate / 2)
            row.more["nginx_at_this_half_p99_ms"] = floor.p99_ms
        if name in known:
            row.wrong += count_wrong(gate, sample(lab.crowd, known[name]), status=200)
        _keep(lab, row, [one.rate for one in loads[name]])
    lab.rows[BEHIND].wrong += _wrong_behind(lab, fronts[BEHIND].port)


def _keep(lab: Lab, row: Row, rates: list[float]) -> None:
    row.more["rates"] = rates
    lab.add(row)


def _checks(lab: Lab, dialect: str) -> list[Check]:
    return [Check(PATHS[n % len(PATHS)], line, dialect) for n, line in enumerate(lab.crowd.lines())]


def _speaks(lab: Lab, dialect: str) -> bool:
    """Whether the gate knows a dialect."""
    asker = Asker(lab.secondgate.gate)
    status = asker.ask(Check("/", lab.crowd.lines()[0], dialect).encode()).status
    asker.close()
    if status == 404:
        say(f"  there is no dialect {dialect} yet: left out")
    return status != 404


def _wrong_behind(lab: Lab, port: int) -> int:
    """Count people who are refused behind nginx, and strangers who are not sent to log in."""
    people = {Check(PATHS[0], line, "site"): None for line in lab.crowd.lines()[:20]}
    strangers: dict[Check, str | None] = {Check("/", "", "site", is_navigation=True): None}
    return count_wrong(port, dict(people), status=200) + count_wrong(port, strangers, status=302)
