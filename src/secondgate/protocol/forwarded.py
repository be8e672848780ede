"""What a proxy says about the original request, and how much of it is believed.

Sources: the proxies' own conventions (`X-Original-*` of nginx, `X-Forwarded-*` of Traefik and Caddy, the path behind
the prefix of Envoy's `ext_authz`), RFC 9110 section 5 for fields, RFC 9112 section 3.2 for targets, RFC 3986 for hosts,
RFC 5890 for A-labels, Fetch Metadata for navigations.
Fields come as pairs in the order sent, so that twins are seen. Whether the peer is a trusted proxy, and
which application a URL belongs to, is not decided here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

import idna

from secondgate.errors import Malformed, Reason
from secondgate.model.policy import Address, Network

HeaderMap = Sequence[tuple[str, str]]

MAX_URL_CHARS = 16_384
MAX_HOST_CHARS = 253
MAX_HOPS = 64
MAX_PORT = 65_535
_METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_HOST_AND_PORT = re.compile(r"([^:]+)(?::([0-9]{1,5}))?")
_URL = re.compile(r"([a-z]+)://([^/?#\\]+)(/.*)", re.IGNORECASE)
_HOP = re.compile(r"\[([0-9a-f:.]+)\](?::[0-9]{1,5})?|([0-9a-f]*:[0-9a-f:.]*)|([0-9.]+)(?::[0-9]{1,5})?", re.IGNORECASE)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
_BLANK = re.compile(r"[\x00-\x20\x7f]")
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
# CGI and its heirs read any character that is neither letter nor digit as an underscore, and so see one name
# where HTTP sees several.
_TWIN = {code: "-" for code in range(128) if not chr(code).isalnum()}
_NAVIGATION_METHODS = frozenset(("GET", "HEAD", "POST"))
_NAVIGATION_DESTINATIONS = frozenset(("document", "iframe", "frame", "embed", "object"))


@dataclass(frozen=True, slots=True)
class OriginalRequest:
    """The request that a proxy asks about.

    `scheme` is `http` or `https`, `host` a lower-case name of A-labels, without a port. `path` is as the client sent
    it, a `#` included, up to the first `?`; `query` is what follows that. `port` is set where the host named one:
    the client chose it, so it decides nothing.
    """

    method: str
    scheme: str
    host: str
    path: str
    query: str
    port: int | None = None


def single_header(headers: HeaderMap, name: str) -> str | None:
    """Give the value of a field that may stand there once, without blanks around it; None when it is not there.

    Raises Malformed with AMBIGUOUS_HEADER for a second one, for a spelling that others could take for it
    (`X_Forwarded_Host`), and for control characters in its value, folded lines among them.
    """
    wanted = name.lower()
    twin = wanted.translate(_TWIN)
    found = [(sent.lower(), value) for sent, value in headers if sent.lower().translate(_TWIN) == twin]
    if not found:
        return None
    if len(found) > 1 or found[0][0] != wanted or _UNPRINTABLE.search(found[0][1]):
        raise Malformed(name, "must stand there once, in one spelling and on one line", Reason.AMBIGUOUS_HEADER)
    return found[0][1].strip(" ")


def parse_host(text: str) -> str:
    """Give a host in its one spelling: lower case, A-labels, no trailing dot, no port.

    Raises Malformed for user names, addresses in brackets, lists, blanks and everything else that is no DNS name.
    """
    return parse_authority(text)[0]


def from_auth_request(headers: HeaderMap) -> OriginalRequest:
    """Read the dialect of nginx: `X-Original-Method` and the absolute `X-Original-URL`.

    Raises Malformed with MISSING_HEADER, AMBIGUOUS_HEADER or MALFORMED.
    """
    method = _parse_method(headers, "X-Original-Method")
    match = _URL.fullmatch(_required(headers, "X-Original-URL"))
    if match is None:
        raise Malformed("X-Original-URL", "must be an absolute URL with a path")
    scheme, authority, target = match.groups()
    return _original_request("X-Original-URL", method, scheme, authority, target)


def from_forward_auth(headers: HeaderMap) -> OriginalRequest:
    """Read the dialect of Traefik and Caddy: `X-Forwarded-Method`, `-Proto`, `-Host` and `-Uri`.

    Raises Malformed with MISSING_HEADER, AMBIGUOUS_HEADER or MALFORMED.
    """
    method = _parse_method(headers, "X-Forwarded-Method")
    scheme = _not_a_list("X-Forwarded-Proto", _required(headers, "X-Forwarded-Proto"))
    authority = _not_a_list("X-Forwarded-Host", _required(headers, "X-Forwarded-Host"))
    target = _required(headers, "X-Forwarded-Uri")
    return _original_request("X-Forwarded-Uri", method, scheme, authority, target)


def from_ext_authz(headers: HeaderMap, *, method: str, target: str, prefix: str, portal_scheme: str) -> OriginalRequest:
    """Read the dialect of Envoy's `ext_authz` and the Gateway API: the request itself, its path behind a prefix.

    `method` and `target` are those of the request line as sent, nothing decoded; the host is that of `Host`.
    `X-Forwarded-Proto` tells the scheme where it is sent, else it is `portal_scheme`, `http` or `https`.
    Raises Malformed with MISSING_HEADER, AMBIGUOUS_HEADER or MALFORMED.
    """
    if not _METHOD.fullmatch(method):
        raise Malformed("method", "must be an HTTP method")
    if not target.startswith(f"{prefix}/"):
        raise Malformed("target", f"must be {prefix} and an absolute path")
    sent = single_header(headers, "X-Forwarded-Proto")
    scheme = portal_scheme if sent is None else _not_a_list("X-Forwarded-Proto", sent)
    authority = _not_a_list("Host", _required(headers, "Host"))
    return _original_request("target", method, scheme, authority, target.removeprefix(prefix))


def client_address(peer: Address, x_forwarded_for: Sequence[str], trusted: Sequence[Network]) -> Address:
    """Give the client's address: the right-most one that is not a trusted proxy's.

    `x_forwarded_for` holds the fields' values in the order sent. What stands left of an unreadable hop, of the
    first untrusted one or of the 64th is not looked at: anybody may have written it.
    """
    address = _unmapped(peer)
    hops = ",".join(x_forwarded_for).rsplit(",", MAX_HOPS)[-MAX_HOPS:] if x_forwarded_for else []
    for hop in reversed(hops):
        if not any(address in network for network in trusted):
            break
        earlier = _parse_hop(hop)
        if earlier is None:
            break
        address = earlier
    return address


def is_navigation(method: str, headers: HeaderMap) -> bool:
    """Whether a person's browser is going to a page, so that a redirect is of use.

    `Sec-Fetch-Mode`, then `Sec-Fetch-Dest`, decide where they are sent (Fetch Metadata Request Headers); otherwise
    an `Accept` that names HTML, unless a script says it is one.
    """
    if method not in _NAVIGATION_METHODS:
        return False
    sent = {name.lower(): value.strip().lower() for name, value in headers}
    if mode := sent.get("sec-fetch-mode"):
        return mode == "navigate"
    if destination := sent.get("sec-fetch-dest"):
        return destination in _NAVIGATION_DESTINATIONS
    return "text/html" in sent.get("accept", "") and sent.get("x-requested-with") != "xmlhttprequest"


def _required(headers: HeaderMap, name: str) -> str:
    value = single_header(headers, name)
    if not value:
        raise Malformed(name, "is missing", Reason.MISSING_HEADER)
    return value


def _not_a_list(name: str, value: str) -> str:
    if "," in value:
        raise Malformed(name, "must hold one value", Reason.AMBIGUOUS_HEADER)
    return value


def _parse_method(headers: HeaderMap, name: str) -> str:
    method = _not_a_list(name, _required(headers, name))
    if not _METHOD.fullmatch(method):
        raise Malformed(name, "must be an HTTP method")
    return method


def _original_request(field: str, method: str, scheme: str, authority: str, target: str) -> OriginalRequest:
    known_scheme = _SCHEMES.get(scheme.lower())
    if known_scheme is None:
        raise Malformed(field, "must be of http, https, ws or wss")
    # A browser sends A-labels. Mapping anything else here could name another host than the one the proxy chose.
    if not authority.isascii():
        raise Malformed(field, "must name its host in ASCII")
    if not target.startswith("/") or len(target) > MAX_URL_CHARS or _BLANK.search(target):
        raise Malformed(field, "must hold a path without blanks, of at most 16 KiB")
    host, port = parse_authority(authority)
    path, _, query = target.partition("?")
    return OriginalRequest(method, known_scheme, host, path, query, port)


def parse_authority(text: str) -> tuple[str, int | None]:
    """Give a host as `parse_host` does, and its port if it names one. Raises Malformed."""
    match = _HOST_AND_PORT.fullmatch(text)
    if match is None:
        raise Malformed("host", "must be a host name, with or without a port")
    name, port = match[1], int(match[2]) if match[2] else None
    if port is not None and not 0 < port <= MAX_PORT:
        raise Malformed("host", "must have a port between 1 and 65535")
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True, std3_rules=True).decode("ascii")
        except (idna.IDNAError, UnicodeError) as error:
            raise Malformed("host", "must be a valid internationalized name") from error
    name = name.lower().removesuffix(".")
    if len(name) > MAX_HOST_CHARS or not _HOST.fullmatch(name):
        raise Malformed("host", "must be a host name, with or without a port")
    return name, port


def _parse_hop(hop: str) -> Address | None:
    """Read `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`; None for all else."""
    match = _HOP.fullmatch(hop.strip(" \t"))
    if match is None:
        return None
    bracketed, bare, ipv4 = match.groups()
    try:
        return IPv4Address(ipv4) if ipv4 else _unmapped(IPv6Address(bracketed or bare))
    except ValueError:
        return None


def _unmapped(address: Address) -> Address:
    """Give an IPv4 address that was written as IPv6 its own form, so that it is found in IPv4 networks."""
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
