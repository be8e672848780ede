"""A gate that is not there opens nothing, whatever else the proxy was told."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.certificate import Certificate
from tests.e2e.processes import free_port
from tests.e2e.proxies import Upstreams, start_envoy, start_nginx, start_traefik
from tests.e2e.sites import PROXIES, MovableClock, Site
from tests.e2e.visitor import NAVIGATION, Visitor

pytestmark = pytest.mark.parametrize("site", PROXIES, indirect=True, scope="session")


HOSTILE_NGINX = "error_page 401 403 404 500 502 503 504 =200 /; proxy_intercept_errors on; satisfy any;"
ANSWERS = {
    "503": b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
    "500": b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
    "404": b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "elsewhere": b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
    "half": b"HTTP/1.1 200",
    "nothing": b"",
}


@contextmanager
def gate_that_answers(answer: bytes) -> Iterator[int]:
    """Listen on a port, and send everyone the same bytes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


@contextmanager
def proxy_alone(site: Site, folder: Path, certificate: Certificate, gate: int) -> Iterator[Visitor]:
    """Start another proxy of the site's kind before a gate that is none."""
    port = free_port()
    upstreams = Upstreams(gate=gate, portal=free_port(), application=site.upstreams.application)
    hosts = [site.host("app")]
    folder.chmod(0o755)
    if site.name == "nginx":
        running = start_nginx(
            folder, port=port, hosts=hosts, upstreams=upstreams, certificate=certificate, http=HOSTILE_NGINX
        )
    elif site.name == "envoy":
        running = start_envoy(folder, port=port, hosts=hosts, upstreams=upstreams, certificate=certificate)
    else:
        running = start_traefik(folder, port=port, domain=site.domain, hosts=hosts, upstreams=upstreams)
    try:
        yield Visitor(replace(site, port=port, clock=MovableClock(folder / "clock"), upstreams=upstreams))
    finally:
        running.stop()


@pytest.mark.parametrize("name", [*ANSWERS, "closed"])
def test_a_gate_that_cannot_tell_lets_nobody_in(
    site: Site, tmp_path: Path, certificate: Certificate, name: str
) -> None:
    with ExitStack() as stack:
        gate = free_port() if name == "closed" else stack.enter_context(gate_that_answers(ANSWERS[name]))
        visitor = stack.enter_context(proxy_alone(site, tmp_path, certificate, gate))
        for method in ("GET", "POST"):
            answer = visitor.ask("app", "/page", method=method, headers=NAVIGATION, cookie="secondgate=x")
            assert b'"target"' not in answer.body
            assert answer.status in expected(site, name), answer
            assert answer.all("Set-Cookie") == []


def expected(site: Site, name: str) -> set[int]:
    """Give what the client may be told: nginx and Envoy say that it cannot be told now, whatever went wrong."""
    if site.name == "traefik":
        return {302, 404, 500, 502, 503}
    return {"envoy": {"404": {404}, "elsewhere": {302}}}.get(site.name, {}).get(name, {503})
