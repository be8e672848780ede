"""Whoever sends slowly, much, or two things in one takes nothing from others, and is never taken for another."""

from __future__ import annotations

import asyncio
import gc
import time
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass

import pytest

from secondgate.gate.protocol import FAST_PATH, GateConnection
from tests.web.browser import Person
from tests.web.gate_streams import Stream, connected, resident_bytes, staying
from tests.web.site import AUTH_REQUEST, DIALECTS, EXT_AUTHZ, FORWARD_AUTH, STRANGER, Site
from tests.web.wire import parse_answer

ANN, BEN = "ann@example.com", "ben@example.com"
MEGABYTE = 1 << 20


@dataclass
class Known:
    """Two people whose answers are in memory, for every dialect."""

    site: Site
    ann: str
    ben: str


@pytest.fixture
async def known(site: Site, ann: Person, ben: Person) -> Known:
    for person in (ann, ben):
        await person.log_in("https://menu.example.com/")
    both = Known(site, ann.session("menu.example.com"), ben.session("menu.example.com"))
    async with connected(site) as stream:
        for dialect in DIALECTS:
            for cookie, email in ((both.ann, ANN), (both.ben, BEN)):
                for _ in range(2):
                    assert f"Remote-User: {email}".encode() in await stream.ask(staying(dialect, cookie))
    return both


# ---- two requests in one ----

HIDING = (
    ("Content-Length: {n}\r\nTransfer-Encoding: chunked", "0\r\n\r\n{hidden}"),
    ("Transfer-Encoding: chunked\r\nContent-Length: 4", "{size}\r\n{hidden}\r\n0\r\n\r\n"),
    ("Content-Length: {n}\r\nContent-Length: 0", "{hidden}"),
    ("Content-Length: 0\r\nContent-Length: {n}", "{hidden}"),
    ("Content-Length: {n}\r\nContent-Length: {n}", "{hidden}"),
    ("Content-Length: {n}, {n}", "{hidden}"),
    ("Content-Length: +{n}", "{hidden}"),
    ("Content-Length: -1", "{hidden}"),
    ("Content-Length: 0x0", "{hidden}"),
    ("Content-Length:", "{hidden}"),
    ("Content-Length : {n}", "{hidden}"),
    ("X: a\rContent-Length: {n}", "{hidden}"),
    ("X: a\r\n Content-Length: 0", "{hidden}"),
    ("Transfer-Encoding:\r\n chunked", "0\r\n\r\n{hidden}"),
    ("Transfer-Encoding : chunked", "0\r\n\r\n{hidden}"),
    ("Transfer-Encoding: chunked, identity", "0\r\n\r\n{hidden}"),
    ("Transfer-Encoding: xchunked", "0\r\n\r\n{hidden}"),
    ("Transfer-Encoding: \x0bchunked", "0\r\n\r\n{hidden}"),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "0\r\n\r\n{hidden}"),
    ("X: a\nTransfer-Encoding: chunked", "0\r\n\r\n{hidden}"),
    ("X: a\0\r\nContent-Length: {n}", "{hidden}"),
    ("Content-Length: {n}", "{hidden}"),
    ("Transfer-Encoding: chunked", "{size}\r\n{hidden}\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked", "0x0\r\n\r\n{hidden}"),
    ("Transfer-Encoding: chunked", "-1\r\n\r\n{hidden}"),
    ("Transfer-Encoding: chunked", "FFFFFFFFFFFFFFFFF0\r\n{hidden}"),
    ("Transfer-Encoding: chunked", "0\n\n{hidden}"),
    ("Transfer-Encoding: chunked", "3\r\nhello\r\n0\r\n\r\n{hidden}"),
    ("Transfer-Encoding: chunked", "0;a\nb\r\n\r\n{hidden}"),
    ("Transfer-Encoding: chunked", "0\r\n{hidden}"),
)
"""Fields that leave it open where a request ends, and what follows them, with another's request in it."""


@pytest.mark.case(95)
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_request_hidden_in_another_is_never_answered(known: Known, dialect: str) -> None:
    async def hide(fields: str, body: str, way: int) -> None:
        hidden = staying(AUTH_REQUEST, known.ben).decode()
        numbers = {"n": len(hidden), "size": f"{len(hidden):x}", "hidden": hidden}
        head = staying(dialect, known.ann)[:-2] + fields.format(**numbers).encode() + b"\r\n\r\n"
        rest = body.format(**numbers).encode()
        begin, _, end = rest.partition(hidden.encode())
        ways = [[head + rest], [head, rest], [head, begin, hidden.encode(), end], [head[:-2], head[-2:] + rest]]
        async with connected(known.site) as stream:
            assert ANN.encode() in await stream.ask(staying(dialect, known.ann))
            for chunk in ways[way]:
                stream.writer.write(chunk)
                await asyncio.sleep(0.02)
            received = await stream.what_comes()
        assert BEN.encode() not in received, (fields, way, received)
        assert received.count(b"HTTP/1.1 200") <= 1, (fields, way, received)

    await asyncio.gather(*(hide(fields, body, way) for fields, body in HIDING for way in range(4)))


@pytest.mark.case(95)
async def test_what_follows_a_body_is_answered_as_what_it_is(known: Known) -> None:
    body = staying(AUTH_REQUEST, known.ben)
    async with connected(known.site) as stream:
        for _ in range(3):
            head = staying(FORWARD_AUTH, known.ann, ("Content-Length", str(len(body))))
            assert ANN.encode() in await stream.ask(head)
            stream.writer.write(body)
            assert ANN.encode() in await stream.ask(staying(EXT_AUTHZ, known.ann))
            assert BEN.encode() in await stream.ask(staying(AUTH_REQUEST, known.ben))


# ---- much ----


@pytest.mark.case(94)
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_long_and_many_fields_are_answered_right_or_refused(known: Known, dialect: str) -> None:
    many = [(f"X-{number}", "") for number in range(1000)]
    for more, is_served in (([("X-Long", "a" * 65_536)], True), (many[:100], True), (many, False)):
        async with connected(known.site) as stream:
            stream.writer.write(staying(dialect, known.ann, *more))
            received = await stream.what_comes(0.3)
        assert (f"Remote-User: {ANN}".encode() in received) is is_served
        assert is_served or not received or received.split(b" ")[1].startswith(b"4")


@pytest.mark.case(94)
async def test_a_question_that_comes_byte_by_byte_gets_the_same_answer(known: Known) -> None:
    sent = staying(FORWARD_AUTH, known.ann, ("X-Long", "a" * 4096))
    async with connected(known.site) as stream:
        for number in range(len(sent) - 1):
            stream.writer.write(sent[number : number + 1])
            await asyncio.sleep(0)
        assert f"Remote-User: {ANN}".encode() in await stream.ask(sent[-1:])
        assert f"Remote-User: {BEN}".encode() in await stream.ask(staying(FORWARD_AUTH, known.ben))


@pytest.mark.case(94)
@pytest.mark.parametrize("source", ["127.0.0.1", STRANGER])
async def test_a_head_without_end_is_not_held(known: Known, source: str) -> None:
    before = resident_bytes()
    held: list[int] = []

    async def pour(stream: Stream) -> None:
        stream.writer.write(staying(FORWARD_AUTH, known.ann)[:-2])
        with suppress(ConnectionError):
            for number in range(100):
                stream.writer.write(f"X-{number}: ".encode() + b"a" * 100_000 + b"\r\n")
                await stream.writer.drain()
        held.append(resident_bytes() - before)
        received = await stream.what_comes(1)
        assert not received or received.startswith(b"HTTP/1.1 431")
        assert stream.reader.at_eof() or stream.writer.is_closing() or stream.reader.exception()

    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(connected(known.site, source=source)) for _ in range(60)]
        await asyncio.gather(*map(pour, streams))
    assert max(held) < 80 * MEGABYTE
    async with connected(known.site) as stream:
        assert ANN.encode() in await stream.ask(staying(FORWARD_AUTH, known.ann))


# ---- slowly ----


@pytest.mark.case(93)
async def test_a_head_that_does_not_end_in_time_ends_its_connection_and_no_other(
    known: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secondgate.connections.HEAD_WITHIN_S", 0.3)
    sent, body = staying(FORWARD_AUTH, known.ann), ("Content-Length", "4")
    async with connected(known.site) as slow, connected(known.site) as idle, connected(known.site) as steady:
        assert ANN.encode() in await idle.ask(staying(FORWARD_AUTH, known.ann, body))
        idle.writer.write(b"body")
        began = time.monotonic()
        slow.writer.write(sent[:50])
        while time.monotonic() - began < 5 and not slow.reader.at_eof():
            slow.writer.write(b"a")
            steady.writer.write(sent[:50])
            await asyncio.sleep(0.03)
            assert ANN.encode() in await steady.ask(sent[50:])
        assert 0.3 <= time.monotonic() - began < 3
        await asyncio.sleep(0.3)
        for stream in (idle, steady):
            assert ANN.encode() in await stream.ask(sent)


@pytest.mark.case(93, 94)
@pytest.mark.parametrize("listener", ["gate", "portal", "admin"])
async def test_every_listener_bounds_a_head_in_time_and_length(
    site: Site, listener: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secondgate.connections.HEAD_WITHIN_S", 0.3)
    began = time.monotonic()
    async with connected(site, listener) as stream:
        stream.writer.write(b"GET /.secondgate/health HTTP/1.1\r\nHost: mfa.example.com\r\n")
        assert await stream.what_comes(5) == b""
        assert stream.reader.at_eof()
    assert 0.3 <= time.monotonic() - began < 3
    async with connected(site, listener) as stream:
        stream.writer.write(b"GET /.secondgate/health HTTP/1.1\r\nHost: mfa.example.com\r\n")
        for number in range(3):
            stream.writer.write(f"X-{number}: ".encode() + b"a" * 100_000 + b"\r\n")
            await asyncio.sleep(0.02)
        assert (await stream.what_comes(1)).startswith(b"HTTP/1.1 431 ")


@pytest.mark.case(93)
async def test_two_thousand_slow_clients_hold_little_and_take_nothing_from_others(known: Known) -> None:
    before = resident_bytes()
    sent = staying(FORWARD_AUTH, known.ann)
    async with AsyncExitStack() as stack:
        slow: list[Stream] = []
        for _ in range(40):
            slow += await asyncio.gather(*(stack.enter_async_context(connected(known.site)) for _ in range(50)))
        for stream in slow:
            stream.writer.write(sent[:-40])
        quick = await stack.enter_async_context(connected(known.site))
        longest_s = 0.0
        for number in range(500):
            for stream in slow[number::500]:
                stream.writer.write(sent[-40:-39])
            began = time.monotonic()
            cookie, email = ((known.ann, ANN), (known.ben, BEN))[number % 2]
            assert f"Remote-User: {email}".encode() in await quick.ask(staying(DIALECTS[number % 3], cookie))
            longest_s = max(longest_s, time.monotonic() - began)
        assert longest_s < 1
        assert resident_bytes() - before < 120 * MEGABYTE
        for stream in slow[::40]:
            assert f"Remote-User: {ANN}".encode() in await stream.ask(sent[-39:])


async def test_a_connection_that_was_only_answered_out_of_memory_ends_when_it_was_idle_for_long(known: Known) -> None:
    sent = staying(FORWARD_AUTH, known.ann)
    async with connected(known.site) as stream:
        assert ANN.encode() in await stream.ask(sent)
        own = stream.writer.get_extra_info("sockname")
        connections = [one for one in gc.get_objects() if isinstance(one, GateConnection)]
        (server,) = [one for one in connections if one.peername == own]
        server._keepalive_timeout = 0.2
        server._keepalive_handle = None
        assert ANN.encode() in await stream.ask(sent)
        assert await asyncio.wait_for(stream.reader.read(), 5) == b""


# ---- ten times the load ----


@pytest.mark.case(96)
async def test_ten_times_the_connections_are_all_answered_and_afterwards_all_is_as_before(known: Known) -> None:
    decisions = known.site.apps["gate"][FAST_PATH].decisions
    sent = {ANN: staying(FORWARD_AUTH, known.ann), BEN: staying(FORWARD_AUTH, known.ben)}
    limit = asyncio.Semaphore(640)

    async def come(number: int) -> None:
        email = (ANN, BEN)[number % 2]
        async with limit, connected(known.site) as stream:
            for again in range(4):
                if number % 50 == again:
                    decisions.clear()
                answer = parse_answer(await stream.ask(sent[email]))
                assert answer.status in {200, 503}
                assert answer.status == 503 or answer.one("Remote-User") == email

    began = time.monotonic()
    await asyncio.gather(*map(come, range(1280)))
    assert time.monotonic() - began < 20
    async with connected(known.site) as stream:
        began = time.monotonic()
        assert ANN.encode() in await stream.ask(sent[ANN])
        assert time.monotonic() - began < 0.5
