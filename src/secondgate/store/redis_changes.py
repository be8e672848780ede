"""Changes told over Redis; implements `ports.Changes` for any number of processes.

One channel, `{prefix}:changes`, of messages as in `change_text`. Who listens has two connections
of its own: one that subscribed, and one that publishes heartbeats to a channel that nobody else reads. A heartbeat that
comes back proves the whole way that a change takes; one that does not, within a second, means that changes may be
missed, whatever the reason: Redis is gone, paused, cut off, or no longer the master. (PING would prove the connection
alone.) Where Sentinel or a cluster says who is in charge it is asked again and again, because a master that is cut off
from the others goes on answering us.

Whenever the way was lost, the connections of the live store are made anew too: those that were idle meanwhile may lead
to a server that was replaced, and that still knows sessions which ended since.

Redis keeps no messages (https://redis.io/docs/latest/develop/pubsub/): what was told while nobody listened is lost.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from secondgate.stopping import stop
from secondgate.store.change_text import decode_change, encode_change
from secondgate.store.ports import Change, ChangeListener
from secondgate.store.redis_pool import DEFAULT_PREFIX, RedisPool, errors_translated, pool_of

log = structlog.get_logger("secondgate.store")

HEARTBEAT_EVERY_S = 0.5
HEARTBEAT_LOST_S = 1.0
_LOOK_EVERY_S = 1.0
_SILENCE_S = 10.0
_FIRST_WAIT_S = 0.05
_LONGEST_WAIT_S = 1.0
LISTENER_CONNECTIONS = 2
"""How many connections a client for listening needs."""


def channel_of(prefix: str) -> str:
    """Name the channel of all changes."""
    return f"{prefix}:changes"


class RedisChanges:
    """Tells through `client`, which it does not close, and listens through clients that `connect` makes of the same.

    `connect` gives a client with at least LISTENER_CONNECTIONS connections; it is closed when listening ends. `chance`
    gives numbers from 0 to 1: waits before connecting again vary by it, so that replicas do not come all at once.
    """

    def __init__(
        self,
        client: Redis,
        connect: Callable[[], Redis],
        *,
        prefix: str = DEFAULT_PREFIX,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._connect = connect
        self._prefix = prefix
        self._chance = chance

    async def publish(self, change: Change) -> None:
        """Tell everybody who listens. Raises Unavailable."""
        with errors_translated():
            await self._client.publish(channel_of(self._prefix), encode_change(change))

    def listen(self, listener: ChangeListener) -> AbstractAsyncContextManager[None]:
        """Tell `listener` of every change while the context lasts."""
        return self._listening(listener)

    @asynccontextmanager
    async def _listening(self, listener: ChangeListener) -> AsyncIterator[None]:
        task = asyncio.create_task(self._listen(listener))
        try:
            yield
        finally:
            await stop(task)

    async def _listen(self, listener: ChangeListener) -> None:
        """Subscribe, hear until the way is lost, and begin anew."""
        wait_s, is_outage_known = _FIRST_WAIT_S, False
        while True:
            hearing = _Hearing(self._connect(), listener, self._prefix)
            try:
                await hearing.run(proven=self._renew_connections)
            except Exception as error:  # noqa: BLE001 - whatever it was, listening goes on
                if hearing.is_connected or not is_outage_known:
                    log.warning("changes.not_heard", reason=type(error).__name__)
                is_outage_known = True
            finally:
                if hearing.is_connected:
                    listener.disconnected()
            await self._renew_connections()
            if hearing.is_connected:
                wait_s = _FIRST_WAIT_S
            await asyncio.sleep(wait_s * (0.5 + self._chance() / 2))
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    async def _renew_connections(self) -> None:
        await pool_of(self._client).renew()


class _Hearing:
    """One subscription, from its connection to its end."""

    def __init__(self, client: Redis, listener: ChangeListener, prefix: str) -> None:
        self.is_connected = False
        self._client = client
        self._listener = listener
        self._changes = channel_of(prefix).encode()
        self._heartbeats = f"{prefix}:heartbeat:{secrets.token_hex(8)}".encode()
        self._beat = 0
        self._came_back = asyncio.Event()

    async def run(self, *, proven: Callable[[], Any]) -> None:
        """Tell the listener until something fails. `proven` is awaited before the listener is told that it hears.

        Raises RedisError, OSError or TimeoutError.
        """
        pool = pool_of(self._client)
        try:
            connection = await pool.get_connection()  # type: ignore[no-untyped-call]
            try:
                await connection.send_command("SUBSCRIBE", self._changes, self._heartbeats)
                await self._all(self._read(connection), self._prove(proven), self._look(pool))
            finally:
                # not given back as it is: a subscription answers no other question
                await connection.disconnect(nowait=True)
                await pool.release(connection)
        finally:
            await self._client.aclose()

    @staticmethod
    async def _all(*works: Any) -> None:  # noqa: ANN401 - coroutines
        """Run all until one fails, and raise what it raised."""
        tasks = [asyncio.create_task(work) for work in works]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            await stop(*tasks)
        for task in done:
            task.result()

    async def _read(self, connection: Any) -> None:  # noqa: ANN401 - redis-py's
        while True:
            message = await connection.read_response(timeout=_SILENCE_S)
            if message is None or message[0] != b"message":
                continue
            _, channel, text = message
            if channel == self._changes:
                if change := decode_change(text):
                    self._listener.changed(change)
            elif text == str(self._beat).encode():
                self._came_back.set()

    async def _prove(self, proven: Callable[[], Any]) -> None:
        while True:
            self._beat += 1
            self._came_back.clear()
            async with asyncio.timeout(HEARTBEAT_LOST_S):
                await self._client.publish(self._heartbeats.decode(), str(self._beat))
                await self._came_back.wait()
            if not self.is_connected:
                await proven()
                self.is_connected = True
                self._listener.connected()
            await asyncio.sleep(HEARTBEAT_EVERY_S)

    async def _look(self, pool: RedisPool) -> None:
        """Ask who is in charge; nobody may know while Redis itself answers."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            before = after = pool.address
            with suppress(RedisError, OSError, TimeoutError):
                after = await pool.find()
            if after != before:
                raise RedisConnectionError("another server is in charge")
