"""Changes told over Redis (`ports.Changes`): published on one channel, heard over a connection of its own.

That everything is heard is proved all the time: what listens publishes a heartbeat through the ordinary client, which
asks the present master, and wants it back through its subscription. So a connection that died silently is noticed, and
so is one to a server that is master no longer.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from secondgate.cancelling import end
from secondgate.errors import Unavailable
from secondgate.store.ports import Change, ChangeKind, ChangeListener

log = structlog.get_logger("secondgate.store")

HEARTBEAT_EVERY_S = 0.5
HEARD_WITHIN_S = 1.5
FIRST_RETRY_S = 0.05
MAX_RETRY_S = 1.0
_KINDS = {kind.value: kind for kind in ChangeKind}


def channel_of(prefix: str) -> str:
    """Give the channel on which the changes of an installation are told."""
    return f"{prefix}:changes"


class RedisChanges:
    """Tells and hears through `client`; `subscriber` makes the client over which one listener hears."""

    def __init__(self, client: Redis, *, prefix: str, subscriber: Callable[[], Redis]) -> None:
        self._client = client
        self._channel = channel_of(prefix)
        self._subscriber = subscriber

    async def publish(self, change: Change) -> None:
        """Tell everybody who listens."""
        try:
            await self._client.publish(self._channel, f"{change.kind.value} {change.key}")
        except (RedisError, OSError, TimeoutError) as error:
            raise Unavailable(f"Redis cannot be told of a change: {type(error).__name__}") from error

    @asynccontextmanager
    async def listen(self, listener: ChangeListener) -> AsyncIterator[None]:
        """Tell `listener` of every change."""
        task = asyncio.ensure_future(self._listen(listener))
        try:
            yield
        finally:
            await end(task)

    async def _listen(self, listener: ChangeListener) -> None:
        wait_s = FIRST_RETRY_S
        while True:
            hearing = _Hearing(self._client, self._subscriber(), self._channel, listener)
            try:
                await hearing.go_on()
            except (RedisError, OSError, TimeoutError) as error:
                log.warning("changes.not_heard", reason=type(error).__name__)
            except Exception:  # whatever it is: who never hears again would never answer out of memory again
                log.exception("changes.error")
            finally:
                listener.disconnected()
                await hearing.close()
            wait_s = FIRST_RETRY_S if hearing.was_connected else min(2 * wait_s, MAX_RETRY_S)
            await asyncio.sleep(wait_s * random.uniform(0.5, 1.0))  # noqa: S311 - spreads out who comes back


class _Hearing:
    """One connection over which changes are heard, until it fails."""

    def __init__(self, client: Redis, subscriber: Redis, channel: str, listener: ChangeListener) -> None:
        self._client = client
        self._subscriber = subscriber
        self._pubsub: PubSub = subscriber.pubsub(ignore_subscribe_messages=True)
        self._channel = channel
        self._own_channel = f"{channel}:heartbeat:{secrets.token_hex(8)}"
        self._listener = listener
        self._heard_at = 0.0
        self._beating: asyncio.Task[None] | None = None
        self._is_over = False
        self.was_connected = False

    async def go_on(self) -> None:
        """Hear until the connection fails, or is silent for too long. Raises RedisError, OSError, TimeoutError."""
        await self._pubsub.subscribe(self._channel, self._own_channel)
        loop = asyncio.get_running_loop()
        self._heard_at = loop.time()
        self._beating = asyncio.ensure_future(self._beat())
        while True:
            left_s = self._heard_at + HEARD_WITHIN_S - loop.time()
            if left_s <= 0:
                raise TimeoutError
            message = await self._pubsub.get_message(timeout=left_s)
            if message is not None:
                self._take(message["channel"].decode(), message["data"])

    async def close(self) -> None:
        """Give back the connection."""
        self._is_over = True
        with suppress(RedisError, OSError, TimeoutError):
            if self._beating is not None:
                await end(self._beating)
            await self._pubsub.aclose()  # type: ignore[no-untyped-call]
            await self._subscriber.aclose()

    def _take(self, channel: str, data: bytes) -> None:
        if channel == self._own_channel:
            self._heard_at = asyncio.get_running_loop().time()
            if not self.was_connected:
                self.was_connected = True
                self._listener.connected()
            return
        name, _, key = data.decode(errors="replace").partition(" ")
        kind = _KINDS.get(name)  # a newer version, or anybody else, may tell of what this one does not know
        if kind is not None and self.was_connected:
            self._listener.changed(Change(kind, key))

    async def _beat(self) -> None:
        while not self._is_over:
            with suppress(RedisError, OSError, TimeoutError):
                await self._client.publish(self._own_channel, "")
            if not self._is_over:
                await asyncio.sleep(HEARTBEAT_EVERY_S)
