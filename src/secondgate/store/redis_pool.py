"""Connections to Redis, bounded in number and time, that go where Redis is.

One pool for a server, for Sentinel and for a cluster: what differs is who says where to connect to (`redis_find`). A
connection that is told that another server is in charge (READONLY after a failover, MOVED in a cluster, CLUSTERDOWN) is
closed, with all that go to the same place; the next command connects anew, and that asks again. Where a Sentinel named
the master, the server has to say so itself (ROLE) before it is asked anything.

Redis answers in the order of the questions: a connection whose question was given up would give its answer to the
next one (CVE-2023-28858). redis-py closes such a connection. Nothing is retried here, since a claim that was sent may
have been carried out.

Not done: a cluster that moves our slot from one node to another answers ASK and TRYAGAIN meanwhile, which is an error
here until the slot has arrived.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

from redis.asyncio import BlockingConnectionPool, Connection, Redis, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    ClusterDownError,
    MasterDownError,
    MovedError,
    NoPermissionError,
    ReadOnlyError,
    RedisError,
)
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)

from secondgate.errors import InvalidConfiguration, Malformed, Problem, Unavailable
from secondgate.protocol.redis_url import RedisUrl, Topology, parse_redis_url
from secondgate.store.redis_find import Address, ClusterFinder, Finder, SentinelFinder

DEFAULT_PREFIX = "sg:{live}"
MAX_CONNECTIONS = 32
_ELSEWHERE = (ReadOnlyError, MovedError, ClusterDownError, MasterDownError)


def connect_redis(
    url: str, *, timeout_s: float = 1.0, max_connections: int = MAX_CONNECTIONS, prefix: str = DEFAULT_PREFIX
) -> Redis:
    """Make a client with a bounded pool; it connects when it is first asked.

    `url` is as `protocol.redis_url` says. `timeout_s` bounds connecting, each answer, and the wait for a connection.
    `prefix` is that of all keys; of a cluster it says which node is asked. Raises InvalidConfiguration for another URL.
    """
    try:
        place = parse_redis_url(url)
    except Malformed as error:
        problem = Problem(error.field, error.detail.removeprefix(f"{error.field}: "))
        raise InvalidConfiguration((problem,)) from None
    limits = _limits(timeout_s)
    login = {"username": place.username or None, "password": place.password or None, "db": place.database}
    if place.path:
        kind: type[AbstractConnection] = _UnixConnection
        where: dict[str, Any] = {"path": place.path}
    else:
        kind = _TlsConnection if place.tls else _TcpConnection
        host, port = place.nodes[0]  # the address that is tried; a finder's word goes before it
        where = {"host": host, "port": port, **_tls(place)}
    pool = RedisPool(
        _finder(place, limits, prefix),
        requires_master=place.topology is Topology.SENTINEL,
        connection_class=kind,
        max_connections=max_connections,
        timeout=timeout_s,
        **where,
        **login,
        **limits,
    )
    return Redis.from_pool(pool)


def pool_of(client: Redis) -> RedisPool:
    """Give the pool of a client that `connect_redis` made."""
    return cast("RedisPool", client.connection_pool)


class RedisPool(BlockingConnectionPool):
    """At most so many connections, to the server that `finder` names, or to one address for ever without a finder.

    Who waits for a connection longer than the time-out gets a ConnectionError.
    """

    def __init__(self, finder: Finder | None, *, requires_master: bool, **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        self.requires_master = requires_master
        self.address: Address | None = None
        self._finder = finder

    def make_connection(self) -> AbstractConnection:
        """Make a connection that asks this pool where to connect to."""
        return cast("type[_Pooled]", self.connection_class)(pool=self, **self.connection_kwargs)

    async def find(self) -> Address | None:
        """Give where the server is now; connections to where it was before are closed. None without a finder."""
        if self._finder is None:
            return None
        address = await self._finder.find()
        if address != self.address:
            self.address = address
            await self.renew()
        return address

    async def leave(self, error: RedisError) -> None:
        """Have all connections closed: one of them was told that the server is not in charge."""
        if self._finder is not None and isinstance(error, MovedError) and error.host:
            self._finder.redirected((error.host, error.port))
        await self.renew()

    async def renew(self) -> None:
        """Close idle connections now, and those in use when they are given back."""
        for connection in tuple(self._in_use_connections):
            if connection.is_connected:
                connection.mark_for_reconnect()  # type: ignore[no-untyped-call]
        for connection in tuple(self._available_connections):
            await connection.disconnect(nowait=True)

    async def aclose(self) -> None:
        """Close all connections."""
        await super().aclose()
        if self._finder is not None:
            await self._finder.close()


class _Pooled(AbstractConnection):
    """A connection that leaves a server that is not in charge."""

    def __init__(self, *, pool: RedisPool, **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        self._kept_in = pool

    async def read_response(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401
        try:
            return await super().read_response(*args, **options)
        except _ELSEWHERE as error:
            await self.disconnect(nowait=True)
            await self._kept_in.leave(error)
            raise


class _Found(_Pooled, Connection):
    """A connection to where the pool's server is now."""

    async def _connect(self) -> None:
        async with asyncio.timeout(self.socket_connect_timeout):
            address = await self._kept_in.find()
        if address is not None:
            self.host, self.port = address
        await super()._connect()  # type: ignore[no-untyped-call]

    async def on_connect_check_health(self, check_health: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's
        await super().on_connect_check_health(check_health=check_health)
        if not self._kept_in.requires_master:
            return
        await self.send_command("ROLE", check_health=False)
        try:
            role = await self.read_response()
        except NoPermissionError:
            return  # then what Sentinel says has to do
        if role[0] != b"master":
            raise RedisConnectionError("the server that Sentinel names is no master yet")


class _TcpConnection(_Found):
    pass


class _TlsConnection(_Found, SSLConnection):
    pass


class _UnixConnection(_Pooled, UnixDomainSocketConnection):
    pass


def _limits(timeout_s: float) -> dict[str, Any]:
    return {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        "decode_responses": False,
    }


def _tls(place: RedisUrl) -> dict[str, Any]:
    options: dict[str, Any] = dict(place.tls_options)
    if options.get("ssl_cert_reqs") == "none":
        options["ssl_check_hostname"] = False
    return options


def _finder(place: RedisUrl, limits: dict[str, Any], prefix: str) -> Finder | None:
    if place.topology is Topology.STANDALONE:
        return None
    is_cluster = place.topology is Topology.CLUSTER
    username = place.username if is_cluster else place.sentinel_username
    password = place.password if is_cluster else place.sentinel_password

    def connect(login: dict[str, Any], address: Address) -> Redis:
        host, port = address
        pool = BlockingConnectionPool(
            connection_class=SSLConnection if place.tls else Connection,
            max_connections=1,
            timeout=limits["socket_timeout"],
            host=host,
            port=port,
            **login,
            **_tls(place),
            **limits,
        )
        return Redis.from_pool(pool)

    ask = partial(connect, {"username": username or None, "password": password or None})
    if is_cluster:
        return ClusterFinder(place.nodes, ask, key=prefix)
    return SentinelFinder(place.nodes, ask, service=place.service)


@contextmanager
def errors_translated() -> Iterator[None]:
    """Turn what redis-py raises into Unavailable, with the error's name alone: its text may quote a value."""
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        raise Unavailable(f"Redis cannot answer: {type(error).__name__}") from error
