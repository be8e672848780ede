"""Many people at once: nobody is ever taken for another."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from secondgate.gate.protocol import FAST_PATH
from secondgate.model.session import ApplicationSession
from tests.web.browser import Person
from tests.web.gate_streams import connected, staying
from tests.web.site import DIALECTS, Site, question
from tests.web.test_assertion import claims_of
from tests.web.wire import parse_answer

PEOPLE, CHECKS, AT_ONCE = 50, 1000, 100
HOSTS = ("menu.example.com", "news.example.com", "api.example.com")


@dataclass(frozen=True, slots=True)
class Known:
    """Somebody with a session at a host."""

    email: str
    host: str
    cookie: str


async def _log_in(site: Site, number: int) -> list[Known]:
    person = Person(site, f"person{number}@example.com")
    await person.log_in(f"https://{HOSTS[0]}/")
    for host in HOSTS[1:]:
        await person.browser.open(f"https://{host}/")
    return [Known(person.email, host, person.session(host)) for host in HOSTS]


@pytest.mark.case(31)
async def test_a_thousand_checks_of_fifty_people_with_random_disconnects_never_cross(site: Site) -> None:
    dice = random.Random(31)  # noqa: S311 - the same dice at every run
    known = [one for number in range(PEOPLE) for one in await _log_in(site, number)]
    limit = asyncio.Semaphore(AT_ONCE)
    answered = {"kept": 0, "hung up": 0}

    async def ask(who: Known, dialect: str, hangs_up_after_s: float | None, chunks: int) -> None:
        sent = question(dialect, f"https://{who.host}/").sent_with(("Cookie", who.cookie))
        async with limit:
            reader, writer = await asyncio.open_connection("127.0.0.1", site.ports["gate"])
            try:
                for start in range(0, len(sent), -(-len(sent) // chunks)):
                    writer.write(sent[start : start + -(-len(sent) // chunks)])
                    await asyncio.sleep(0)
                if hangs_up_after_s is not None:
                    await asyncio.sleep(hangs_up_after_s)
                    writer.transport.abort()
                    answered["hung up"] += 1
                    return
                answer = parse_answer(await reader.read(-1))
            finally:
                writer.close()
        assert answer.status == 200
        assert answer.one("Remote-User") == answer.one("Remote-Email") == who.email
        assert claims_of(answer.one("Cf-Access-Jwt-Assertion"))["email"] == who.email
        assert claims_of(answer.one("Cf-Access-Jwt-Assertion"))["aud"] == [auds[who.host]]
        answered["kept"] += 1

    auds = {one.destinations[0].host: one.aud for one in site.current().applications}
    asked = [
        ask(
            dice.choice(known),
            dice.choice(DIALECTS),
            dice.choice([0.0, 0.0005, 0.002]) if dice.random() < 0.3 else None,
            dice.choice([1, 1, 2, 5]),
        )
        for _ in range(CHECKS)
    ]
    await asyncio.gather(*asked)
    assert sum(answered.values()) == CHECKS
    assert min(answered.values()) > 200


@pytest.mark.case(31)
async def test_people_taking_turns_on_one_connection_are_told_apart(site: Site) -> None:
    known = [one for number in range(5) for one in await _log_in(site, number)]
    reader, writer = await asyncio.open_connection("127.0.0.1", site.ports["gate"])
    requests = [
        question(dialect, f"https://{who.host}/")
        .sent_with(("Cookie", who.cookie))
        .replace(b"Connection: close\r\n", b"")
        for who in known
        for dialect in DIALECTS
    ]
    writer.write(b"".join(requests))
    heads = [await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10) for _ in requests]
    writer.close()
    emails = [parse_answer(head).one("Remote-User") for head in heads]
    assert emails == [who.email for who in known for _ in DIALECTS]


@pytest.mark.case(31)
async def test_thousands_of_checks_on_connections_that_stay_open_never_cross_out_of_memory_or_without(
    site: Site,
) -> None:
    dice = random.Random(31)  # noqa: S311 - the same dice at every run
    known = [one for number in range(PEOPLE) for one in await _log_in(site, number)]
    auds = {one.destinations[0].host: one.aud for one in site.current().applications}
    fast_path, sessions = site.apps["gate"][FAST_PATH], site.services.sessions
    counted = {"answered": 0, "hung up": 0, "read": 0}
    load = sessions.load_application_session

    async def read(session_id: str) -> ApplicationSession | None:
        counted["read"] += 1
        await asyncio.sleep(0.001)
        return await load(session_id)

    sessions.load_application_session = read  # type: ignore[method-assign]

    async def come(people: list[Known]) -> None:
        """Ask for one after another on one connection, and go away in the middle now and then."""
        async with AsyncExitStack() as stack:
            stream = await stack.enter_async_context(connected(site))
            for who in people:
                sent = staying(dice.choice(DIALECTS), who.cookie, url=f"https://{who.host}/")
                if dice.random() < 0.1:
                    stream.writer.write(sent[: dice.choice([20, len(sent)])])
                    await asyncio.sleep(dice.choice([0, 0.0005, 0.002]))
                    stream.writer.transport.abort()
                    stream = await stack.enter_async_context(connected(site))
                    counted["hung up"] += 1
                    continue
                answer = parse_answer(await stream.ask(sent))
                claims = claims_of(answer.one("Cf-Access-Jwt-Assertion"))
                assert answer.one("Remote-User") == answer.one("Remote-Email") == claims["email"] == who.email
                assert claims["aud"] == [auds[who.host]]
                counted["answered"] += 1

    for _ in range(4):
        fast_path.decisions.clear()  # all at once ask for those whom nobody has read yet
        few = dice.sample(known, 5)
        await asyncio.gather(*(come([dice.choice(few), *dice.choices(known, k=14)]) for _ in range(AT_ONCE)))
    assert counted["answered"] + counted["hung up"] == 4 * 15 * AT_ONCE
    assert counted["hung up"] > 300
    assert counted["read"] < counted["answered"] / 3, "each asked for itself"
