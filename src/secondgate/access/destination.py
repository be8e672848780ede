"""Where an application is reached: `host` or `host/path` to a `Destination`.

Hosts are host names in lower case, internationalised ones in their ASCII form (IDNA 2008, RFC 5891, with the mapping
of UTS 46); `*.` may stand in front. Paths are prefixes of whole segments. This does not look for two applications
at one place.
"""

from __future__ import annotations

import re
from ipaddress import ip_address

import idna

from secondgate.errors import Malformed
from secondgate.model.application import Destination

MAX_HOST_CHARACTERS = 253
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_SEGMENT = re.compile(r"[A-Za-z0-9_\-.~!$&'()+,=:@]+", re.ASCII)


def is_address(host: str) -> bool:
    """Whether a host is an IP address, with or without the brackets of a URL."""
    try:
        ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def parse_host(text: str) -> str:
    """Read a host name, without a port, and give it in lower case and ASCII. Raises Malformed."""
    host = text.lower()
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode("ascii")
        except idna.IDNAError as error:
            raise Malformed("host", f"is no internationalised host name: {error}") from None
    if ":" in host:
        raise Malformed("host", "must be a host name without a port")
    if is_address(host) or host.rpartition(".")[2].isdigit():
        raise Malformed("host", "must be a host name, not an IP address")
    labels = host.split(".")
    if len(host) > MAX_HOST_CHARACTERS or not all(map(_LABEL.fullmatch, labels)):
        raise Malformed("host", "must be a host name, as wiki.example.com")
    return host


def parse_destination(text: str) -> Destination:
    """Read `host`, `host/path`, `*.host` or `host/path/*`.

    A trailing slash and a trailing `/*` change nothing: a path is a prefix anyhow. Raises Malformed.
    """
    if "://" in text:
        raise Malformed("domain", "must be host/path without https://")
    host, _, path = text.partition("/")
    wildcard = host.startswith("*.")
    name = host[2:] if wildcard else host
    if "*" in name:
        raise Malformed("domain", "may have a wildcard only as its whole first label, as *.example.com")
    parsed_host = parse_host(name)
    return Destination(f"*.{parsed_host}" if wildcard else parsed_host, _parse_path(path))


def _parse_path(path: str) -> str:
    prefix = "/" + path
    prefix = prefix.removesuffix("*") if prefix.endswith("/*") else prefix
    prefix = prefix.removesuffix("/")
    if not prefix:
        return ""
    if "*" in prefix:
        raise Malformed("domain", "may have a * in its path only as a trailing /*; a path is a prefix anyhow")
    if "?" in prefix or "#" in prefix:
        raise Malformed("domain", "must be host/path without a query or fragment")
    for segment in prefix.split("/")[1:]:
        if segment in {".", ".."} or not _SEGMENT.fullmatch(segment):
            raise Malformed(
                "domain", "may hold in its path plain ASCII segments only: no //, no . or .., no %, no ; and no spaces"
            )
    return prefix
