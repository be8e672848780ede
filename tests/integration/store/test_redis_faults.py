"""Redis that is slow, gone, emptied or refuses: Unavailable within bounds, and never somebody else's answer."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from redis.asyncio import Redis

from secondgate.errors import InvalidConfiguration, Unavailable
from secondgate.store.ports import Change, ChangeKind, Kind
from secondgate.store.redis import RedisLiveStore, connect_redis
from secondgate.store.redis_changes import RedisChanges


class SlowLink:
    """A TCP relay before Redis that can hold answers back, or lose them."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.delay_s = 0.0
        self.open = asyncio.Event()
        self.open.set()
        self.port_before = 0
        self.accepted = 0
        self.questions = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        from_redis, to_redis = await asyncio.open_connection(self.host, self.port)
        for task in (
            asyncio.create_task(self._ask(reader, to_redis)),
            asyncio.create_task(self._answer(from_redis, writer)),
        ):
            self._tasks.add(task)

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                self.questions += 1
                writer.write(data)
                await writer.drain()
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                await asyncio.sleep(self.delay_s)
                await self.open.wait()
                writer.write(data)
                await writer.drain()
        writer.close()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@pytest.fixture
async def direct(redis_url: str) -> AsyncIterator[Redis]:
    client = connect_redis(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
async def link(direct: Redis) -> AsyncIterator[SlowLink]:
    where = direct.connection_pool.connection_kwargs
    link = SlowLink(where["host"], where["port"])
    server = await asyncio.start_server(link.accept, "127.0.0.1", 0)
    link.port_before = server.sockets[0].getsockname()[1]
    yield link
    server.close()
    await link.close()


@pytest.fixture
async def store(link: SlowLink, direct: Redis) -> AsyncIterator[RedisLiveStore]:
    prefix = f"test-{secrets.token_hex(8)}:{{live}}"
    store = RedisLiveStore(connect_redis(f"redis://127.0.0.1:{link.port_before}/0", timeout_s=0.3), prefix=prefix)
    yield store
    await store.close()
    async for key in direct.scan_iter(match=f"{prefix}*"):
        await direct.delete(key)


@pytest.mark.case(31)
async def test_a_command_given_up_never_leaves_its_answer_to_another(store: RedisLiveStore, link: SlowLink) -> None:
    people = [f"person-{n}" for n in range(50)]
    for person in people:
        await store.save(Kind.LOGIN, person, person.encode(), ttl_s=60, owner=person)
    link.delay_s = 0.005
    answered = 0

    async def visit(n: int) -> None:
        nonlocal answered
        person = people[n % 50]
        asking = asyncio.create_task(store.load(Kind.LOGIN, person))
        await asyncio.sleep((n % 13) * 0.001)
        if n % 3 == 0:
            asking.cancel()
        with contextlib.suppress(asyncio.CancelledError, Unavailable):
            assert await asking == person.encode()
            answered += 1

    for begin in range(0, 1000, 25):
        await asyncio.gather(*(visit(n) for n in range(begin, begin + 25)))
    assert answered > 300
    link.delay_s = 0
    for person in people:
        assert await store.load(Kind.LOGIN, person) == person.encode()


@pytest.mark.case(31)
async def test_scripts_given_up_never_leave_their_answer_to_another(store: RedisLiveStore, link: SlowLink) -> None:
    for person in ("ada", "bob"):
        await store.save(Kind.LOGIN, person, person.encode(), ttl_s=60, owner=person)
    link.open.clear()
    given_up = [asyncio.create_task(store.list_owned(Kind.LOGIN, "ada")) for _ in range(10)]
    await asyncio.sleep(0.05)
    for task in given_up:
        task.cancel()
    await asyncio.gather(*given_up, return_exceptions=True)
    link.open.set()
    for _ in range(40):
        assert [record.key for record in await store.list_owned(Kind.LOGIN, "bob")] == ["bob"]


@pytest.mark.case(85)
async def test_a_redis_that_swallows_questions_is_unavailable_within_the_timeout(
    store: RedisLiveStore, link: SlowLink
) -> None:
    await store.save(Kind.LOGIN, "k", b"v", ttl_s=60)
    link.open.clear()
    began = time.monotonic()
    asked = [store.load(Kind.LOGIN, "k") for _ in range(100)]
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(result, Unavailable) for result in results)
    assert time.monotonic() - began < 3
    link.open.set()
    assert await store.load(Kind.LOGIN, "k") == b"v"


@pytest.mark.case(85)
async def test_every_method_is_unavailable_when_redis_is_down() -> None:
    store = RedisLiveStore(connect_redis("redis://127.0.0.1:1/0"))
    for asked in (
        store.save(Kind.LOGIN, "k", b"v", ttl_s=60),
        store.save(Kind.LOGIN, "k", b"v", ttl_s=60, owner="ada"),
        store.load(Kind.LOGIN, "k"),
        store.claim(Kind.LOGIN, "k"),
        store.claim_once(Kind.USED, "k", ttl_s=60),
        store.increment(Kind.COUNTER, "k", ttl_s=60),
        store.delete(Kind.LOGIN, "k"),
        store.list_owned(Kind.LOGIN, "ada"),
        store.delete_owned("ada", kinds=(Kind.LOGIN,)),
        store.ping(),
        store.missing(Kind.LOGIN, ["k"]),
        store.delete(Kind.APPLICATION_SESSION, "k"),
        store.claim(Kind.APPLICATION_SESSION, "k"),
        RedisChanges(store._client, lambda: store._client).publish(Change(ChangeKind.ACCESS)),
    ):
        with pytest.raises(Unavailable):
            await asked
    await store.close()


@pytest.mark.case(85)
async def test_a_refusal_by_redis_is_unavailable(store: RedisLiveStore, direct: Redis) -> None:
    await direct.lpush(store._key(Kind.LOGIN, "k"), "of another type")
    with pytest.raises(Unavailable):
        await store.load(Kind.LOGIN, "k")


async def test_scripts_that_redis_forgot_are_sent_again(store: RedisLiveStore, direct: Redis) -> None:
    await store.save(Kind.LOGIN, "a", b"1", ttl_s=60, owner="ada")
    await direct.script_flush()
    await store.save(Kind.LOGIN, "b", b"2", ttl_s=60, owner="ada")
    assert len(await store.list_owned(Kind.LOGIN, "ada")) == 2


ONE_ROUND_TRIP: dict[str, Callable[[RedisLiveStore], Awaitable[object]]] = {
    "load": lambda store: store.load(Kind.APPLICATION_SESSION, "k"),
    "none missing": lambda store: store.missing(Kind.LOGIN, ["a", "b"]),
    "save": lambda store: store.save(Kind.LOGIN, "k", b"v", ttl_s=60),
    "save owned": lambda store: store.save(Kind.LOGIN, "k", b"v", ttl_s=60, owner="ada"),
    "claim": lambda store: store.claim(Kind.LOGIN, "k"),
    "claim a session": lambda store: store.claim(Kind.APPLICATION_SESSION, "k"),
    "increment": lambda store: store.increment(Kind.COUNTER, "c", ttl_s=60),
    "delete": lambda store: store.delete(Kind.LOGIN, "k"),
    "delete a session": lambda store: store.delete(Kind.APPLICATION_SESSION, "k"),
    "list": lambda store: store.list_owned(Kind.LOGIN, "ada"),
    "delete owned": lambda store: store.delete_owned("ada", kinds=(Kind.APPLICATION_SESSION, Kind.MFA_SESSION)),
    "publish": lambda store: RedisChanges(store._client, lambda: store._client).publish(Change(ChangeKind.ACCESS)),
}


@pytest.mark.parametrize("operation", ONE_ROUND_TRIP)
async def test_each_operation_is_one_round_trip(store: RedisLiveStore, link: SlowLink, operation: str) -> None:
    for key in ("a", "b"):
        await store.save(Kind.LOGIN, key, b"", ttl_s=60)
    ask = ONE_ROUND_TRIP[operation]
    await ask(store)  # connects, and makes the script known
    before = link.questions
    await ask(store)
    assert link.questions == before + 1


async def test_the_list_of_an_owner_forgets_what_is_over(store: RedisLiveStore, direct: Redis) -> None:
    index = store._index(Kind.LOGIN, "ada")
    await store.save(Kind.LOGIN, "brief", b"", ttl_s=1, owner="ada")
    await store.save(Kind.LOGIN, "claimed", b"", ttl_s=60, owner="ada")
    await store.claim(Kind.LOGIN, "claimed")
    assert await direct.zcard(index) == 2
    await asyncio.sleep(1.01)
    await store.save(Kind.LOGIN, "long", b"", ttl_s=600, owner="ada")
    assert set(await direct.zrange(index, 0, -1)) == {b"claimed", b"long"}
    assert await direct.ttl(index) > 590
    await store.save(Kind.LOGIN, "short", b"", ttl_s=60, owner="ada")
    assert await direct.ttl(index) > 590
    await store.list_owned(Kind.LOGIN, "ada")
    assert set(await direct.zrange(index, 0, -1)) == {b"long", b"short"}


@pytest.mark.parametrize("url", ["http://localhost", "", "redis://localhost:port/0"])
def test_another_sort_of_url_is_a_mistake_in_the_configuration(url: str) -> None:
    with pytest.raises(InvalidConfiguration):
        connect_redis(url)
