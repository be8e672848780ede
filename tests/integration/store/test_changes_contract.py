"""What is told of changes, and by whom: in memory, embedded in SQLite and PostgreSQL, in Redis of each sort."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from secondgate.store.ports import Change, ChangeKind, Kind
from tests.fakes.changes import Heard
from tests.integration.conftest import LiveBench

MARK = Change(ChangeKind.ACCESS)
"""Told at the end of a test: what came before it was told by then."""


def ended(*keys: str) -> list[Change]:
    return [Change(ChangeKind.SESSION_ENDED, key) for key in keys]


@pytest.fixture
async def heard(live: LiveBench) -> AsyncIterator[Heard]:
    """Who listens beside the first store; the other store is another process's."""
    heard = Heard()
    async with live.changes.listen(heard):
        await heard.until_connected()
        yield heard


async def told_until_now(live: LiveBench, heard: Heard) -> list[Change]:
    await live.store.save(Kind.APPLICATION_SESSION, "mark", b"", ttl_s=60)
    await live.other.delete(Kind.APPLICATION_SESSION, "mark")
    await heard.until_heard(*ended("mark"))
    await asyncio.sleep(0.05)
    return [change for change in heard.changes if change.key != "mark"]


async def test_who_listens_is_connected_first_and_disconnected_at_the_end(live: LiveBench) -> None:
    heard = Heard()
    async with live.changes.listen(heard):
        await heard.until_connected()
        assert heard.all == ["connected"]
    assert heard.all == ["connected", "disconnected"]
    await live.changes.publish(MARK)
    await asyncio.sleep(0.05)
    assert heard.all == ["connected", "disconnected"]


async def test_every_kind_of_change_is_heard_with_its_key(live: LiveBench, heard: Heard) -> None:
    changes = [Change(kind, f"key of {kind}") for kind in ChangeKind] + [Change(kind) for kind in ChangeKind]
    for change in changes:
        await live.other_changes.publish(change)
    await heard.until_heard(*changes)
    assert len(heard.changes) == len(changes)


async def test_all_who_listen_hear_and_each_change_once(live: LiveBench, heard: Heard) -> None:
    second, elsewhere = Heard(), Heard()
    async with live.changes.listen(second), live.other_changes.listen(elsewhere):
        for listener in (second, elsewhere):
            await listener.until_connected()
        mine, theirs = Change(ChangeKind.PERSON, "mine"), Change(ChangeKind.PERSON, "theirs")
        await live.changes.publish(mine)
        await live.other_changes.publish(theirs)
        for listener in (heard, second, elsewhere):
            await listener.until_heard(mine, theirs)
        await asyncio.sleep(0.6)
        for listener in (heard, second, elsewhere):
            assert sorted(change.key for change in listener.changes) == ["mine", "theirs"]


@pytest.mark.case(24)
async def test_of_an_application_session_that_is_deleted_everybody_is_told(live: LiveBench, heard: Heard) -> None:
    for key in ("deleted", "claimed", "kept"):
        await live.store.save(Kind.APPLICATION_SESSION, key, b"v", ttl_s=60, owner="ada")
    assert await live.other.delete(Kind.APPLICATION_SESSION, "deleted")
    assert await live.other.claim(Kind.APPLICATION_SESSION, "claimed") == b"v"
    await heard.until_heard(*ended("deleted", "claimed"))
    assert await live.store.load(Kind.APPLICATION_SESSION, "kept") == b"v"
    assert sorted(change.key for change in await told_until_now(live, heard)) == ["claimed", "deleted"]


@pytest.mark.case(24, 28)
async def test_of_each_session_of_an_owner_that_is_deleted_everybody_is_told(live: LiveBench, heard: Heard) -> None:
    for key in ("a", "b"):
        await live.store.save(Kind.APPLICATION_SESSION, key, b"", ttl_s=60, owner="ada")
    await live.store.save(Kind.APPLICATION_SESSION, "of another", b"", ttl_s=60, owner="bob")
    await live.store.save(Kind.LOGIN, "login", b"", ttl_s=60, owner="ada")
    kinds = (Kind.LOGIN, Kind.MFA_SESSION, Kind.APPLICATION_SESSION)
    assert await live.other.delete_owned("ada", kinds=kinds) == 3
    await heard.until_heard(*ended("a", "b"))
    assert sorted(change.key for change in await told_until_now(live, heard)) == ["a", "b"]


async def test_of_what_is_not_deleted_nobody_is_told(live: LiveBench, heard: Heard) -> None:
    await live.store.save(Kind.APPLICATION_SESSION, "over", b"", ttl_s=5, owner="ada")
    await live.store.save(Kind.LOGIN, "login", b"", ttl_s=60, owner="ada")
    await live.store.save(Kind.CHALLENGE, "challenge", b"", ttl_s=60)
    await live.move(5)
    assert not await live.other.delete(Kind.APPLICATION_SESSION, "over")
    assert await live.other.claim(Kind.APPLICATION_SESSION, "never") is None
    assert await live.other.delete_owned("ada", kinds=(Kind.APPLICATION_SESSION,)) == 0
    assert await live.other.delete_owned("ada", kinds=(Kind.LOGIN,)) == 1
    assert await live.other.claim(Kind.CHALLENGE, "challenge") == b""
    assert await told_until_now(live, heard) == []


async def test_whoever_hears_of_an_end_no_longer_finds_the_session(live: LiveBench, heard: Heard) -> None:
    for n in range(20):
        await live.store.save(Kind.APPLICATION_SESSION, f"s{n}", b"", ttl_s=60, owner="ada")
    ending = asyncio.create_task(live.other.delete_owned("ada", kinds=(Kind.APPLICATION_SESSION,)))
    await heard.until_heard(*ended("s0"))
    assert await live.store.missing(Kind.APPLICATION_SESSION, [f"s{n}" for n in range(20)]) == {
        f"s{n}" for n in range(20)
    }
    assert await ending == 20
