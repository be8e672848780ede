"""What three replicas answer out of memory ends on all of them as soon as one is told that it is over."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from secondgate.flows.sessions import delete_authenticators, end_sessions, log_out, set_person_disabled
from secondgate.gate.protocol import FAST_PATH
from tests.integration.redis_servers import until
from tests.integration.test_replicas import on
from tests.web.browser import Person
from tests.web.gate_streams import Stream, connected, staying
from tests.web.site import DIALECTS, Site, open_site
from tests.web.wire import parse_answer

WIKI, MENU = "https://wiki.example.com/page", "https://menu.example.com/"
TOLD_WITHIN_S = 1.0
"""Far below the 3.5 s after which an answer in use is looked at again in any case."""
Replicas = tuple[Site, ...]


@pytest.fixture
async def three(postgres_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Replicas]:
    """Three replicas with one sealing key, all of which hear of changes."""
    folders = [tmp_path / name for name in ("one", "two", "three")]
    sites: list[Site] = []
    async with AsyncExitStack() as stack:
        for folder in folders:
            (folder / "data").mkdir(parents=True, mode=0o700)
            if sites:
                shutil.copy(folders[0] / "data" / "sealing.key", folder / "data")
            sites.append(await stack.enter_async_context(open_site(folder, on(postgres_url, redis_url))))

        async def all_hear() -> bool:
            return all(site.apps["gate"][FAST_PATH].decisions._hears_changes for site in sites)

        await until(all_hear, what="replicas that hear of changes")
        yield tuple(sites)


def hits(site: Site) -> int:
    return sum(lane.allow for lane in site.apps["gate"][FAST_PATH]._lanes)


async def let_through(stream: Stream, cookie: str) -> bool:
    """Ask in every dialect whether any lets somebody in."""
    asked = [staying(dialect, cookie, url=WIKI) for dialect in DIALECTS]
    return 200 in [parse_answer(await stream.ask(sent)).status for sent in asked]


async def person_id(site: Site, person: Person) -> str:
    found = await site.services.durable.load_person_by_email(person.email)
    assert found
    return found.id


async def _log_out(site: Site, person: Person, *, everywhere: bool) -> None:
    (login,) = await site.services.sessions.list_logins(await person_id(site, person))
    await log_out(site.services, login, everywhere=everywhere, forget_device=False, address="192.0.2.1")


async def _delete_authenticator(site: Site, person: Person) -> None:
    await delete_authenticators(site.services, await person_id(site, person), actor="root")


async def _disable(site: Site, person: Person) -> None:
    await set_person_disabled(site.services, await person_id(site, person), disabled=True, actor="root")


async def _end_sessions(site: Site, person: Person) -> None:
    await end_sessions(site.services, await person_id(site, person), actor="root")


ENDINGS = {
    "logout": lambda site, person: _log_out(site, person, everywhere=False),
    "logout everywhere": lambda site, person: _log_out(site, person, everywhere=True),
    "sessions ended": _end_sessions,
    "authenticator deleted": _delete_authenticator,
    "person disabled": _disable,
}


@pytest.mark.case(24, 28)
@pytest.mark.parametrize("end", ENDINGS.values(), ids=ENDINGS.keys())
async def test_a_copied_cookie_that_all_replicas_know_is_refused_by_all_of_them_at_once(
    three: Replicas, end: Callable[[Site, Person], Awaitable[None]]
) -> None:
    ann, ben = Person(three[0], "ann@example.com"), Person(three[0], "ben@example.com")
    for person in (ann, ben):
        await person.log_in_with_totp(WIKI)
    copied, other = ann.session("wiki.example.com"), ben.session("wiki.example.com")
    for site in three:
        site.clock.now = three[0].clock.now
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(connected(site)) for site in three]
        for site, stream in zip(three, streams, strict=True):
            for cookie in (copied, other):
                assert await let_through(stream, cookie)
                before = hits(site)
                assert await let_through(stream, cookie)
                assert hits(site) == before + len(DIALECTS), "it was not answered out of memory"
        began = time.monotonic()
        await end(three[1], ann)
        for site, stream in zip(three, streams, strict=True):
            while await let_through(stream, copied):
                assert time.monotonic() - began < TOLD_WITHIN_S, f"replica {three.index(site)} was not told"
                await asyncio.sleep(0.005)
        for site, stream in zip(three, streams, strict=True):
            assert not await let_through(stream, copied)
            before = hits(site)
            assert await let_through(stream, other)
            assert hits(site) == before + len(DIALECTS), "somebody else's answer ended too"


@pytest.mark.case(31, 96)
async def test_ten_times_as_many_as_redis_gets_connections_are_answered_as_who_they_are(three: Replicas) -> None:
    known = []
    for number in range(20):
        person = Person(three[0], f"person{number}@example.com")
        await person.log_in(MENU)
        known.append((person.email, person.session("menu.example.com")))
    for site in three:
        site.clock.now = three[0].clock.now
    answered = {200: 0, 503: 0}

    async def come(number: int) -> None:
        site, (email, cookie) = three[number % 3], known[number % len(known)]
        async with connected(site) as stream:
            for _ in range(4):
                site.apps["gate"][FAST_PATH].decisions.clear()
                answer = parse_answer(await stream.ask(staying(DIALECTS[number % 3], cookie)))
                answered[answer.status] += 1
                assert answer.status == 503 or answer.one("Remote-User") == email

    began = time.monotonic()
    await asyncio.gather(*map(come, range(600)))
    assert time.monotonic() - began < 20
    assert sum(answered.values()) == 2400
    assert answered[200] > 600
    for site in three:
        async with connected(site) as stream:
            began = time.monotonic()
            assert known[0][0].encode() in await stream.ask(staying(DIALECTS[0], known[0][1]))
            assert time.monotonic() - began < 1
