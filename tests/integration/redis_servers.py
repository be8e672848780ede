"""Redis servers of a test's own: one alone, a master with a replica and three Sentinels, a cluster of three.

Each context starts programs on free loopback ports, waits until they answer, and stops them by their process ids. A
server can be killed, paused (it keeps its connections and answers nothing) and started again on its port.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

T = TypeVar("T")
R = TypeVar("R")
HOST = "127.0.0.1"
SERVICE = "mymaster"
DOWN_AFTER_MS = 400
_SLOTS = 16384
_READY_S = 15.0
_FIRST_PORT = 12_000
_BUS_OFFSET = 10_000
"""How far a cluster node's second port is from its first; there are as many ports to choose from."""


def free_port() -> int:
    """Give a port that nobody listens on; the one of a cluster's bus is free too.

    Both are below those that the system gives to outgoing connections, which would take them again at any time:
    a server that was killed is to find its port free.
    """
    while True:
        port = _FIRST_PORT + secrets.randbelow(_BUS_OFFSET)
        with suppress(OSError), socket.create_server((HOST, port)), socket.create_server((HOST, port + _BUS_OFFSET)):
            return port


async def until(is_so: Callable[[], Awaitable[bool]], *, what: str, within_s: float = _READY_S) -> None:
    """Wait until something is so; an error of Redis counts as no."""
    try:
        async with asyncio.timeout(within_s):
            while True:
                try:
                    if await is_so():
                        return
                except (RedisError, OSError):
                    pass
                await asyncio.sleep(0.02)
    except TimeoutError as error:
        raise AssertionError(f"after {within_s} s still not so: {what}") from error


@contextmanager
def kept_running(servers: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """Enter and leave a context of this module where there is no event loop of one's own, as for a whole test run."""

    with ThreadPoolExecutor(1) as thread:
        loop = asyncio.new_event_loop()

        def run(work: Coroutine[object, object, R]) -> R:
            return thread.submit(loop.run_until_complete, work).result()

        try:
            yield run(servers.__aenter__())
            run(servers.__aexit__(None, None, None))
        finally:
            loop.close()


@dataclass
class Server:
    """One program: a Redis server, or a Sentinel."""

    port: int
    folder: Path
    options: tuple[str, ...]
    password: str = ""
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def url(self) -> str:
        """Give the server's own URL."""
        return f"redis://{HOST}:{self.port}/0"

    @property
    def pid(self) -> int:
        """Give the process id of the running program."""
        assert self.process is not None
        return self.process.pid

    async def start(self) -> None:
        """Start the program and wait until it answers."""
        binary = shutil.which("redis-server")
        assert binary is not None, "redis-server is not installed"
        self.process = subprocess.Popen(  # noqa: ASYNC220, S603 - it returns at once; the arguments are ours
            [binary, *self.options], cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        await until(self._answers, what=f"the server on port {self.port} answers")

    async def _answers(self) -> bool:
        async with self.client() as client:
            return bool(await client.ping())

    def client(self) -> Redis:
        """Make a client of this server alone, for what tests ask or tell it."""
        return Redis(
            host=HOST,
            port=self.port,
            password=self.password or None,
            socket_timeout=1.0,
            socket_connect_timeout=1.0,
            retry=Retry(NoBackoff(), 0),
        )

    def pause(self) -> None:
        """Let it answer nothing, while connections stay."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after a pause."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, without a word to anybody."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@asynccontextmanager
async def redis_server(*options: str, password: str = "") -> AsyncIterator[Server]:
    """One server, with further options of `redis-server`; it keeps nothing on disk."""
    login = ("--requirepass", password, "--masterauth", password) if password else ()
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        server = Server(port, Path(folder), ("--port", str(port), *_options(folder), *login, *options), password)
        try:
            await server.start()
            yield server
        finally:
            server.kill()


def _options(folder: str) -> tuple[str, ...]:
    return ("--bind", HOST, "--dir", folder, "--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0")


@dataclass
class Watched:
    """A master, its replica, and the Sentinels that watch them."""

    servers: tuple[Server, Server]
    sentinels: tuple[Server, ...]

    @property
    def url(self) -> str:
        """Give the URL that names the Sentinels."""
        nodes = ",".join(f"{HOST}:{sentinel.port}" for sentinel in self.sentinels)
        if password := self.servers[0].password:
            return f"redis+sentinel://:{password}@{nodes}/{SERVICE}/0?sentinel_password={password}"
        return f"redis+sentinel://{nodes}/{SERVICE}/0"

    async def master(self) -> Server:
        """Give the server that the first Sentinel names."""
        async with self.sentinels[0].client() as client:
            found = await client.sentinel_get_master_addr_by_name(SERVICE)
        return next(server for server in self.servers if isinstance(found, tuple) and server.port == found[1])

    async def failed_over(self, *, before: Server) -> Server:
        """Wait until all Sentinels name another master than the one before, and it is one."""

        async def done() -> bool:
            for sentinel in self.sentinels:
                state = await _state(sentinel)
                if state["port"] == before.port or not state["is_master"] or state["is_sdown"]:
                    return False
            return await self._is_master(await self.master())

        await until(done, what="another server is the master", within_s=20)
        return await self.master()

    async def _is_master(self, server: Server) -> bool:
        async with server.client() as client:
            role: list[object] = await client.role()
            return role[0] == b"master"

    async def fail_over(self) -> Server:
        """Have Sentinel make the replica the master, both being up; gives the new one."""
        before = await self.master()

        async def begun() -> bool:
            async with self.sentinels[0].client() as client:
                return bool(await client.sentinel_failover(SERVICE))

        await until(begun, what="Sentinel begins a failover")
        return await self.failed_over(before=before)


async def _state(sentinel: Server) -> dict[str, Any]:
    """Give what a Sentinel says of the master."""
    async with sentinel.client() as client:
        return cast("dict[str, Any]", await client.sentinel_master(SERVICE))


async def _is_following(client: Redis) -> bool:
    told: dict[str, object] = await client.info("replication")
    return told["master_link_status"] == "up"


@asynccontextmanager
async def redis_sentinel(*, password: str = "") -> AsyncIterator[Watched]:
    """A master, a replica, and three Sentinels that take the master for down after less than half a second.

    All of them ask for the password, if there is one; it stands in URLs as it is.
    """
    async with AsyncExitStack() as stack:
        master = await stack.enter_async_context(redis_server(password=password))
        following = redis_server("--replicaof", HOST, str(master.port), password=password)
        replica = await stack.enter_async_context(following)

        async def is_replicating() -> bool:
            async with replica.client() as client:
                return await _is_following(client)

        await until(is_replicating, what="the replica follows the master")
        sentinels = [await stack.enter_async_context(_sentinel(master)) for _ in range(3)]
        watched = Watched((master, replica), tuple(sentinels))

        async def know_each_other() -> bool:
            for sentinel in sentinels:
                state = await _state(sentinel)
                if (state["num-other-sentinels"], state["num-slaves"]) != (2, 1):
                    return False
            return True

        await until(know_each_other, what="the Sentinels know each other and the replica")
        yield watched


@asynccontextmanager
async def _sentinel(master: Server) -> AsyncIterator[Server]:
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        file = Path(folder) / "sentinel.conf"
        file.write_text(
            f"port {port}\nbind {HOST}\ndir {folder}\n"
            f"sentinel monitor {SERVICE} {HOST} {master.port} 2\n"
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}\n"
            f"sentinel failover-timeout {SERVICE} 3000\n"
        )
        if password := master.password:
            with file.open("a") as more:
                more.write(
                    f"requirepass {password}\nsentinel sentinel-pass {password}\n"
                    f"sentinel auth-pass {SERVICE} {password}\n"
                )
        sentinel = Server(port, Path(folder), (str(file), "--sentinel"), password)
        try:
            await sentinel.start()
            yield sentinel
        finally:
            sentinel.kill()


@dataclass
class Cluster:
    """Three masters, and a replica of each where the test asked for them."""

    servers: tuple[Server, ...]

    @property
    def url(self) -> str:
        """Give the URL that names the first three nodes."""
        return f"redis+cluster://{','.join(f'{HOST}:{server.port}' for server in self.servers[:3])}"

    async def owner(self, key: str) -> Server:
        """Give the node that has a key, as a node that is up says."""
        for server in self.servers:
            try:
                async with server.client() as client:
                    slot = await _cluster(client, "KEYSLOT", key)
                    ranges = await _cluster(client, "SLOTS")
            except (RedisError, OSError):
                continue
            port = next(int(owner[1]) for first, last, owner, *_ in ranges if first <= slot <= last)
            return next(server for server in self.servers if server.port == port)
        raise AssertionError("no node answers")

    async def replace(self, before: Server, *, key: str) -> Server:
        """Have a master's replica take its slots, which an election would take seconds for; gives the replica.

        A master that is up hands them over and answers MOVED from then on; one that is down is not asked. `key` is
        one that the master has: it is waited for until the nodes that run agree who has it.
        """
        how = ("FAILOVER",) if before.process is not None else ("FAILOVER", "TAKEOVER")
        async with self.replica_of(before).client() as client:
            await _cluster(client, *how)

        async def is_replaced() -> bool:
            return await self.owner(key) is not before and await self.is_ready()

        await until(is_replaced, what="another node has the key", within_s=20)
        return await self.owner(key)

    def replica_of(self, master: Server) -> Server:
        """Give the replica that a master of the beginning has."""
        return self.servers[self.servers.index(master) + 3]

    async def is_ready(self) -> bool:
        """Whether every node that runs says that the cluster is whole."""
        for server in self.servers:
            if server.process is None:
                continue
            async with server.client() as client:
                state = await _cluster(client, "INFO")
            if b"cluster_state:ok" not in state:
                return False
        return True


@asynccontextmanager
async def redis_cluster(*, replicas: bool = False) -> AsyncIterator[Cluster]:
    """A cluster of three masters, each with a third of the slots, and with a replica each if asked for."""
    async with AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(
                redis_server(
                    *("--cluster-enabled", "yes", "--cluster-node-timeout", "800", "--cluster-replica-validity-factor"),
                    *("0", "--cluster-config-file", "nodes.conf"),
                )
            )
            for _ in range(6 if replicas else 3)
        ]
        cluster = Cluster(tuple(servers))
        await _join(servers)
        await until(cluster.is_ready, what="the cluster is whole")
        yield cluster


async def _join(servers: list[Server]) -> None:
    step = _SLOTS // 3 + 1
    ids = []
    for number, server in enumerate(servers):
        async with server.client() as client:
            await _cluster(client, "SET-CONFIG-EPOCH", number + 1)
            ids.append(await _cluster(client, "MYID"))
            if number < 3:
                await _cluster(client, "ADDSLOTSRANGE", number * step, min((number + 1) * step, _SLOTS) - 1)
            for other in servers[:number]:
                await _cluster(client, "MEET", HOST, other.port)
    for number, server in enumerate(servers[3:]):

        async def is_following(server: Server = server, master: object = ids[number]) -> bool:
            async with server.client() as client:
                await _cluster(client, "REPLICATE", master)
                return await _is_following(client)

        await until(is_following, what="a replica follows its master")


async def _cluster(client: Redis, *words: object) -> Any:  # noqa: ANN401 - as Redis answers
    return await client.execute_command("CLUSTER", *words)  # type: ignore[no-untyped-call]
