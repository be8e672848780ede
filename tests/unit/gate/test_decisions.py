"""Answers are kept for a while, for not more people than said, and never after what they were made of has ended."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from secondgate.errors import Unavailable
from secondgate.gate.decisions import (
    ENDED_KEPT_S,
    LIFE_S,
    REFRESH_AFTER_S,
    REFRESHED_AT_ONCE,
    Decisions,
    Lasting,
    refreshed,
)
from secondgate.store.ports import Change, ChangeKind, Kind
from tests.fakes.live_store import MemoryLiveStore

START = 1_800_000_000.0


@dataclass
class Cache:
    """A cache that hears of changes, a clock, and the live store that knows which sessions live."""

    max_answers: int = 100
    now: float = START
    ended: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.decisions = Decisions(clock=self.clock, max_answers=self.max_answers, on_ended=self.ended.append)
        self.decisions.connected()
        self.live = MemoryLiveStore(self.clock)

    def clock(self) -> float:
        return self.now

    def keep(self, name: str, *, session: str = "", until: float = math.inf) -> None:
        """Keep an answer that was found out at this moment."""
        self.decisions.put(name.encode(), name.encode(), self.lasting(session or name, until=until))

    def lasting(self, session: str, *, until: float = math.inf) -> Lasting:
        return Lasting(session, self.now, until, self.decisions.epoch)

    def knows(self, name: str) -> bool:
        found = self.decisions.find(name.encode(), self.now)
        assert found is None or found.head == name.encode()
        return found is not None

    async def live_on(self, *sessions: str) -> None:
        """Let sessions live in the store."""
        for session in sessions:
            await self.live.save(Kind.APPLICATION_SESSION, session, b"1", ttl_s=86_400)

    async def refresh(self) -> None:
        await self.decisions.refresh(self.decisions.take_due(), self.live)


@pytest.fixture
def cache() -> Cache:
    return Cache()


def test_an_answer_lives_for_five_seconds(cache: Cache) -> None:
    cache.keep("ann")
    cache.now += LIFE_S - 0.001
    assert cache.knows("ann")
    cache.now = START + LIFE_S
    assert not cache.knows("ann")


def test_an_answer_dies_with_its_proof_to_the_second(cache: Cache) -> None:
    cache.keep("ann", until=START + 2)
    cache.now += 1.999
    assert cache.knows("ann")
    cache.now = START + 2
    assert not cache.knows("ann")


def test_an_answer_counts_from_when_it_was_begun_to_find_out_and_not_from_when_that_was_done(cache: Cache) -> None:
    begun = cache.lasting("ann")
    cache.now += 4
    cache.decisions.put(b"ann", b"ann", begun)
    assert cache.knows("ann")
    cache.now += 1
    assert not cache.knows("ann")


def test_what_took_too_long_to_find_out_is_not_kept(cache: Cache) -> None:
    begun = cache.lasting("ann")
    cache.now += LIFE_S
    cache.decisions.put(b"ann", b"ann", begun)
    assert len(cache.decisions) == 0


def test_a_clock_that_goes_back_gives_no_answer_from_the_future(cache: Cache) -> None:
    cache.keep("ann")
    cache.now -= 0.5
    assert not cache.knows("ann")
    cache.decisions.put(b"ben", b"ben", Lasting("ben", START, math.inf, cache.decisions.epoch))
    assert not cache.knows("ben")


def test_no_more_answers_are_kept_than_said_whoever_asks(cache: Cache) -> None:
    for number in range(1000):
        cache.keep(f"{number}")
        for other in range(number):
            cache.knows(f"{other}")
        assert len(cache.decisions) <= cache.max_answers
        if number > 150:
            break
    for number in range(10_000):
        cache.keep(f"once {number}")
        assert len(cache.decisions) <= cache.max_answers


def test_those_who_ask_are_remembered_and_those_who_do_not_are_forgotten_first(cache: Cache) -> None:
    cache.keep("ann")
    cache.keep("ben")
    for number in range(200):
        cache.keep(f"{number}")
        assert cache.knows("ann")
    assert not cache.knows("ben")


def test_what_nobody_asks_for_is_forgotten_after_a_while_though_there_is_room(cache: Cache) -> None:
    cache.keep("ann")
    for number in range(2):
        cache.now += LIFE_S
        cache.keep(f"{number}")
    assert len(cache.decisions) == 2


def test_an_ended_session_has_no_answer_any_more_at_any_application(cache: Cache) -> None:
    cache.keep("wiki", session="ann")
    cache.keep("menu", session="ann")
    cache.keep("ben")
    cache.decisions.changed(Change(ChangeKind.SESSION_ENDED, "ann"))
    assert (cache.knows("wiki"), cache.knows("menu"), cache.knows("ben")) == (False, False, True)
    assert cache.ended == ["ann"]


def test_a_session_that_ended_while_it_was_read_is_not_kept(cache: Cache) -> None:
    begun = cache.lasting("ann")
    cache.decisions.end("ann")
    for seconds in (0, ENDED_KEPT_S - 1, 2):
        cache.now += seconds
        cache.decisions.put(b"ann", b"ann", Lasting("ann", cache.now, math.inf, begun.epoch))
        assert not cache.knows("ann")
        cache.decisions.end(f"other {seconds}")


@pytest.mark.parametrize("steps", [(60, 60, -119), (-1, 1, 0), (-1, 100, -99), (31, -10, 31, -51), (-5, -5, 10.5)])
def test_an_answer_about_an_ended_session_never_comes_back_wherever_the_clock_goes(
    cache: Cache, steps: tuple[float, ...]
) -> None:
    cache.keep("ann")
    begun = cache.lasting("ann")
    cache.decisions.end("ann")
    for number, seconds in enumerate(steps):
        cache.now += seconds
        cache.decisions.end(f"other {number}")
        assert not cache.knows("ann")
    cache.decisions.put(b"ann", b"ann", begun)
    assert not cache.knows("ann")


def test_what_was_begun_before_everything_was_forgotten_is_not_kept(cache: Cache) -> None:
    begun = cache.lasting("ann")
    cache.keep("ben")
    cache.decisions.clear()
    cache.decisions.put(b"ann", b"ann", begun)
    assert (cache.knows("ann"), cache.knows("ben"), len(cache.decisions)) == (False, False, 0)


def test_other_changes_than_the_end_of_a_session_are_the_settings(cache: Cache) -> None:
    cache.keep("ann")
    for kind in set(ChangeKind) - {ChangeKind.SESSION_ENDED}:
        cache.decisions.changed(Change(kind, "ann"))
    assert cache.knows("ann")


def test_while_changes_may_be_missed_nothing_is_kept_or_given(cache: Cache) -> None:
    cache.keep("ann")
    begun = cache.lasting("ben")
    cache.decisions.disconnected()
    cache.keep("cat")
    assert not any(map(cache.knows, ("ann", "cat")))
    cache.decisions.connected()
    cache.decisions.put(b"ben", b"ben", begun)
    assert not any(map(cache.knows, ("ann", "ben", "cat")))
    cache.keep("ann")
    assert cache.knows("ann")


def test_before_changes_are_heard_for_the_first_time_nothing_is_kept() -> None:
    decisions = Decisions(clock=lambda: START)
    decisions.put(b"ann", b"ann", Lasting("ann", START, math.inf, decisions.epoch))
    assert len(decisions) == 0


async def test_an_answer_in_use_lives_on_while_its_session_does(cache: Cache) -> None:
    await cache.live_on("ann")
    cache.keep("ann")
    for _ in range(10):
        cache.now += REFRESH_AFTER_S
        assert cache.knows("ann")
        assert cache.knows("ann")
        await cache.refresh()
    cache.now += LIFE_S
    assert not cache.knows("ann")


async def test_an_answer_that_nobody_asks_for_is_not_refreshed(cache: Cache) -> None:
    cache.keep("ann")
    cache.now += REFRESH_AFTER_S - 0.1
    assert cache.knows("ann")
    cache.now += 1
    assert cache.decisions.take_due() == []


async def test_an_answer_in_use_is_asked_about_once_at_a_time(cache: Cache) -> None:
    await cache.live_on("ann")
    cache.keep("ann")
    cache.now += 4
    assert all(cache.knows("ann") for _ in range(5))
    assert [one.session_id for one in cache.decisions.take_due()] == ["ann"]
    assert cache.knows("ann")
    assert cache.decisions.take_due() == []


async def test_refreshing_finds_a_session_that_ended_unheard(cache: Cache) -> None:
    cache.keep("ann")
    cache.now += 4
    assert cache.knows("ann")
    await cache.refresh()
    assert not cache.knows("ann")
    assert cache.ended == ["ann"]


async def test_refreshing_never_outlives_the_proof(cache: Cache) -> None:
    await cache.live_on("ann")
    cache.keep("ann", until=START + 6)
    cache.now += 4
    assert cache.knows("ann")
    await cache.refresh()
    cache.now = START + 5.9
    assert cache.knows("ann")
    cache.now = START + 6
    assert not cache.knows("ann")


async def test_a_session_that_ends_while_it_is_refreshed_stays_ended(cache: Cache) -> None:
    await cache.live_on("ann")
    cache.keep("ann")
    cache.now += 4
    assert cache.knows("ann")
    due = cache.decisions.take_due()
    cache.decisions.end("ann")
    await cache.decisions.refresh(due, cache.live)
    assert not cache.knows("ann")


async def test_a_clock_set_back_before_an_answer_was_refreshed_does_not_let_it_live_before_its_time(
    cache: Cache,
) -> None:
    await cache.live_on("ann")
    cache.keep("ann")
    cache.now += 4
    assert cache.knows("ann")
    cache.now -= 3600
    await cache.refresh()
    assert not cache.knows("ann")


class Silent(MemoryLiveStore):
    """A store that cannot be asked."""

    async def missing(self, kind: Kind, keys: Sequence[str]) -> frozenset[str]:
        del kind, keys
        raise Unavailable("no")


@pytest.mark.case(85)
async def test_while_the_store_cannot_be_asked_answers_live_out_their_time(cache: Cache) -> None:
    cache.keep("ann")
    cache.now += 4
    assert cache.knows("ann")
    with pytest.raises(Unavailable):
        await cache.decisions.refresh(cache.decisions.take_due(), Silent(cache.clock))
    cache.now += 0.9
    assert cache.knows("ann")
    cache.now += 0.1
    assert not cache.knows("ann")
    assert cache.ended == []


class Counting(MemoryLiveStore):
    """A store that counts its questions and how many keys each is about."""

    asked: list[int]

    async def missing(self, kind: Kind, keys: Sequence[str]) -> frozenset[str]:
        assert kind is Kind.APPLICATION_SESSION
        self.asked.append(len(keys))
        return frozenset()


async def test_those_in_use_are_asked_about_by_the_hundreds_each_session_once() -> None:
    cache = Cache(max_answers=10_000)
    store = Counting(cache.clock)
    store.asked = []
    for number in range(2 * REFRESHED_AT_ONCE):
        cache.keep(f"{number} wiki", session=f"{number // 2}")
    cache.now += 4
    for number in range(2 * REFRESHED_AT_ONCE):
        assert cache.knows(f"{number} wiki")
    async with refreshed(cache.decisions, store):
        for _ in range(100):
            if len(store.asked) == 2:
                break
            await asyncio.sleep(0.02)
    assert store.asked == [REFRESHED_AT_ONCE // 2] * 2
    cache.now += 3
    assert cache.knows("0 wiki")
