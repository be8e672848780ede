"""The one HTTP client for requests to other servers; implements `ports.Outgoing`.

Ten seconds in all, a mebibyte of answer, no redirects, TLS verified against the system's authorities, no proxy from
the environment. Loopback, private and link-local addresses are asked only for a host that the operator's own URLs
name: what a provider's documents name must be reachable by anyone (OWASP, server-side request forgery). The address
that was judged is the one that is connected to, so that a name that resolves anew changes nothing.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from secondgate.errors import Unavailable
from secondgate.store.ports import OutgoingAnswer

TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 5.0
MAX_ANSWER_BYTES = 1024 * 1024
MAX_CONNECTIONS = 20
CHUNK_BYTES = 64 * 1024
_NAT64 = ip_network("64:ff9b::/96")  # RFC 6052, section 2.1
_INSIDE = (ip_network("64:ff9b:1::/48"), ip_network("::/96"))  # RFC 8215; RFC 4291, section 2.5.5.1
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "secondgate"}


def is_public_address(text: str) -> bool:
    """Whether an IP address is reachable from everywhere; an IPv4 address inside an IPv6 one counts as itself."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        if address.is_site_local or any(address in network for network in _INSIDE):
            return False
        inner = IPv4Address(address.packed[-4:]) if address in _NAT64 else address.ipv4_mapped or address.sixtofour
        address = inner or address
    return address.is_global and not address.is_multicast


class _PublicResolver(AbstractResolver):
    """Resolves names, and refuses those of which any address is not public."""

    def __init__(self) -> None:
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Give the addresses. Raises OSError."""
        found = await self._resolver.resolve(host, port, family)
        if not all(is_public_address(one["host"]) for one in found):
            raise OSError("a name of a private network")
        return found

    async def close(self) -> None:
        """Do nothing: it holds nothing."""


class HttpOutgoing:
    """The client. `timeout_s` is for one whole request, waiting for a free connection included."""

    def __init__(self, *, timeout_s: float = TIMEOUT_S, max_bytes: int = MAX_ANSWER_BYTES) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, connect=min(timeout_s, CONNECT_TIMEOUT_S))
        self._max_bytes = max_bytes
        self._public: aiohttp.ClientSession | None = None
        self._configured: aiohttp.ClientSession | None = None

    async def get(
        self, url: str, *, configured_urls: tuple[str, ...], headers: Mapping[str, str] | None = None
    ) -> OutgoingAnswer:
        """Read."""
        return await self._request("GET", url, None, configured_urls, headers or {})

    async def post_form(
        self, url: str, form: Mapping[str, str], *, configured_urls: tuple[str, ...], headers: Mapping[str, str]
    ) -> OutgoingAnswer:
        """Send a form."""
        return await self._request("POST", url, form, configured_urls, headers)

    async def post_json(
        self, url: str, value: Mapping[str, object], *, configured_urls: tuple[str, ...]
    ) -> OutgoingAnswer:
        """Send a JSON object."""
        body = json.dumps(value).encode()
        return await self._request("POST", url, body, configured_urls, {"Content-Type": "application/json"})

    async def close(self) -> None:
        """Give back all connections."""
        for session in (self._public, self._configured):
            if session is not None:
                await session.close()

    async def _request(
        self,
        method: str,
        url: str,
        body: Mapping[str, str] | bytes | None,
        configured_urls: tuple[str, ...],
        headers: Mapping[str, str],
    ) -> OutgoingAnswer:
        place = _origin(url)
        try:
            target = URL(url)
            session = self._session(target, configured_urls)
            async with session.request(
                method, target, data=body, headers={**_HEADERS, **headers}, allow_redirects=False
            ) as response:
                received = bytearray()
                async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                    received += chunk
                    if len(received) > self._max_bytes:
                        raise Unavailable(f"{place} sent more than {self._max_bytes} bytes")
                return OutgoingAnswer(response.status, bytes(received))
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            # not `from error`: its text may quote what was sent
            raise Unavailable(f"{place} gave no answer: {type(error).__name__}") from None

    def _session(self, target: URL, configured_urls: tuple[str, ...]) -> aiohttp.ClientSession:
        """Give the session that may ask a host: that of `target` as it will be asked, not as it was spelt."""
        host = target.raw_host or ""
        if any(host == URL(configured).raw_host for configured in configured_urls):
            if self._configured is None:
                self._configured = self._new_session(aiohttp.ThreadedResolver())
            return self._configured
        if _is_ip_literal(host) and not is_public_address(host):
            raise Unavailable(f"{_origin(str(target))} lies in a private network that no setting names")
        if self._public is None:
            self._public = self._new_session(_PublicResolver())
        return self._public

    def _new_session(self, resolver: AbstractResolver) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            resolver=resolver,
            limit=2 * MAX_CONNECTIONS,
            limit_per_host=MAX_CONNECTIONS,
            force_close=True,  # a kept connection that the server has just closed would lose a code, good for one try
        )
        return aiohttp.ClientSession(
            connector=connector,
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,  # none was asked for, and a small answer could become a huge one
        )


def _is_ip_literal(host: str) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _origin(url: str) -> str:
    """Name a server in a message: without path and query, which may be secret."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "what is no URL"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
