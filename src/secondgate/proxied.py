"""What gate and portal know of the connection that a request came by: who sent it, and whether it may speak for others.

Only a trusted proxy (by address, and by the shared secret where one is set) is believed about the client.
"""

from __future__ import annotations

import asyncio
import hmac
import socket
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from aiohttp import web

from secondgate.errors import Forbidden, Malformed, Reason
from secondgate.model.person import Identity
from secondgate.model.policy import Address, Network
from secondgate.model.presented_jwt import JwtSource
from secondgate.model.secret import Secret
from secondgate.protocol.forwarded import HeaderMap, client_address, single_header
from secondgate.protocol.identity_headers import IdentityHeaders, identity_from_headers
from secondgate.protocol.presented_jwt import PresentedJwt, find_presented_jwts

SECRET_HEADER = "X-Secondgate-Proxy-Secret"  # noqa: S105 - a header's name
_UNIX_PEER = ip_address("127.0.0.1")
_GONE_PEER = ip_address("0.0.0.0")  # noqa: S104 - nobody's address


@dataclass(frozen=True, slots=True)
class ProxyTrust:
    """Which peers are proxies of ours, the header fields in which they may name the person, and where tokens stand."""

    networks: tuple[Network, ...]
    secret: Secret[str] | None = None
    identity_headers: tuple[IdentityHeaders, ...] = ()
    jwt_sources: tuple[JwtSource, ...] = ()


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request as it arrived. `client` is the peer itself unless a trusted proxy speaks for another."""

    headers: HeaderMap
    client: Address
    refusal: Reason | None
    cookie: str
    trust: ProxyTrust

    def verify_trusted(self) -> None:
        """Prove that a proxy of ours sent this. Raises Forbidden: UNTRUSTED_PROXY, PROXY_SECRET."""
        if self.refusal is not None:
            raise Forbidden(self.refusal)

    def identity(self) -> Identity | None:
        """Give the person that a trusted proxy names. Raises Malformed for ambiguous or malformed fields."""
        if self.refusal is not None:
            return None
        for names in self.trust.identity_headers:
            identity = identity_from_headers(self.headers, names)
            if identity is not None:
                return identity
        return None

    def jwts(self) -> tuple[PresentedJwt, ...]:
        """Give the tokens of other login systems that it brings. Raises Malformed for ambiguous fields."""
        if self.refusal is not None:
            return ()
        return find_presented_jwts(self.headers, self.cookie, self.trust.jwt_sources)


def read_arrival(request: web.Request, trust: ProxyTrust) -> Arrival:
    """Read who sent a request, and for whom. Never raises for what a client may send."""
    headers = [
        (name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape"))
        for name, value in request.raw_headers
    ]
    peer = _peer(request.transport)
    refusal = _refusal(headers, peer, trust)
    client = peer or _UNIX_PEER
    if refusal is None:
        hops = [value for name, value in headers if name.lower() == "x-forwarded-for"]
        client = client_address(client, hops, trust.networks)
    cookie = "; ".join(value for name, value in headers if name.lower() == "cookie")
    return Arrival(headers, client, refusal, cookie, trust)


def believed_peer(transport: asyncio.BaseTransport, trust: ProxyTrust) -> Address | None:
    """Give the address of a peer that may speak for others, whatever it has to send besides; None for all others."""
    peer = _peer(transport)
    if peer is None:
        return _UNIX_PEER
    return peer if any(peer in network for network in trust.networks) else None


def _peer(transport: asyncio.BaseTransport | None) -> Address | None:
    """Give the peer's address; None on a Unix socket, which the file's permissions guard.

    Whoever is gone already has none any more, and is nobody's proxy: what it sent may still be read.
    """
    if transport is None:
        return _GONE_PEER
    if transport.get_extra_info("socket").family == socket.AF_UNIX:
        return None
    peername = transport.get_extra_info("peername")
    if not peername:
        return _GONE_PEER
    address = ip_address(str(peername[0]).partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _refusal(headers: HeaderMap, peer: Address | None, trust: ProxyTrust) -> Reason | None:
    if peer is not None and not any(peer in network for network in trust.networks):
        return Reason.UNTRUSTED_PROXY
    if trust.secret is not None:
        try:
            presented = single_header(headers, SECRET_HEADER) or ""
        except Malformed:
            presented = ""
        expected = trust.secret.reveal().encode()
        if not hmac.compare_digest(presented.encode("utf-8", "surrogateescape"), expected):
            return Reason.PROXY_SECRET
    return None
