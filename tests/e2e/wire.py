"""HTTP by hand: requests that no client library would send, and answers as they came."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from http.client import HTTPResponse

from tests.e2e.sites import Site

TIMEOUT_S = 15.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: status, header pairs in their order, body."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Give the values of a header."""
        return [value for header, value in self.headers if header.lower() == name.lower()]

    def one(self, name: str) -> str:
        """Give the value of a header that stands there at most once."""
        values = self.all(name)
        if len(values) > 1:
            raise AssertionError(f"{name} stands there {len(values)} times")
        return values[0] if values else ""

    @property
    def is_success(self) -> bool:
        """Whether it is a 2xx."""
        return 200 <= self.status < 300


def connect(site: Site, label: str, *, source: str = "127.0.0.1") -> socket.socket:
    """Open a connection to the site's proxy, for one of its hosts, from a loopback address of choice."""
    plain = socket.create_connection(("127.0.0.1", site.port), TIMEOUT_S, source_address=(source, 0))
    if site.scheme == "http":
        return plain
    context = ssl.create_default_context(cafile=str(site.ca_file))
    return context.wrap_socket(plain, server_hostname=site.host(label))


def exchange(connection: socket.socket, request: bytes, *, method: str = "GET") -> Answer:
    """Send bytes and read one answer; status 0 when the connection is closed without one."""
    try:
        connection.sendall(request)
        response = HTTPResponse(connection, method=method)
        response.begin()
        return Answer(response.status, tuple(response.getheaders()), response.read())
    except (ConnectionError, OSError, ValueError) as error:
        if isinstance(error, TimeoutError):
            raise
        return Answer(0, (), b"")


def send(site: Site, label: str, request: bytes, *, method: str = "GET", source: str = "127.0.0.1") -> Answer:
    """Send raw bytes through the proxy on a connection of their own."""
    with connect(site, label, source=source) as connection:
        return exchange(connection, request, method=method)


def send_to(port: int, request: bytes, *, source: str = "127.0.0.1") -> Answer:
    """Send raw bytes straight to a port of this machine, from a loopback address of choice."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S, source_address=(source, 0)) as connection:
        return exchange(connection, request)


def request_bytes(
    method: str, target: str, host: str, headers: list[tuple[str, str]] | None = None, body: bytes = b""
) -> bytes:
    """Write a request; `Connection: close` is added, and Content-Length where there is a body."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers or []]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
