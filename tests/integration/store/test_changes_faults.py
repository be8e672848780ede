"""Changes that are told in odd ways, or whose teller is interrupted: whoever listens learns of them, and goes on."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from secondgate.errors import Unavailable
from secondgate.store.embedded import EmbeddedLiveStore
from secondgate.store.embedded_changes import POLL_EVERY_S, EmbeddedChanges
from secondgate.store.opening import Opened, open_durable
from secondgate.store.ports import Change, ChangeKind, Changes, Kind
from secondgate.store.redis_changes import LISTENER_CONNECTIONS, RedisChanges, channel_of
from secondgate.store.redis_pool import connect_redis
from secondgate.store.sql.database import Database
from tests.integration.conftest import NOW, Clock

ENDED = Change(ChangeKind.SESSION_ENDED, "k")


class Ears:
    """Notes what is heard."""

    def __init__(self) -> None:
        self.heard: list[Change | str] = []

    def changed(self, change: Change) -> None:
        self.heard.append(change)

    def connected(self) -> None:
        self.heard.append("connected")

    def disconnected(self) -> None:
        self.heard.append("disconnected")


async def until(is_so: Callable[[], bool], *, within_s: float = 5.0) -> None:
    """Wait for something."""
    async with asyncio.timeout(within_s):
        while not is_so():  # noqa: ASYNC110 - anything may be waited for
            await asyncio.sleep(0.01)


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Opened]:
    opened = await open_durable(data_dir=tmp_path / "data", database_url="", now=NOW)
    yield opened
    await opened.durable.close()


async def test_what_this_process_tells_is_heard_once(opened: Opened, clock: Clock) -> None:
    changes, ears, others = EmbeddedChanges(opened.database, clock=clock), Ears(), Ears()
    elsewhere = EmbeddedChanges(opened.database, clock=clock)
    async with changes.listen(ears), elsewhere.listen(others):
        await changes.publish(ENDED)
        await until(lambda: ENDED in others.heard)
        await asyncio.sleep(2 * POLL_EVERY_S)
        assert ears.heard == others.heard == ["connected", ENDED]


async def test_an_end_whose_commit_is_in_doubt_is_heard_here_as_elsewhere(
    opened: Opened, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes, ears = EmbeddedChanges(opened.database, clock=clock), Ears()
    store = EmbeddedLiveStore(opened.database, clock=clock, changes=changes)
    await store.save(Kind.APPLICATION_SESSION, "k", b"v", ttl_s=60)
    writing = opened.database.writing

    @asynccontextmanager
    async def committed_and_not_told() -> AsyncIterator[AsyncConnection]:
        async with writing() as connection:
            yield connection
        raise Unavailable("the answer to the commit is lost")

    async with changes.listen(ears):
        monkeypatch.setattr(opened.database, "writing", committed_and_not_told)
        with pytest.raises(Unavailable):
            await store.delete(Kind.APPLICATION_SESSION, "k")
        assert await store.load(Kind.APPLICATION_SESSION, "k") is None
        await until(lambda: ENDED in ears.heard)


async def test_an_error_that_nobody_thought_of_ends_no_listening_to_the_database(
    opened: Opened, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes, ears = EmbeddedChanges(opened.database, clock=clock), Ears()
    reading = Database.reading

    def fail(_: Database) -> None:
        raise RuntimeError

    async with changes.listen(ears):
        monkeypatch.setattr(Database, "reading", fail)
        await until(lambda: "disconnected" in ears.heard)
        monkeypatch.setattr(Database, "reading", reading)
        await until(lambda: ears.heard == ["connected", "disconnected", "connected"])
        await EmbeddedChanges(opened.database, clock=clock).publish(ENDED)
        await until(lambda: ENDED in ears.heard)


@pytest.fixture
async def over_redis(redis_url: str) -> AsyncIterator[tuple[Changes, Callable[[bytes], Awaitable[object]]]]:
    """Changes over Redis, and how to send anything over their channel."""
    client, prefix = connect_redis(redis_url), f"test-{secrets.token_hex(8)}"

    def send(data: bytes) -> Awaitable[object]:
        return client.publish(channel_of(prefix), data)

    yield (
        RedisChanges(client, lambda: connect_redis(redis_url, max_connections=LISTENER_CONNECTIONS), prefix=prefix),
        send,
    )
    await client.aclose()


@pytest.mark.parametrize("data", [b"", b" ", b"\xff\xfe", b"session-ended", b"another-kind k", b"\0" * 100_000])
async def test_whatever_comes_over_the_channel_of_redis_ends_no_listening(
    over_redis: tuple[Changes, Callable[[bytes], Awaitable[object]]], data: bytes
) -> None:
    changes, send = over_redis
    ears = Ears()
    async with changes.listen(ears):
        await until(lambda: ears.heard == ["connected"])
        await send(data)
        await changes.publish(ENDED)
        await until(lambda: ENDED in ears.heard)
        assert "disconnected" not in ears.heard


async def test_an_error_that_nobody_thought_of_ends_no_listening_to_redis(
    over_redis: tuple[Changes, Callable[[bytes], Awaitable[object]]],
) -> None:
    changes, _ = over_redis

    class Stumbling(Ears):
        def changed(self, change: Change) -> None:
            super().changed(change)
            if len([one for one in self.heard if one == ENDED]) == 1:
                raise RuntimeError

    ears = Stumbling()
    async with changes.listen(ears):
        await until(lambda: ears.heard == ["connected"])
        await changes.publish(ENDED)
        await until(lambda: ears.heard == ["connected", ENDED, "disconnected", "connected"])
        await changes.publish(ENDED)
        await until(lambda: ears.heard[-1] == ENDED)
