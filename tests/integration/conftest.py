"""Real stores for the tests: each test has databases and key spaces of its own."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from secondgate.store.embedded import EmbeddedLiveStore
from secondgate.store.embedded_changes import EmbeddedChanges
from secondgate.store.opening import SQLITE_FILE, open_durable
from secondgate.store.ports import Changes, DurableStore, LiveStore
from secondgate.store.redis import RedisLiveStore
from secondgate.store.redis_changes import LISTENER_CONNECTIONS, RedisChanges
from secondgate.store.redis_pool import connect_redis
from secondgate.store.sql.database import Database, sqlite_url
from secondgate.store.sql.store import SqlDurableStore
from tests.fakes.stores import MemoryChanges, MemoryDurableStore, MemoryLiveStore
from tests.integration.redis_servers import Cluster, Watched, kept_running, redis_cluster, redis_sentinel

NOW = 1_800_000_000


@dataclass
class Clock:
    """A clock that tests move."""

    now: float = float(NOW)

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class LiveBench:
    """A live store, a second one on the same records with what each tells, and how to let time pass for both."""

    store: LiveStore
    other: LiveStore
    changes: Changes
    other_changes: Changes
    move: Callable[[int], Awaitable[None]]


def service_url(variable: str) -> str:
    url = os.environ.get(variable)
    if not url:
        pytest.fail(f"{variable} is not set: run these tests with ./tests/run integration, which starts the services")
    return url


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def redis_url() -> str:
    return service_url("SECONDGATE_TEST_REDIS")


@asynccontextmanager
async def new_database(sort: str) -> AsyncIterator[str]:
    """Give what `storage.database` holds: nothing for SQLite, the URL of a new, empty database for PostgreSQL."""
    if sort != "postgresql":
        yield ""
        return
    admin = service_url("SECONDGATE_TEST_POSTGRES")
    name = f"test_{secrets.token_hex(8)}"
    engine = create_async_engine(
        admin.replace("postgresql://", "postgresql+asyncpg://", 1), isolation_level="AUTOCOMMIT"
    )
    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
    yield urlunsplit(urlsplit(admin)._replace(path=f"/{name}"))
    async with engine.connect() as connection:
        await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    await engine.dispose()


@pytest.fixture
async def postgres_url() -> AsyncIterator[str]:
    """A new, empty database."""
    async with new_database("postgresql") as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
async def database_url(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """What `storage.database` holds, for each sort of database."""
    async with new_database(request.param) as url:
        yield url


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def durable(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[DurableStore]:
    """A durable store of each sort."""
    if request.param == "memory":
        yield MemoryDurableStore()
        return
    async with new_database(request.param) as url:
        opened = await open_durable(data_dir=tmp_path / "data", database_url=url, now=NOW)
        yield opened.durable
        await opened.durable.close()


@pytest.fixture
async def replicas(database_url: str, tmp_path: Path) -> AsyncIterator[tuple[DurableStore, DurableStore]]:
    """Two durable stores on one database, with a pool of connections each."""
    opened = await open_durable(data_dir=tmp_path / "data", database_url=database_url, now=NOW, wait_s=30)
    second = SqlDurableStore(
        Database(database_url or sqlite_url(tmp_path / "data" / SQLITE_FILE), wait_s=30), opened.sealer
    )
    yield opened.durable, second
    await second.close()
    await opened.durable.close()


@pytest.fixture(scope="session")
def watched() -> Iterator[Watched]:
    """Servers that Sentinel watches over; who breaks them takes some of their own."""
    with kept_running(redis_sentinel()) as servers:
        yield servers


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster; who breaks it takes one of their own."""
    with kept_running(redis_cluster()) as servers:
        yield servers


@pytest.fixture(params=["memory", "sqlite", "postgresql", "redis", "sentinel", "cluster"])
async def live(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[LiveBench]:
    """A live store of each sort (embedded in SQLite or PostgreSQL, Redis), with its way to move time."""

    async def move(step_s: int) -> None:
        clock.now += step_s

    if request.param == "memory":
        changes = MemoryChanges()
        store = MemoryLiveStore(clock, changes)
        yield LiveBench(store, store, changes, changes, move)
    elif request.param in ("sqlite", "postgresql"):
        async with new_database(request.param) as url:
            opened = await open_durable(data_dir=tmp_path / "data", database_url=url, now=NOW)
            first, second = (EmbeddedChanges(opened.database, clock=clock) for _ in range(2))
            one, two = (EmbeddedLiveStore(opened.database, clock=clock, changes=told) for told in (first, second))
            yield LiveBench(one, two, first, second, move)
            await opened.durable.close()
    else:
        async with redis_bench(_redis_url(request)) as bench:
            yield bench


def _redis_url(request: pytest.FixtureRequest) -> str:
    if request.param == "redis":
        return service_url("SECONDGATE_TEST_REDIS")
    servers: Watched | Cluster = request.getfixturevalue("watched" if request.param == "sentinel" else "cluster")
    return servers.url


@asynccontextmanager
async def redis_bench(url: str) -> AsyncIterator[LiveBench]:
    """Two live stores in Redis, under a prefix of their own."""
    prefix = f"test-{secrets.token_hex(8)}:{{live}}"
    clients = connect_redis(url), connect_redis(url)

    def connect() -> Redis:
        return connect_redis(url, max_connections=LISTENER_CONNECTIONS)

    async def move(step_s: int) -> None:
        await age_redis(clients[0], prefix, step_s)

    first, second = (RedisLiveStore(client, prefix=prefix) for client in clients)
    changes, other_changes = (RedisChanges(client, connect, prefix=prefix) for client in clients)
    try:
        yield LiveBench(first, second, changes, other_changes, move)
    finally:
        with suppress(RedisError):  # a test may have left nobody to answer
            async for key in clients[0].scan_iter(match=f"{prefix}*"):
                await clients[0].delete(key)
        await first.close()
        await second.close()


async def age_redis(client: Redis, prefix: str, step_s: int) -> None:
    """Let time pass for all keys under a prefix: each has `step_s` seconds less to live."""
    async for key in client.scan_iter(match=f"{prefix}*"):
        left_ms = await client.pttl(key)
        if left_ms == -1:
            pytest.fail(f"{key!r} would live for ever")
        if left_ms <= step_s * 1000:
            await client.delete(key)
        else:
            await client.pexpire(key, left_ms - step_s * 1000)
