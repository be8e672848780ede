"""Changes at one of three replicas, and how soon each of the three holds to them, while all three are asked steadily.

Before each change the person is asked about twice at every replica: the second answer came from its cache. From the
moment at which the change was answered each replica is asked until it refuses. With its subscription cut, the third
replica hears of nothing: what it remembers has to be given up all the same.
"""

from __future__ import annotations

import asyncio
import re
import time
from array import array
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlencode

import uvloop

from secondgate.app import open_services
from tests.load.browser import Link
from tests.load.generator import percentile
from tests.load.lab import Lab, say
from tests.load.measure import Meter
from tests.load.programs import APP
from tests.load.requests import BROWSER, COOKIE, NAVIGATION, PATHS, Check
from tests.load.steady import Steady, steadily
from tests.load.table import Table, Target, cell
from tests.load.three import PEOPLE, Api, Managed, Three, Visitor, make_visitors, set_up, settings_of, start_three

TITLE = "Changes at one of three replicas, held to by all three"
REVOCATION, LOGOUT, POLICY = "revocation (API)", "logout (page)", "policy change (API): refused"
BACK, AUTHENTICATOR, CUT = (
    "policy change (API): let in again",
    "authenticator deleted (API)",
    "revocation, not heard of",
)
CHANGE, P50, P99, MAX = "change", "p50 ms", "p99 ms", "max ms"
HEADS = (CHANGE, "changes", P50, P99, MAX, "change p50 ms", "change p99 ms", "wrong")
RATE = 300.0
OTHERS = 30
LANES = 3
FIRST = 2_000_000
APART = 100_000
WORST_S = 6.0
"""An entry lives for 5 s: whoever is let in after that was never to be let in."""
POLICY_PEOPLE = 40
POLICY_EVERY_S = 0.125
"""Each change of a policy makes every answer a miss: more of them would measure a machine with too much to do."""
A_CUT = 4
SETTLED_S = 2.5
_PAUSE_S = 0.001
KNOWN_AFTER_S, COUNTED_S = 1.0, 5.0

Make = Callable[[Api, Visitor], Awaitable[None]]


@dataclass(slots=True)
class Found:
    """How long until a change held, for each replica, and how long it took to be made; in seconds."""

    held_after_s: array[float] = field(default_factory=lambda: array("d"))
    made_in_s: array[float] = field(default_factory=lambda: array("d"))
    changes: int = 0
    wrong: int = 0

    def row(self, name: str) -> dict[str, str | int | float | None]:
        """Give it as a row."""
        return {
            CHANGE: name,
            "changes": self.changes,
            P50: _share(self.held_after_s, 0.5),
            P99: _share(self.held_after_s, 0.99),
            MAX: _share(self.held_after_s, 1),
            "change p50 ms": _share(self.made_in_s, 0.5),
            "change p99 ms": _share(self.made_in_s, 0.99),
            "wrong": self.wrong,
        }


def _share(times: array[float], share: float) -> float | None:
    return percentile(times, share) if times else None


def targets(table: Table | None) -> list[Target]:
    """Say what is required."""
    rows = {row[CHANGE]: row for row in table.rows} if table else {}

    def found(name: str, head: str) -> float | None:
        value = rows[name].get(head) if name in rows else None
        return float(value) if isinstance(value, (int, float)) else None

    names = (REVOCATION, LOGOUT, POLICY, AUTHENTICATOR)
    return [
        *(Target(f"p99 in ms until three replicas hold to it: {name}", "≤", 100, found(name, P99)) for name in names),
        Target("longest in ms with the subscription cut: revocation", "≤", 5000, found(CUT, MAX)),
    ]


def run(lab: Lab) -> None:
    """Measure how soon changes hold everywhere."""
    say(f"three replicas, {lab.options.changes} changes of each kind at one of them")
    three = start_three(lab)
    table = uvloop.run(_measure(lab, three))
    lab.tables[TITLE] = table


async def _measure(lab: Lab, three: Three) -> Table:
    count = lab.options.changes
    table = Table(TITLE, HEADS)
    async with open_services(settings_of(three.replicas[0])) as services:
        api = await Api.opened(three.replicas[0], services)
        managed = await set_up(api, three)
    async with open_services(settings_of(three.replicas[0])) as services:
        kinds: dict[str, tuple[Make, list[Visitor]]] = {}
        for place, (name, make, number, enrolled) in enumerate(
            (
                (REVOCATION, _revoke, count, True),
                (LOGOUT, _log_out(three), count, False),
                (AUTHENTICATOR, _delete_authenticator, count, True),
                (CUT, _revoke, lab.options.cuts, True),
            )
        ):
            begin = FIRST + place * APART
            kinds[name] = make, await make_visitors(services, range(begin, begin + number), enrolled=enrolled)
        excluded = await make_visitors(services, range(FIRST - APART, FIRST - APART + POLICY_PEOPLE), enrolled=False)
        others = await make_visitors(services, range(FIRST - OTHERS, FIRST), enrolled=False)
    say(f"  {sum(len(people) for _, people in kinds.values())} people are logged in")
    asked = [("live", Check(PATHS[n % len(PATHS)], one.token).encode()) for n, one in enumerate(others)]
    loads = [Steady(replica.gate, asked, rate=RATE) for replica in three.replicas]
    began = time.perf_counter()
    async with steadily(loads):
        reads = await _reads_of_checks(three, loads)
        found = {REVOCATION: await _in_lanes(three, api.token, *kinds[REVOCATION])}
        _tell(REVOCATION, found[REVOCATION])
        found[LOGOUT] = await _in_lanes(three, api.token, *kinds[LOGOUT])
        _tell(LOGOUT, found[LOGOUT])
        found[POLICY], found[BACK] = await _policies(three, api, managed, excluded, count)
        _tell(POLICY, found[POLICY])
        found[AUTHENTICATOR] = await _in_lanes(three, api.token, *kinds[AUTHENTICATOR])
        _tell(AUTHENTICATOR, found[AUTHENTICATOR])
        found[CUT] = await _with_cuts(three, api, kinds[CUT][1])
        _tell(CUT, found[CUT])
    seconds = time.perf_counter() - began
    api.close()
    seen = [one for load in loads for one in load.seen]
    wrong = sum(one.status != 200 for one in seen)
    table.rows = [found[name].row(name) for name in (REVOCATION, LOGOUT, POLICY, BACK, AUTHENTICATOR, CUT)]
    table.wrong = wrong + sum(one.wrong for one in found.values())
    times = [one.took_ms / 1000 for one in seen]
    longest = percentile(times, 1)
    table.notes = [
        f"from the answer to the change on, at each replica; {LANES} changes at once, but one policy after the other",
        f"meanwhile {RATE:,.0f} checks a second were due at each replica, {len(seen) / seconds:,.0f} answered by all",
        f"their p50 {percentile(times, 0.5):.2f} ms, p99 {percentile(times, 0.99):.2f} ms, longest {longest:.0f} ms",
        f"{wrong} of {len(seen):,} were not let in",
        f"before the changes {reads:.2%} of them read a session from Redis: all others were answered from memory",
    ]
    return table


async def _reads_of_checks(three: Three, loads: list[Steady]) -> float:
    """Give for what share of the checks a session was read from Redis, while nothing changes."""
    await asyncio.sleep(KNOWN_AFTER_S)
    meter, before = Meter(three.replicas[0], three.store), sum(len(load.seen) for load in loads)
    await asyncio.sleep(COUNTED_S)
    reads = meter.stop().commands.get("get", 0)
    return reads / (sum(len(load.seen) for load in loads) - before)


def _tell(name: str, found: Found) -> None:
    say(f"  {name}: " + ", ".join(f"{head} {cell(value)}" for head, value in found.row(name).items() if head != CHANGE))


# ---- changes ----


async def _revoke(api: Api, visitor: Visitor) -> None:
    await api.call("POST", "organizations/revoke_user", {"email": visitor.email})


async def _delete_authenticator(api: Api, visitor: Visitor) -> None:
    path = f"users/{visitor.person_id}/mfa_authenticators/{visitor.authenticator_id}"
    await api.call("DELETE", path)


def _log_out(three: Three) -> Make:
    """Give what logs out at the application's host at the first replica: its page, then its form."""
    portal = three.replicas[0].portal

    async def log_out(_: Api, visitor: Visitor) -> None:
        link = Link(portal)
        head = (f"Host: {APP}", "X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: http", *BROWSER, *NAVIGATION)
        cookie = f"Cookie: {COOKIE}={visitor.token}"
        page = await link.ask(_request("GET /.secondgate/logout?here=yes HTTP/1.1", *head, cookie))
        token = re.search(rb'name="csrf_token" value="([^"]+)"', page.body)
        if page.status != 200 or token is None:
            raise RuntimeError(f"there is no page to log out: {page.status}")
        form = urlencode({"csrf_token": token[1].decode(), "scope": "browser"}).encode()
        lines = ("Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(form)}")
        start = "POST /.secondgate/logout HTTP/1.1"
        done = await link.ask(_request(start, *head, *lines, f"Origin: http://{APP}", cookie) + form)
        link.close()
        if done.status >= 400:
            raise RuntimeError(f"logging out: {done.status}")

    return log_out


def _request(*lines: str) -> bytes:
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


# ---- what is measured ----


async def _in_lanes(three: Three, token: str, make: Make, people: list[Visitor]) -> Found:
    """End each person's session, some at once."""
    found, waiting = Found(), iter(people)
    await asyncio.gather(*(_lane(three, token, make, waiting, found) for _ in range(LANES)))
    links = [Link(replica.gate) for replica in three.replicas]
    for visitor in people:  # and nobody comes back
        request = Check(PATHS[0], visitor.token).encode()
        found.wrong += sum([(await link.ask(request)).status != 401 for link in links])
    for link in links:
        link.close()
    return found


async def _lane(three: Three, token: str, make: Make, waiting: Iterator[Visitor], found: Found) -> None:
    links = [Link(replica.gate) for replica in three.replicas]
    api = Api(three.replicas[0], token)
    for visitor in waiting:
        request = Check(PATHS[0], visitor.token).encode()
        found.wrong += await _wrong_before(links, visitor, request)
        answered = await _made(api, make, visitor, found)
        await _all_hold(links, request, 401, answered, found)
    for link in links:
        link.close()
    api.close()


async def _wrong_before(links: list[Link], visitor: Visitor, request: bytes) -> int:
    """Ask twice everywhere, so that it is remembered; count answers that do not let this person in."""
    wrong = 0
    for link in links:
        for _ in range(2):
            reply = await link.ask(request)
            wrong += reply.status != 200 or reply.one("remote-email") != visitor.email
    return wrong


async def _made(api: Api, make: Make, visitor: Visitor, found: Found) -> float:
    """Make a change, and give when it was answered."""
    sent = time.perf_counter()
    await make(api, visitor)
    answered = time.perf_counter()
    found.made_in_s.append(answered - sent)
    found.changes += 1
    return answered


async def _all_hold(links: list[Link], request: bytes, status: int, since: float, found: Found) -> None:
    """Ask everywhere until the answer is the one that it must be now."""
    held = await asyncio.gather(*(_until(link, request, status, since) for link in links))
    for one in held:
        if one is None:
            found.wrong += 1
        else:
            found.held_after_s.append(one)


async def _until(link: Link, request: bytes, status: int, since: float) -> float | None:
    while time.perf_counter() - since < WORST_S:
        reply = await link.ask(request)
        if reply.status == status:
            return time.perf_counter() - since
        await asyncio.sleep(_PAUSE_S)
    return None


async def _policies(three: Three, api: Api, managed: Managed, people: list[Visitor], count: int) -> tuple[Found, Found]:
    """Let the application's policy refuse one person after the other: each change lets the one before in again."""
    refused, back = Found(), Found()
    links, others = ([Link(replica.gate) for replica in three.replicas] for _ in range(2))
    before: bytes | None = None
    for number in range(count):
        visitor = people[number % len(people)]
        request = Check(PATHS[0], visitor.token).encode()
        refused.wrong += await _wrong_before(links, visitor, request)
        policy = {**PEOPLE, "exclude": [{"email": {"email": visitor.email}}]}

        async def change(api: Api, _: Visitor, policy: object = policy) -> None:
            await api.call("PUT", managed.policy, policy)

        answered = await _made(api, change, visitor, refused)
        waits = [_all_hold(links, request, 403, answered, refused)]
        if before is not None:
            back.changes += 1
            waits.append(_all_hold(others, before, 200, answered, back))
        await asyncio.gather(*waits)
        before = request
        await asyncio.sleep(max(0.0, answered + POLICY_EVERY_S - time.perf_counter()))
    await api.call("PUT", managed.policy, PEOPLE)
    for link in (*links, *others):
        link.close()
    return refused, back


async def _with_cuts(three: Three, api: Api, people: list[Visitor]) -> Found:
    """Revoke a few people at a time while the last replica hears nothing; how long it lets them in."""
    found = Found()
    links = [Link(three.replicas[-1].gate) for _ in range(A_CUT)]
    for begin in range(0, len(people), A_CUT):
        some = people[begin : begin + A_CUT]
        for link, visitor in zip(links, some, strict=False):
            found.wrong += await _wrong_before([link], visitor, Check(PATHS[0], visitor.token).encode())
        three.cut()
        await asyncio.sleep(0.05)
        waits = []
        for link, visitor in zip(links, some, strict=False):
            answered = await _made(api, _revoke, visitor, found)
            request = Check(PATHS[0], visitor.token).encode()
            waits.append(asyncio.ensure_future(_all_hold([link], request, 401, answered, found)))
        await asyncio.gather(*waits)
        three.mend()
        await asyncio.sleep(SETTLED_S)
    for link in links:
        link.close()
    return found
