"""The portal's public URL: an origin (RFC 6454) that WebAuthn and cookies can rest on.

HTTPS, or HTTP for `localhost` and names below it, which browsers treat as secure contexts. A host name, since an IP
address is no relying party ID (WebAuthn Level 3, section 4).
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from secondgate.access.destination import is_address, parse_host
from secondgate.errors import Malformed

_DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class PublicUrl:
    """Scheme, host (in lower case and ASCII) and port; None is the scheme's own port."""

    scheme: str
    host: str
    port: int | None = None

    def origin(self, host: str) -> str:
        """Give the origin of a host that is reached by the same scheme and port."""
        return f"{self.scheme}://{host}" + ("" if self.port is None else f":{self.port}")

    def __str__(self) -> str:
        """Give the origin."""
        return self.origin(self.host)


def is_localhost(host: str) -> bool:
    """Whether a host is `localhost` or below it (RFC 6761, section 6.3)."""
    return host == "localhost" or host.endswith(".localhost")


def parse_public_url(text: object) -> PublicUrl:
    """Read the portal's URL. Raises Malformed."""
    if not isinstance(text, str) or any(c.isspace() or not c.isprintable() for c in text):
        raise Malformed("public_url", "must be a URL, as https://mfa.example.com")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise Malformed("public_url", "must be a URL, as https://mfa.example.com") from None
    scheme = parts.scheme
    if scheme not in _DEFAULT_PORTS or not host:
        raise Malformed("public_url", "must be a URL, as https://mfa.example.com")
    if "@" in parts.netloc:
        raise Malformed("public_url", "must not hold a user name or password")
    if parts.path not in {"", "/"} or "?" in text or "#" in text:
        raise Malformed("public_url", "must end after the host: the portal has a host of its own, without a path")
    if is_address(host):
        raise Malformed("public_url", "must be a host name, not an IP address: WebAuthn needs a name")
    try:
        host = parse_host(host)
    except Malformed:
        raise Malformed("public_url", "must hold a host name, as https://mfa.example.com") from None
    if scheme == "http" and not is_localhost(host):
        raise Malformed("public_url", "must be https:// (http:// only for localhost and names ending in .localhost)")
    return PublicUrl(scheme, host, None if port == _DEFAULT_PORTS[scheme] else port)
