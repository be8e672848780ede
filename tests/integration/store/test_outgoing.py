"""Requests to other servers, over sockets, to servers that do what they please."""

from __future__ import annotations

import asyncio
import gzip
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest

from secondgate.errors import Unavailable
from secondgate.store.outgoing import HttpOutgoing, is_public_address

LIMIT = 20_000
TIMEOUT_S = 0.5
MANY = 10_000_000
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """A server that answers every request with `answer`; `heard` is what was asked."""

    answer: Answer
    port: int = 0
    heard: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/keys?secret=1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next((int(x[15:]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-length:")), 0)
            self.heard.append(head + await reader.readexactly(length))
            await self.answer(writer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def says(answer: bytes) -> Answer:
    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    return say


async def be_silent(_: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def trickle(writer: asyncio.StreamWriter) -> None:
    """Send one byte after the other, each soon enough to look alive."""
    writer.write(OK + b"Content-Length: 1000\r\n\r\n")
    for _ in range(1000):
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


async def pour(writer: asyncio.StreamWriter) -> None:
    """Send ten megabytes, if somebody takes them."""
    writer.write(OK + b"\r\n")
    for _ in range(MANY // 10_000):
        writer.write(b"x" * 10_000)
        await writer.drain()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    running = Server(says(OK + b"Content-Length: 2\r\n\r\n{}"))
    async with await asyncio.start_server(running.serve, "127.0.0.1", 0) as listening:
        running.port = listening.sockets[0].getsockname()[1]
        yield running


@pytest.fixture
async def outgoing() -> AsyncIterator[HttpOutgoing]:
    client = HttpOutgoing(timeout_s=TIMEOUT_S, max_bytes=LIMIT)
    yield client
    await client.close()


async def test_a_document_and_a_form_go_to_a_host_that_an_operator_named(
    server: Server, outgoing: HttpOutgoing
) -> None:
    answer = await outgoing.get(server.url, configured_urls=("https://x.example", server.url), headers={"X-A": "b"})
    assert (answer.status, answer.body) == (200, b"{}")
    await outgoing.post_form(server.url, {"a": "b c&"}, configured_urls=(server.url,), headers={})
    first, second = server.heard
    assert b"X-A: b\r\n" in first
    assert b"Accept-Encoding: identity\r\n" in first
    assert second.startswith(b"POST /keys?secret=1 ")
    assert second.endswith(b"\r\n\r\na=b+c%26")


@pytest.mark.case(66)
@pytest.mark.parametrize("answer", [be_silent, trickle])
async def test_a_slow_server_is_waited_for_no_longer_than_the_limit(
    server: Server, outgoing: HttpOutgoing, answer: Answer
) -> None:
    server.answer = answer
    began = time.monotonic()
    with pytest.raises(Unavailable, match="gave no answer: TimeoutError"):
        await outgoing.get(server.url, configured_urls=(server.url,))
    assert time.monotonic() - began < 4 * TIMEOUT_S


@pytest.mark.case(66)
@pytest.mark.parametrize(
    "answer",
    [
        pour,
        says(OK + b"Content-Length: 10000000\r\n\r\n" + b"x" * (LIMIT + 1)),
        says(
            OK
            + b"Transfer-Encoding: chunked\r\n\r\n"
            + b"2710\r\n"
            + b"x" * 10_000
            + b"\r\n"
            + b"2711\r\n"
            + b"x" * 10_001
        ),
    ],
)
async def test_a_huge_answer_is_read_no_further_than_the_limit(
    server: Server, outgoing: HttpOutgoing, answer: Answer
) -> None:
    server.answer = answer
    with pytest.raises(Unavailable, match="sent more than 20000 bytes"):
        await outgoing.get(server.url, configured_urls=(server.url,))


@pytest.mark.case(66)
async def test_a_small_answer_is_never_unpacked_to_a_huge_one(server: Server, outgoing: HttpOutgoing) -> None:
    packed = gzip.compress(b" " * MANY)
    assert len(packed) < LIMIT
    server.answer = says(OK + f"Content-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode() + packed)
    assert (await outgoing.get(server.url, configured_urls=(server.url,))).body == packed


@pytest.mark.case(66)
@pytest.mark.parametrize(
    "answer",
    [
        says(b""),
        says(b"SSH-2.0-x\r\n"),
        says(OK + b"X: " + b"x" * 100_000 + b"\r\n\r\n{}"),
        says(OK + b"Content-Length: 10\r\n\r\n{}"),
        says(OK + b"Content-Length: -1\r\n\r\n{}"),
    ],
)
async def test_what_is_no_answer_is_an_outage_that_tells_no_secret(
    server: Server, outgoing: HttpOutgoing, answer: Answer
) -> None:
    server.answer = answer
    with pytest.raises(Unavailable) as unavailable:
        await outgoing.post_form(
            server.url,
            {"client_secret": "hunter2"},
            configured_urls=(server.url,),
            headers={"Authorization": "hunter2"},
        )
    assert "hunter2" not in str(unavailable.value)
    assert "secret=1" not in str(unavailable.value)
    assert unavailable.value.__cause__ is None


@pytest.mark.case(66)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_followed_nowhere(server: Server, outgoing: HttpOutgoing, status: int) -> None:
    for target in ("/elsewhere", server.url, "http://localhost/", "https://evil.example/", "file:///etc/passwd"):
        head = f"HTTP/1.1 {status} Go\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n"
        server.answer = says(head.encode())
        answer = await outgoing.get(server.url, configured_urls=(server.url,))
        assert (answer.status, answer.body) == (status, b"")
    assert len(server.heard) == 5


@pytest.mark.case(66)
@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.2",
        "0.0.0.0",  # noqa: S104 - which is what is refused
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "127.1",
        "0x7f.0.0.1",
        "2130706433",
        "0177.0.0.1",
        "\uff11\uff12\uff17.0.0.1",
        "127\u30020\u30020\u30021",
        "%31%32%37.0.0.1",
    ],
)
async def test_no_spelling_of_loopback_is_asked_that_no_setting_names(
    server: Server, outgoing: HttpOutgoing, host: str
) -> None:
    with pytest.raises(Unavailable):
        await outgoing.get(f"http://{host}:{server.port}/", configured_urls=("https://idp.example/realm",))
    assert not server.heard


@pytest.mark.case(66)
@pytest.mark.parametrize("url", ["http://[/", "http://", "file:///etc/passwd", "http://a\\@127.0.0.1/", "", "x"])
async def test_what_is_no_url_is_an_outage(outgoing: HttpOutgoing, url: str) -> None:
    with pytest.raises(Unavailable):
        await outgoing.get(url, configured_urls=())


@pytest.mark.case(66)
async def test_a_setting_that_names_one_host_opens_no_other(server: Server, outgoing: HttpOutgoing) -> None:
    with pytest.raises(Unavailable):
        await outgoing.get(f"http://localhost:{server.port}/", configured_urls=(server.url,))
    with pytest.raises(Unavailable):
        await outgoing.get(
            server.url, configured_urls=("http://127.0.0.1.evil.example/", "http://evil.example/127.0.0.1")
        )
    assert not server.heard


class Names:
    """The names of the world: each look-up gives the next of a name's addresses. Counts, and connects nowhere."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: tuple[str, ...]) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.connected: list[str] = []
        monkeypatch.setattr(socket, "getaddrinfo", self._look_up)
        monkeypatch.setattr("aiohttp.connector.aiohappyeyeballs.start_connection", self._connect)

    def _look_up(self, _host: str, port: int, *_: object, **__: object) -> list[Any]:
        self.asked += 1
        found = self.answers.pop(0)
        families = [(socket.AF_INET6 if ":" in address else socket.AF_INET, address) for address in found]
        return [
            (family, socket.SOCK_STREAM, 6, "", (address, port, 0, 0) if ":" in address else (address, port))
            for family, address in families
        ]

    async def _connect(self, *, addr_infos: list[Any], **_: object) -> socket.socket:
        self.connected += [address[4][0] for address in addr_infos]
        raise OSError("nobody is there")


@pytest.mark.case(66)
@pytest.mark.parametrize(
    "addresses",
    [
        ("127.0.0.1",),
        ("8.8.8.8", "127.0.0.1"),
        ("10.0.0.1",),
        ("169.254.169.254",),
        ("100.64.0.1",),
        ("::1",),
        ("fe80::1",),
        ("fd00::1",),
        ("::ffff:10.0.0.1",),
        ("64:ff9b::a00:1",),
    ],
)
async def test_a_name_of_a_private_address_is_asked_only_where_a_setting_names_it(
    monkeypatch: pytest.MonkeyPatch, outgoing: HttpOutgoing, addresses: tuple[str, ...]
) -> None:
    names = Names(monkeypatch, addresses, addresses)
    with pytest.raises(Unavailable):
        await outgoing.get("https://keys.example/jwks", configured_urls=("https://idp.example/",))
    assert names.connected == []
    with pytest.raises(Unavailable):
        await outgoing.get("https://keys.example/jwks", configured_urls=("https://keys.example/",))
    assert names.connected[: len(addresses)] == list(addresses)


@pytest.mark.case(66)
async def test_the_address_that_was_judged_is_the_one_that_is_connected_to(
    monkeypatch: pytest.MonkeyPatch, outgoing: HttpOutgoing
) -> None:
    names = Names(monkeypatch, ("8.8.8.8",), ("127.0.0.1",))
    with pytest.raises(Unavailable):
        await outgoing.get("https://keys.example/jwks", configured_urls=())
    assert set(names.connected) == {"8.8.8.8"}
    assert names.asked == 1


@pytest.mark.parametrize(
    ("address", "is_public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("64:ff9b::808:808", True),
        ("2002:808:808::1", True),
        ("::ffff:8.8.8.8", True),
        ("2002:7f00:1::1", False),
        ("64:ff9b:1::808:808", False),
        ("fec0::1", False),
        ("::8.8.8.8", False),
        ("224.0.0.1", False),
        ("ff0e::1", False),
        ("fe80::1%eth0", False),
        ("192.168.0.1", False),
        ("192.0.2.1", False),
        ("keys.example", False),
        ("", False),
    ],
)
def test_a_public_address_is_reachable_from_everywhere(address: str, *, is_public: bool) -> None:
    assert is_public_address(address) is is_public


@pytest.mark.case(66)
async def test_many_at_once_wait_for_a_slow_server_no_longer_than_one(server: Server, outgoing: HttpOutgoing) -> None:
    server.answer = be_silent
    began = time.monotonic()
    asked = [outgoing.get(server.url, configured_urls=(server.url,)) for _ in range(100)]
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(result, Unavailable) for result in results)
    assert time.monotonic() - began < 4 * TIMEOUT_S
    assert urlsplit(server.url).port == server.port
