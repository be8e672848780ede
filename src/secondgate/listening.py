"""Opens listening sockets for several processes. It imports nothing of weight, see `supervisor`."""

from __future__ import annotations

import socket
import stat
from contextlib import suppress
from pathlib import Path

from secondgate.errors import StartRefused

BACKLOG = 1024


def open_sockets(name: str, address: str) -> list[socket.socket]:
    """Listen on an address as the configuration writes it: `host:port`, `[::1]:port` or `unix:/path`.

    A host of several addresses gives as many sockets. A socket file that is left over is removed. Raises StartRefused.
    """
    try:
        if address.startswith("unix:"):
            return [_unix_socket(address.removeprefix("unix:"))]
        host, _, port = address.rpartition(":")
        return _tcp_sockets(host.removeprefix("[").removesuffix("]"), int(port))
    except OSError as error:
        raise cannot_listen(name, address, error) from error


def cannot_listen(name: str, address: str, error: OSError) -> StartRefused:
    """Say which listener cannot listen, and why."""
    reason = error.strerror or str(error)
    return StartRefused(f"listen.{name}: cannot listen on {address}: {reason}; choose another address")


def remove_left_over(path: str) -> None:
    """Remove the socket of a process that has ended; anything else at its path stays. Raises OSError."""
    with suppress(FileNotFoundError):
        if stat.S_ISSOCK(Path(path).lstat().st_mode):
            Path(path).unlink()


def _unix_socket(path: str) -> socket.socket:
    remove_left_over(path)
    opened = socket.socket(socket.AF_UNIX)
    return _listening(opened, path)


def _tcp_sockets(host: str, port: int) -> list[socket.socket]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    for family, kind, protocol, _, address in dict.fromkeys(found):
        opened = socket.socket(family, kind, protocol)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sockets.append(_listening(opened, address))
    return sockets


def _listening(opened: socket.socket, address: object) -> socket.socket:
    try:
        opened.bind(address)  # type: ignore[arg-type]  # what getaddrinfo gave, or a path
        opened.listen(BACKLOG)
    except OSError:
        opened.close()
        raise
    return opened
