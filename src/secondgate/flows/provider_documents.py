"""What identity providers publish, kept for a while: discovery documents and keys.

One fetch at a time for each provider, however many people log in. A key that is not known is looked for anew at most
once a minute, so that made-up key ids cost a provider nothing. A fetch that fails is not tried again at once. Only the
portal's logins wait for these: the gate never does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from secondgate.errors import Malformed, Unavailable
from secondgate.model.openid import OpenIdSettings
from secondgate.protocol.jwks import VerificationKey, has_key_for, parse_jwks
from secondgate.protocol.jws import parse_token
from secondgate.protocol.oidc import ProviderMetadata, discovery_url, parse_discovery
from secondgate.store.ports import Outgoing

T = TypeVar("T")

MAX_AGE_S = 3600
MAX_STALE_S = 86400
REFRESH_INTERVAL_S = 60
RETRY_S = 5
HTTP_OK = 200


@dataclass(slots=True)
class _Kept(Generic[T]):
    """One document: its value, when it was fetched, when that was last tried, and the lock of its fetch."""

    value: T | None = None
    fetched_at: float = 0.0
    tried_at: float = float("-inf")
    failure: str = ""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class ProviderDocuments:
    """The documents of all providers. `clock` gives Unix seconds."""

    def __init__(self, outgoing: Outgoing, *, clock: Callable[[], float]) -> None:
        self._outgoing = outgoing
        self._clock = clock
        self._metadata: dict[str, _Kept[ProviderMetadata]] = {}
        self._keys: dict[tuple[str, tuple[str, ...]], _Kept[tuple[VerificationKey, ...]]] = {}

    async def load_metadata(self, settings: OpenIdSettings) -> ProviderMetadata:
        """Give a provider's metadata. Raises Unavailable with what is wrong at the provider."""
        if not settings.is_discovered:
            return ProviderMetadata(
                settings.issuer_url,
                settings.auth_url,
                settings.token_url,
                settings.certs_url,
                userinfo_endpoint=settings.userinfo_url,
            )

        async def fetch() -> ProviderMetadata:
            body = await self._fetch(discovery_url(settings.issuer_url), settings.urls)
            return parse_discovery(body, expected_issuer=settings.issuer_url)

        return await self._load(self._metadata.setdefault(settings.issuer_url, _Kept()), fetch)

    async def load_keys(
        self, settings: OpenIdSettings, metadata: ProviderMetadata, *, token: str
    ) -> tuple[VerificationKey, ...]:
        """Give a provider's keys, fetched anew where none of them fits the token. Raises Unavailable, TokenRejected."""
        return await self.load_key_set(metadata.jwks_uri, configured_urls=settings.urls, token=token)

    async def load_key_set(
        self, url: str, *, configured_urls: tuple[str, ...], token: str
    ) -> tuple[VerificationKey, ...]:
        """Give the keys that stand at a URL, fetched anew where none of them fits the token.

        Raises Unavailable, TokenRejected.
        """
        unverified = parse_token(token)

        async def fetch() -> tuple[VerificationKey, ...]:
            return parse_jwks(await self._fetch(url, configured_urls))

        kept = self._keys.setdefault((url, configured_urls), _Kept())
        keys = await self._load(kept, fetch)
        if not has_key_for(keys, unverified):
            keys = await self._load(kept, fetch, max_age_s=REFRESH_INTERVAL_S)
            if kept.failure and not has_key_for(keys, unverified):
                raise Unavailable(kept.failure)  # it may be signed with a key that could not be read
        return keys

    async def _fetch(self, url: str, configured_urls: tuple[str, ...]) -> bytes:
        answer = await self._outgoing.get(url, configured_urls=configured_urls)
        if answer.status != HTTP_OK:
            raise Unavailable(f"{url} answered {answer.status}")
        return answer.body

    async def _load(self, kept: _Kept[T], fetch: Callable[[], Awaitable[T]], *, max_age_s: int = MAX_AGE_S) -> T:
        """Give what is kept while it is young enough; otherwise fetch it, once for all who wait."""
        async with kept.lock:
            now = self._clock()
            is_young = kept.value is not None and 0 <= now - kept.fetched_at < max_age_s
            wait_s = RETRY_S if kept.value is None else REFRESH_INTERVAL_S
            if not is_young and not 0 <= now - kept.tried_at < wait_s:  # nor does a clock that went back wait longer
                kept.tried_at = now
                try:
                    kept.value, kept.failure = await fetch(), ""
                    kept.fetched_at = now
                except Malformed as error:
                    kept.failure = f"the provider's documents cannot be used: {error.detail}"
                except Unavailable as error:
                    kept.failure = str(error)
                finally:
                    kept.tried_at = self._clock()  # a fetch may take longer than it takes to be tried again
            if kept.value is not None and now - kept.fetched_at < MAX_STALE_S:
                return kept.value
            raise Unavailable(kept.failure or "the provider was not asked again yet")
