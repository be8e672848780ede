"""Redis that is paused, killed, or replaced by another server: refused while it is, and back by itself soon after."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from secondgate.errors import Unavailable
from secondgate.store.ports import Change, ChangeKind, Kind, LiveStore
from secondgate.store.redis import RedisLiveStore
from secondgate.store.redis_pool import DEFAULT_PREFIX, connect_redis
from tests.fakes.changes import Heard
from tests.integration.conftest import LiveBench, redis_bench
from tests.integration.redis_servers import Server, redis_cluster, redis_sentinel, redis_server, until

BACK_S = 5.0
SESSION = Kind.APPLICATION_SESSION
MARK = Change(ChangeKind.ACCESS)


@asynccontextmanager
async def listening(bench: LiveBench) -> AsyncIterator[Heard]:
    """Listen in both processes, as both would; gives what the first is told."""
    heard, elsewhere = Heard(), Heard()
    async with bench.changes.listen(heard), bench.other_changes.listen(elsewhere):
        await heard.until_connected()
        yield heard


async def until_answering(store: LiveStore, *, within_s: float = BACK_S) -> None:
    """Wait until the store writes again; while it does not it says that it is unavailable, and nothing else."""
    began = time.monotonic()
    while True:
        try:
            await store.save(Kind.LOGIN, "after", b"", ttl_s=60, owner="ada")
        except Unavailable:
            assert time.monotonic() - began < within_s
            await asyncio.sleep(0.02)
        else:
            return


async def hears_again(bench: LiveBench, heard: Heard) -> None:
    """Hold that deletions by another process are heard soon; until then some may be told to nobody."""
    began = time.monotonic()
    while time.monotonic() - began < BACK_S:
        key = f"again{time.monotonic()}"
        with contextlib.suppress(Unavailable, AssertionError):
            await bench.other.save(SESSION, key, b"", ttl_s=60, owner="ada")
            await bench.other.delete(SESSION, key)
            await heard.until_heard(Change(ChangeKind.SESSION_ENDED, key), within_s=0.2)
            assert heard.is_connected
            return
    raise AssertionError(f"deletions are not heard; told so far: {heard.all}")


async def hold_ten_connections(store: LiveStore) -> None:
    """Leave several idle connections to the server of now."""
    await asyncio.gather(*(store.load(SESSION, "s") for _ in range(10)))


@pytest.mark.case(85)
async def test_a_paused_redis_is_refused_in_time_and_noticed_by_who_listens() -> None:
    async with redis_server() as server, redis_bench(server.url) as bench, listening(bench) as heard:
        await bench.store.save(SESSION, "s", b"v", ttl_s=60, owner="ada")
        server.pause()
        began = time.monotonic()
        asked = [bench.store.load(SESSION, "s"), bench.store.missing(SESSION, ["s"]), bench.changes.publish(MARK)]
        results = await asyncio.gather(*asked, heard.until_disconnected(within_s=1.8), return_exceptions=True)
        assert [type(result) for result in results[:3]] == [Unavailable] * 3
        assert isinstance(results[3], float)
        assert time.monotonic() - began < 2.5
        server.resume()
        await until_answering(bench.store, within_s=2)
        assert await bench.store.load(SESSION, "s") == b"v"
        await hears_again(bench, heard)


@pytest.mark.case(85)
async def test_a_redis_that_was_killed_and_started_again_is_used_again() -> None:
    async with redis_server() as server, redis_bench(server.url) as bench, listening(bench) as heard:
        await bench.store.save(SESSION, "s", b"v", ttl_s=60)
        server.kill()
        await heard.until_disconnected(within_s=0.5)
        with pytest.raises(Unavailable):
            await bench.store.load(SESSION, "s")
        await server.start()
        await until_answering(bench.store)
        assert await bench.store.load(SESSION, "s") is None
        await hears_again(bench, heard)


async def test_a_subscription_that_redis_closed_is_noticed_and_made_again() -> None:
    async with redis_server() as server, redis_bench(server.url) as bench, listening(bench) as heard:
        async with server.client() as client:
            await client.client_kill_filter(_type="pubsub")
        await heard.until_disconnected(within_s=0.5)
        assert await heard.until_connected() < 1
        await hears_again(bench, heard)


async def test_a_message_of_a_newer_version_is_passed_over() -> None:
    async with redis_server() as server, redis_bench(server.url) as bench, listening(bench) as heard:
        channel = f"{bench.store._prefix}:changes"  # type: ignore[attr-defined]
        async with server.client() as client:
            for message in (b"weather rain", b"", b"\xff\xfe", b"session-ended"):
                assert await client.publish(channel, message)
        await bench.other_changes.publish(MARK)
        await heard.until_heard(MARK)
        assert heard.all == ["connected", Change(ChangeKind.SESSION_ENDED), MARK]


@pytest.mark.case(85)
async def test_a_listener_that_begins_before_redis_does_is_not_connected_until_then() -> None:
    async with redis_server() as server, redis_bench(server.url) as bench:
        server.kill()
        heard = Heard()
        async with bench.changes.listen(heard):
            await asyncio.sleep(0.3)
            assert heard.all == []
            await server.start()
            await hears_again(bench, heard)


@pytest.mark.case(85)
async def test_sentinel_makes_another_server_the_master_and_everything_goes_there() -> None:
    async with redis_sentinel() as servers, redis_bench(servers.url) as bench, listening(bench) as heard:
        await bench.store.save(SESSION, "s", b"v", ttl_s=60, owner="ada")
        await hold_ten_connections(bench.store)
        await servers.fail_over()
        await until_answering(bench.store)
        assert await bench.store.load(SESSION, "s") == b"v"
        await hears_again(bench, heard)


@pytest.mark.case(85)
async def test_a_master_that_is_killed_is_refused_until_sentinel_names_another() -> None:
    async with redis_sentinel() as servers, redis_bench(servers.url) as bench, listening(bench) as heard:
        await bench.store.save(SESSION, "s", b"v", ttl_s=60, owner="ada")
        await replicated(servers.servers[1])
        before = await servers.master()
        before.kill()
        await heard.until_disconnected(within_s=0.5)
        with pytest.raises(Unavailable):
            await bench.store.load(SESSION, "s")
        await servers.failed_over(before=before)
        await until_answering(bench.store)
        assert await bench.store.load(SESSION, "s") == b"v"
        await hears_again(bench, heard)


@pytest.mark.case(24, 85)
async def test_a_master_that_comes_back_from_a_pause_as_an_old_one_is_not_believed() -> None:
    """It still answers for a while, over connections that were idle, and knows sessions that ended since."""
    async with redis_sentinel() as servers, redis_bench(servers.url) as bench, listening(bench) as heard:
        await bench.store.save(SESSION, "s", b"v", ttl_s=60, owner="ada")
        await hold_ten_connections(bench.store)
        await replicated(servers.servers[1])
        before = await servers.master()
        before.pause()
        await heard.until_disconnected(within_s=1.8)
        await servers.failed_over(before=before)
        await until_answering(bench.other)
        assert await bench.other.delete(SESSION, "s")
        await heard.until_connected(within_s=BACK_S)
        before.resume()
        assert await asyncio.gather(*(bench.store.load(SESSION, "s") for _ in range(40))) == [None] * 40
        await hears_again(bench, heard)


async def replicated(replica: Server) -> None:
    """Wait until a replica has something."""

    async def has_something() -> bool:
        async with replica.client() as client:
            return bool(await client.dbsize())

    await until(has_something, what="the replica has what the master has")


@pytest.mark.case(85)
async def test_a_cluster_node_that_is_killed_is_replaced_by_its_replica() -> None:
    async with redis_cluster(replicas=True) as cluster, redis_bench(cluster.url) as bench, listening(bench) as heard:
        await bench.store.save(SESSION, "s", b"v", ttl_s=60, owner="ada")
        before = await cluster.owner(DEFAULT_PREFIX)
        await replicated(cluster.replica_of(before))
        before.kill()
        await heard.until_disconnected(within_s=0.5)
        with pytest.raises(Unavailable):
            await bench.store.load(SESSION, "s")
        await cluster.replace(before, key=DEFAULT_PREFIX)
        await until_answering(bench.store)
        assert await bench.store.load(SESSION, "s") == b"v"
        await hears_again(bench, heard)


async def test_a_slot_that_a_cluster_moved_is_found_at_its_new_node() -> None:
    """A replica takes over from its master, both being up: the old owner answers MOVED from then on."""
    async with redis_cluster(replicas=True) as cluster, redis_bench(cluster.url) as bench, listening(bench) as heard:
        await bench.store.save(SESSION, "s", b"v", ttl_s=60, owner="ada")
        await hold_ten_connections(bench.store)
        before = await cluster.owner(DEFAULT_PREFIX)
        await cluster.replace(before, key=DEFAULT_PREFIX)
        await until_answering(bench.store, within_s=1)
        assert await bench.store.load(SESSION, "s") == b"v"
        await hears_again(bench, heard)


@pytest.mark.case(31)
@pytest.mark.parametrize("sort", ["watched", "cluster"])
async def test_a_command_given_up_never_leaves_its_answer_to_another(request: pytest.FixtureRequest, sort: str) -> None:
    async with redis_bench(request.getfixturevalue(sort).url) as bench:
        people = [f"person-{n}" for n in range(50)]
        for person in people:
            await bench.store.save(Kind.LOGIN, person, person.encode(), ttl_s=60, owner=person)
        answered = 0

        async def visit(n: int) -> None:
            nonlocal answered
            person = people[n % 50]
            asking = asyncio.create_task(bench.store.load(Kind.LOGIN, person))
            for _ in range(n % 11):
                await asyncio.sleep(0)
            if n % 3 == 0:
                asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                assert await asking == person.encode()
                answered += 1

        for begin in range(0, 2000, 50):
            await asyncio.gather(*(visit(n) for n in range(begin, begin + 50)))
        assert answered > 1200
        for person in people:
            assert await bench.store.load(Kind.LOGIN, person) == person.encode()


@pytest.mark.case(85)
@pytest.mark.parametrize("sort", ["watched", "cluster"])
async def test_more_questions_than_connections_wait_for_their_turn(request: pytest.FixtureRequest, sort: str) -> None:
    async with redis_bench(request.getfixturevalue(sort).url) as bench:
        await bench.store.save(SESSION, "s", b"v", ttl_s=60)
        assert set(await asyncio.gather(*(bench.store.load(SESSION, "s") for _ in range(500)))) == {b"v"}


@pytest.mark.case(85)
@pytest.mark.parametrize("url", ["redis+sentinel://127.0.0.1:1,localhost:1/x", "redis+cluster://127.0.0.1:1"])
async def test_nobody_to_ask_is_unavailable(url: str) -> None:
    async with _only_store(url) as store:
        for _ in range(2):
            with pytest.raises(Unavailable, match="ConnectionError"):
                await store.load(SESSION, "s")


@asynccontextmanager
async def _only_store(url: str) -> AsyncIterator[LiveStore]:
    store = RedisLiveStore(connect_redis(url))
    try:
        yield store
    finally:
        await store.close()
