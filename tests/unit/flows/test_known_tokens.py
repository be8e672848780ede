"""What was proved of a token is remembered for its host and its key; of many who read one session one reads it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest

from secondgate.errors import Unavailable
from secondgate.flows.application_session import load_application_session
from secondgate.flows.known_tokens import KnownTokens, SingleFlight, TokenFacts
from secondgate.model.session import ApplicationSession
from secondgate.protocol.jws import CLOCK_SKEW_S
from secondgate.protocol.jwt import new_signing_key
from tests.unit.flows.world import Person, World

WIKI = "wiki.example.com"
KEYS = ("new", "old")
FACTS = TokenFacts(os.urandom(32).hex(), "ann", 1_800_000_000, 1_800_003_600)


# ---- facts of tokens ----


def test_what_was_proved_is_found_again_as_it_was() -> None:
    known = KnownTokens()
    known.put("a.b.c", FACTS, host=WIKI)
    assert known.find("a.b.c", host=WIKI, kids=KEYS) == FACTS


@pytest.mark.case(26)
def test_a_token_proved_for_one_host_is_not_known_at_another() -> None:
    known = KnownTokens()
    known.put("a.b.c", FACTS, host=WIKI)
    for token, host in (("a.b.c", "menu.example.com"), ("a.b.d", WIKI), ("", WIKI), ("a.b.c", ""), ("\ud800", WIKI)):
        assert known.find(token, host=host, kids=KEYS) is None


def test_a_new_key_changes_nothing_and_one_that_is_gone_takes_all_with_it() -> None:
    known = KnownTokens()
    assert known.find("a.b.c", host=WIKI, kids=("old",)) is None
    known.put("a.b.c", FACTS, host=WIKI)
    assert known.find("a.b.c", host=WIKI, kids=KEYS) == FACTS
    assert known.find("a.b.c", host=WIKI, kids=("new",)) is None
    assert known.find("a.b.c", host=WIKI, kids=KEYS) is None


def test_no_more_is_known_than_said_and_who_is_seen_stays() -> None:
    known = KnownTokens(max_tokens=100)
    known.put("ann", FACTS, host=WIKI)
    known.put("ben", FACTS, host=WIKI)
    for number in range(1000):
        known.put(f"{number}", FACTS, host=WIKI)
        assert known.find("ann", host=WIKI, kids=KEYS)
        assert len(known._newer) + len(known._older) <= 100
    assert known.find("ben", host=WIKI, kids=KEYS) is None


# ---- from a cookie to a session ----


async def _logged_in(ann: Person) -> str:
    await ann.sign_in()
    await ann.enrol_app()
    return (await ann.enter()).token


@dataclass
class Verifications:
    """How often a signature was looked at."""

    world: World
    count: int = 0

    def __post_init__(self) -> None:
        verify = self.world.services.keys.verify

        def counted(*args: object, **named: object) -> object:
            self.count += 1
            return verify(*args, **named)  # type: ignore[arg-type]

        self.world.services.keys.verify = counted  # type: ignore[method-assign, assignment]


async def test_a_signature_is_looked_at_once(world: World, ann: Person) -> None:
    token, seen = await _logged_in(ann), Verifications(world)
    for _ in range(10):
        assert await load_application_session(world.services, token=token, host=WIKI)
    assert seen.count == 1


async def test_a_known_token_ends_when_it_expires_and_does_not_begin_before_it_was_made(
    world: World, ann: Person
) -> None:
    token = await _logged_in(ann)
    session = await load_application_session(world.services, token=token, host=WIKI)
    assert session
    for at, is_good in (
        (session.expires_at - 1, True),
        (session.expires_at, False),
        (session.created_at - CLOCK_SKEW_S, True),
        (session.created_at - CLOCK_SKEW_S - 1, False),
    ):
        world.now = at
        assert (await load_application_session(world.services, token=token, host=WIKI) is not None) is is_good, at


@pytest.mark.case(26)
async def test_a_known_token_opens_no_other_host(world: World, ann: Person) -> None:
    token = await _logged_in(ann)
    for _ in range(2):
        assert await load_application_session(world.services, token=token, host=WIKI)
        assert await load_application_session(world.services, token=token, host="menu.example.com") is None


@pytest.mark.case(90)
async def test_a_known_token_outlives_a_rotation_and_not_its_own_key(world: World, ann: Person) -> None:
    token = await _logged_in(ann)
    assert await load_application_session(world.services, token=token, host=WIKI)
    (old,) = world.services.keys._keys.values()
    new = new_signing_key(old.algorithm, now=old.created_at + 1, name="mfa.example.com", random_bytes=os.urandom)
    world.services.keys.replace([new, old])
    assert await load_application_session(world.services, token=token, host=WIKI)
    world.services.keys.replace([new])
    assert await load_application_session(world.services, token=token, host=WIKI) is None


# ---- one read for many ----


@dataclass
class Reads:
    """Reads of a session that go on until they are let go."""

    flight: SingleFlight = field(default_factory=SingleFlight)
    begun: int = 0
    go: asyncio.Event = field(default_factory=asyncio.Event)
    error: Exception | None = None

    async def read(self) -> ApplicationSession | None:
        self.begun += 1
        await self.go.wait()
        if self.error:
            raise self.error
        return None

    def ask(self) -> asyncio.Task[ApplicationSession | None]:
        return asyncio.ensure_future(self.flight.load("ann", self.read()))

    async def begin(self, count: int) -> list[asyncio.Task[ApplicationSession | None]]:
        asking = [self.ask() for _ in range(count)]
        await asyncio.sleep(0.01)
        return asking


async def test_of_many_who_ask_for_one_session_one_reads() -> None:
    reads = Reads()
    asking = await reads.begin(50)
    reads.go.set()
    assert await asyncio.gather(*asking) == [None] * 50
    assert reads.begun == 1
    await reads.ask()
    assert reads.begun == 2


@pytest.mark.case(31)
@pytest.mark.parametrize("goes", [0, 7, 49])
async def test_whoever_goes_away_takes_nothing_from_the_others(goes: int) -> None:
    reads = Reads()
    asking = await reads.begin(50)
    asking.pop(goes).cancel()
    await asyncio.sleep(0)
    reads.go.set()
    assert await asyncio.gather(*asking) == [None] * 49
    assert reads.begun == 1


async def test_when_all_have_gone_the_read_ends_by_itself_and_its_error_is_nobodys() -> None:
    reads = Reads(error=Unavailable("no"))
    asking = await reads.begin(3)
    for one in asking:
        one.cancel()
    reads.go.set()
    await asyncio.gather(*asking, return_exceptions=True)
    await asyncio.sleep(0.01)
    assert reads.flight._under_way == {}


@pytest.mark.case(85)
async def test_an_error_reaches_all_and_is_not_remembered() -> None:
    reads = Reads(error=Unavailable("no"))
    asking = await reads.begin(5)
    reads.go.set()
    found = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(one) for one in found] == [Unavailable] * 5
    reads.error = None
    assert await reads.ask() is None


@pytest.mark.case(24)
async def test_whoever_asks_after_a_session_ended_waits_for_no_read_from_before() -> None:
    reads = Reads()
    before = await reads.begin(2)
    reads.flight.ended("ann")
    reads.flight.ended("nobody")
    after = await reads.begin(2)
    assert reads.begun == 2
    reads.go.set()
    await asyncio.gather(*before, *after)
    assert reads.flight._under_way == {}


async def test_the_end_of_an_old_read_does_not_end_the_newer_one() -> None:
    flight, gates, begun = SingleFlight(), [asyncio.Event(), asyncio.Event()], []

    def read_behind(gate: asyncio.Event) -> Callable[[], Coroutine[Any, Any, ApplicationSession | None]]:
        async def read() -> ApplicationSession | None:
            begun.append(gate)
            await gate.wait()
            return None

        return read

    async def ask(number: int) -> None:
        await flight.load("ann", read_behind(gates[number])())

    first = asyncio.ensure_future(ask(0))
    await asyncio.sleep(0)
    flight.ended("ann")
    second = asyncio.ensure_future(ask(1))
    await asyncio.sleep(0)
    gates[0].set()
    await first
    joined = asyncio.ensure_future(ask(1))
    await asyncio.sleep(0.01)
    assert len(begun) == 2
    gates[1].set()
    await asyncio.gather(second, joined)
