"""The keys of one issuer, kept for requests that must not wait for them.

While there are keys, a renewal goes on beside the requests; only a request whose key is not known waits for one, at
most a second, and such a renewal is begun at most once a minute. A renewal that fails leaves the keys as they are, for
a day.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from secondgate.errors import Malformed, Unavailable
from secondgate.flows.provider_documents import MAX_STALE_S, REFRESH_INTERVAL_S, RETRY_S
from secondgate.protocol.jwks import VerificationKey, has_key_for
from secondgate.protocol.jws import UnverifiedToken

log = structlog.get_logger("secondgate.flows")

MAX_WAIT_S = 1.0
Keys = tuple[VerificationKey, ...]


class KeySet:
    """`read` gives the keys of now, and raises Unavailable or Malformed; `clock` gives Unix seconds.

    `name` names it in the log. Keys older than `max_age_s` are renewed when they are next asked for.
    """

    def __init__(
        self, name: str, read: Callable[[], Awaitable[Keys]], max_age_s: int, *, clock: Callable[[], float]
    ) -> None:
        self._name = name
        self._read = read
        self._max_age_s = max_age_s
        self._clock = clock
        self._keys: Keys | None = None
        self._read_at = 0.0
        self._tried_at = float("-inf")
        self._failure = ""
        self._renewal: asyncio.Task[None] | None = None
        self._begun_at = 0.0

    async def load_for(self, token: UnverifiedToken) -> Keys:
        """Give the keys, read anew where none of them fits the token. Raises Unavailable."""
        keys = self._kept()
        if keys is None:
            self._begin(after_s=RETRY_S)
            await self._wait()
            keys = self._kept()
        elif not 0 <= self._clock() - self._read_at < self._max_age_s:
            self._begin(after_s=REFRESH_INTERVAL_S)
        if keys is not None and not has_key_for(keys, token):
            self._begin(after_s=REFRESH_INTERVAL_S)
            await self._wait()
            keys = self._kept()
            if keys is not None and self._failure and not has_key_for(keys, token):
                keys = None  # it may be signed with a key that could not be read
        if keys is None:
            raise Unavailable(f"{self._name}: {self._failure or 'its keys were not asked for again yet'}")
        return keys

    def renew(self) -> None:
        """Begin to read the keys, whenever that was done last."""
        self._tried_at = float("-inf")
        self._begin(after_s=0)

    async def close(self) -> None:
        """Stop reading."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.wait({self._renewal})

    def _kept(self) -> Keys | None:
        return self._keys if self._clock() - self._read_at < MAX_STALE_S else None

    def _begin(self, *, after_s: int) -> None:
        """Begin a renewal, unless one is under way or was begun less than `after_s` seconds ago."""
        now = self._clock()
        if self._renewal is None and not 0 <= now - self._tried_at < after_s:
            self._tried_at = now
            self._begun_at = asyncio.get_running_loop().time()
            self._renewal = asyncio.ensure_future(self._renew())

    async def _wait(self) -> None:
        """Wait for a renewal that is under way, for what is left of its second. Raises Unavailable."""
        renewal = self._renewal
        if renewal is None:
            return
        left_s = self._begun_at + MAX_WAIT_S - asyncio.get_running_loop().time()
        await asyncio.wait({renewal}, timeout=max(0.0, left_s))
        if not renewal.done():
            raise Unavailable(f"{self._name}: its keys are being asked for")

    async def _renew(self) -> None:
        began_at = self._clock()
        try:
            self._keys = await self._read()
        except (Unavailable, Malformed) as error:
            self._failure = error.detail if isinstance(error, Malformed) else str(error)
            log.warning("jwt.keys_unavailable", issuer=self._name, reason=self._failure)
        else:
            self._failure = ""
            self._read_at = began_at
        finally:
            self._renewal = None
