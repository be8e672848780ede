"""The fast path sends what the slow path would send, to the byte, whatever a request looks like and however it arrives.

One gate is asked twice: once with the fast path in front, once without, on connections that stay open.
"""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from aiohttp import web
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from secondgate.app import _listeners
from secondgate.gate.protocol import FAST_PATH
from tests.web.browser import Person
from tests.web.odd_requests import COOKIES, MORE, PATHS, SPELLED
from tests.web.site import (
    AUTH_REQUEST,
    DIALECTS,
    EXT_AUTHZ,
    NAVIGATION,
    NO_MFA,
    STAFF,
    Site,
    application,
    open_site,
    question,
)

T = TypeVar("T")
HOSTS = ("wiki.example.com", "menu.example.com", "open.example.com", "office.example.com")
OFFICE = [
    {"name": "inside", "decision": "bypass", "include": [{"ip": {"ip": "10.0.0.0/8"}}]},
    {
        "name": "near",
        "decision": "allow",
        "include": [{"ip": {"ip": "198.0.0.0/8"}}],
        "require": STAFF[0]["include"],
    },
]
ANSWER_TIMEOUT_S = 0.3
_DATE = re.compile(rb"\r\nDate: [^\r\n]*")


@dataclass
class Both:
    """The site with its gate's two ports, and what people there hold."""

    site: Site
    fast: int
    slow: int
    cookies: dict[str, list[str]] = field(default_factory=dict)

    def hold_alike(self, chunks: list[bytes]) -> None:
        """Prove that both say the same; on a machine that is busy, when there was time enough for an answer."""
        if self.ask(self.slow, chunks) != self.ask(self.fast, chunks):
            expected, said = (
                self.ask(port, chunks, patience_s=20 * ANSWER_TIMEOUT_S) for port in (self.slow, self.fast)
            )
            assert said == expected

    def ask(self, port: int, chunks: list[bytes], *, patience_s: float = ANSWER_TIMEOUT_S) -> bytes:
        """Send chunks one by one on one connection, each behind what the one before was answered; then say goodbye."""
        with socket.create_connection(("127.0.0.1", port), timeout=patience_s) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            received = b""
            for number, chunk in enumerate([*chunks, GOODBYE]):
                try:
                    connection.sendall(chunk)
                    if number < len(chunks):
                        received += _what_comes(connection, patience_s)
                except OSError:
                    break
            try:
                while more := connection.recv(65536):
                    received += more
            except (ConnectionResetError, TimeoutError):
                pass  # the body that a head spoke of never comes: both wait for it
            return _DATE.sub(b"", received)


GOODBYE = b"GET /goodbye HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n\r\n"


def staying(request: bytes) -> bytes:
    """Give a request with which the connection stays open."""
    return request.replace(b"Connection: close\r\n", b"")


def _what_comes(connection: socket.socket, patience_s: float) -> bytes:
    connection.settimeout(patience_s / 30)
    try:
        return connection.recv(1 << 20)
    except TimeoutError:
        return b""
    finally:
        connection.settimeout(patience_s)


@asynccontextmanager
async def open_both(folder: Path) -> AsyncIterator[Both]:
    def change(configuration: dict[str, Any]) -> None:
        configuration["log_level"] = "error"
        configuration["access"]["applications"].append(
            application("Office", "office.example.com", OFFICE, mfa_config=NO_MFA)
        )
        configuration["identity"] = {"headers": [{"email": "X-Who", "name": "X-Who-Name", "groups": "X_Who_Groups"}]}

    async with open_site(folder, change) as site, AsyncExitStack() as stack:
        again = _listeners(site.settings, site.services, site.current)["gate"]
        runner = web.AppRunner(again, access_log=None, max_field_size=131072, max_line_size=131072)
        stack.push_async_callback(runner.cleanup)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        both = Both(site, site.ports["gate"], runner.addresses[0][1])
        for name in ("ann", "ben"):
            person = Person(site, f"{name}@example.com")
            await person.log_in_with_totp("https://wiki.example.com/")
            for host in HOSTS:
                if host != "open.example.com":
                    await person.browser.open(f"https://{host}/")
                    both.cookies.setdefault(host, []).append(person.session(host))
        yield both


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """A site in a thread of its own, so that a test may ask it without an event loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(work: Coroutine[Any, Any, T]) -> T:
        done: Future[T] = asyncio.run_coroutine_threadsafe(work, loop)
        return done.result(120)

    opened = open_both(tmp_path_factory.mktemp("both"))
    try:
        yield run(opened.__aenter__())
        run(opened.__aexit__(None, None, None))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@st.composite
def requests(draw: st.DrawFn, both: Both) -> bytes:
    """Give one request, mostly a good one with a few oddities."""
    rarely = st.integers(0, 9).map(lambda number: number == 9)
    dialect = draw(st.sampled_from(DIALECTS))
    host = draw(st.sampled_from(HOSTS))
    spelled = draw(st.sampled_from(SPELLED)) if draw(rarely) else "{}"
    host = draw(st.sampled_from([host, host.upper()])) if draw(rarely) else host
    path = draw(st.sampled_from(PATHS))
    method = draw(st.sampled_from(["GET", "GET", "GET", "POST", "HEAD", "OPTIONS", "get", "PURGE"]))
    asked_with = draw(st.sampled_from(["HEAD", "POST", "OPTIONS"])) if draw(rarely) else "GET"
    asked = question(dialect, f"https://{spelled.format(host, host)}{path}", method=method, asked_with=asked_with)
    fields = [*asked.fields, ("X-Forwarded-For", draw(st.sampled_from(["203.0.113.9", "198.51.100.7", "10.0.0.9"])))]
    fields += [] if dialect == EXT_AUTHZ else [("Host", "gate")]
    fields += draw(st.sampled_from([list(NAVIGATION), [("Accept", "*/*")], []]))
    cookies = both.cookies.get(host.lower(), both.cookies[HOSTS[0]])
    if form := draw(st.sampled_from(["{ours}", "{ours}", *COOKIES])):
        fields.append(("Cookie", form.replace("{ours}", draw(st.sampled_from(cookies)))))
    fields += draw(st.lists(st.sampled_from(MORE), max_size=3)) if draw(st.booleans()) else []
    if draw(rarely):
        fields.remove(draw(st.sampled_from(fields)))
    fields = draw(st.permutations(fields)) if draw(st.booleans()) else fields
    if draw(rarely):
        fields = [(draw(st.sampled_from([name, name.lower(), name.upper()])), value) for name, value in fields]
    target = asked.target + (draw(st.sampled_from(["?x", "/", "/x", "%20"])) if draw(rarely) else "")
    version = draw(st.sampled_from(["1.0", "1.2", "2.0"])) if draw(rarely) else "1.1"
    separator = draw(st.sampled_from([":", ":  ", ":\t", " : "])) if draw(rarely) else ": "
    ending = "\n" if draw(rarely) and draw(rarely) else "\r\n"
    lines = [f"{asked.method} {target} HTTP/{version}", *(f"{name}{separator}{value}" for name, value in fields)]
    return (ending.join(lines) + 2 * ending).encode("utf-8", "surrogateescape")


@st.composite
def arrivals(draw: st.DrawFn, both: Both) -> list[bytes]:
    """Give requests as they arrive: each alone, some together, some in pieces."""
    chunks: list[bytes] = []
    for request in draw(st.lists(requests(both), min_size=1, max_size=3)):
        how = draw(st.sampled_from(["alone", "alone", "twice", "joined", "split"]))
        if how == "joined" and chunks:
            chunks[-1] += request
        elif how == "split":
            place = draw(st.integers(1, len(request) - 1))
            chunks += [request[:place], request[place:]]
        else:
            chunks += [request] * (2 if how == "twice" else 1)
    return chunks


def test_whatever_is_asked_and_however_it_arrives_the_same_bytes_are_answered(both: Both) -> None:
    fast_path = both.site.apps["gate"][FAST_PATH]
    seen = {"hit": 0}
    find = fast_path.find

    def counted(data: bytes, peer: Any) -> Any:  # noqa: ANN401 - of the wrapped one
        found = find(data, peer)
        seen["hit"] += isinstance(found, bytes)
        return found

    fast_path.find = counted  # type: ignore[method-assign]

    @settings(
        max_examples=600,
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(arrivals(both))
    def hold(chunks: list[bytes]) -> None:
        both.hold_alike(chunks)
        both.hold_alike(chunks)

    hold()
    assert seen["hit"] > 40, "the fast path was hardly asked"


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("host", HOSTS)
def test_what_is_asked_most_is_answered_in_front_of_the_parser(both: Both, dialect: str, host: str) -> None:
    cookie = both.cookies.get(host, both.cookies[HOSTS[0]])[0]
    about = ("X-Forwarded-For", "198.51.100.7"), ("Cookie", f"{cookie}; theme=dark")
    sent = staying(question(dialect, f"https://{host}/x").sent_with(*NAVIGATION, *about))
    fast_path = both.site.apps["gate"][FAST_PATH]
    both.ask(both.fast, [sent])
    lane = next(lane for lane in fast_path._lanes if lane.dialect.name == dialect)
    before = lane.allow
    assert both.ask(both.fast, [sent, sent]) == both.ask(both.slow, [sent, sent])
    assert lane.allow == before + 2


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("host", ["menu.example.com", "open.example.com"])
@pytest.mark.parametrize(
    "more",
    [
        ("Proxy-Connection", "close"),
        ("X-Who-Groups", "a twin of what is read, X_Who_Groups"),
        ("X_Who_Groups", "staff"),
        ("Content-Length", "0"),
    ],
)
def test_a_field_that_others_read_in_another_way_is_left_to_them(
    both: Both, dialect: str, host: str, more: tuple[str, str]
) -> None:
    cookie = ("Cookie", both.cookies.get(host, both.cookies[HOSTS[0]])[0])
    plain = question(dialect, f"https://{host}/x")
    both.ask(both.fast, [staying(plain.sent_with(cookie))])
    sent = staying(plain.sent_with(cookie)).replace(b"\r\n\r\n", f"\r\n{more[0]}: {more[1]}\r\n\r\n".encode())
    twice = sent.replace(b"\r\n\r\n", f"\r\n{more[0]}: {more[1]}\r\n\r\n".encode())
    assert both.ask(both.fast, [sent, sent]) == both.ask(both.slow, [sent, sent])
    assert both.ask(both.fast, [twice]) == both.ask(both.slow, [twice])


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("cookie", ["a=b \t", "a=b", "a", "{ours}; a=b\t "])
def test_blanks_behind_cookies_are_none_of_them(both: Both, dialect: str, cookie: str) -> None:
    cookie = cookie.replace("{ours}", both.cookies[HOSTS[0]][0])
    sent = staying(question(dialect, "https://open.example.com/x").sent_with(("Cookie", cookie)))
    assert both.ask(both.fast, [sent, sent]) == both.ask(both.slow, [sent, sent])


def test_what_is_remembered_of_a_question_is_short_however_long_it_is(both: Both) -> None:
    cookie = both.cookies["menu.example.com"][0]
    named = ("X-Who-Name", " " * 12_000 + "Ann")
    sent = staying(question(AUTH_REQUEST, "https://menu.example.com/").sent_with(("Cookie", cookie), named))
    fast_path = both.site.apps["gate"][FAST_PATH]
    before = fast_path._lanes[0].allow
    assert both.ask(both.fast, [sent, sent]) == both.ask(both.slow, [sent, sent])
    assert fast_path._lanes[0].allow == before + 1
    assert max(map(len, fast_path.decisions._newer)) < len(cookie) + 256


def test_a_known_answer_is_never_given_to_a_peer_that_is_no_proxy(both: Both) -> None:
    cookie = ("Cookie", both.cookies["menu.example.com"][0])
    sent = staying(question(AUTH_REQUEST, "https://menu.example.com/").sent_with(cookie))
    assert both.ask(both.fast, [sent, sent]).startswith(b"HTTP/1.1 200")
    with socket.create_connection(("127.0.0.1", both.fast), source_address=("127.0.0.9", 0)) as connection:
        connection.sendall(sent)
        assert connection.recv(65536).startswith(b"HTTP/1.1 403")
