"""Where a listener listens: `host:port`, `[::1]:port` or `unix:/path`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from secondgate.errors import Malformed

MAX_PORT = 65535
_MAX_SOCKET_PATH_BYTES = 107
_TCP = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9_.-]+)):(?P<port>[0-9]{1,5})", re.ASCII)


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """A TCP address, or the path of a Unix socket. Port 0 takes any free port."""

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        """Give the form that `parse_listen_address` reads."""
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_listen_address(text: object) -> ListenAddress:
    """Read an address to listen on. Raises Malformed."""
    if isinstance(text, str) and text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if not path.startswith("/") or "\0" in path or len(path.encode()) > _MAX_SOCKET_PATH_BYTES:
            raise Malformed("listen", f"must be unix:/path, at most {_MAX_SOCKET_PATH_BYTES} bytes long")
        return ListenAddress(path=path)
    match = _TCP.fullmatch(text) if isinstance(text, str) else None
    if match is None or int(match["port"]) > MAX_PORT:
        raise Malformed("listen", "must be host:port, as 127.0.0.1:9180, or unix:/path; all addresses: 0.0.0.0:9180")
    return ListenAddress(match["six"] or match["host"], int(match["port"]))
