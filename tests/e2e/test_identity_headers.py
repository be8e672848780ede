"""What the application behind the proxy receives: exactly the gate's identity headers, and never our cookie."""

from __future__ import annotations

import pytest

from tests.e2e.proxies import PROXY_SECRET
from tests.e2e.sites import PROXIES, Site
from tests.e2e.visitor import Visitor
from tests.e2e.wire import connect, exchange, request_bytes, send_to

pytestmark = pytest.mark.parametrize("site", PROXIES, indirect=True, scope="session")


IDENTITY = (
    "Remote-User",
    "Remote-Email",
    "Remote-Name",
    "Remote-Groups",
    "Cf-Access-Authenticated-User-Email",
    "Cf-Access-Jwt-Assertion",
)
INTERNAL = ("X-Original-URL", "X-Original-Method", "X-Secondgate-Proxy-Secret")
FORGED = [
    *((name, "root@people.test") for name in IDENTITY),
    *((name, "root@people.test") for name in IDENTITY),
    *((name.upper(), "root@people.test") for name in IDENTITY),
]
TWINS = [(name.replace("-", "_"), "root@people.test") for name in IDENTITY]


def refuses_underscores(site: Site) -> bool:
    """Whether the proxy refuses a name with an underscore, where the others take it away."""
    return site.name == "envoy"


def received(visitor: Visitor, headers: list[tuple[str, str]] | None = None) -> dict[str, list[str]]:
    """Ask the echo application, and give the values of each header that it received, by lower-case name."""
    answer = visitor.ask("plain", "/page", headers=headers)
    assert answer.status == 200, answer
    visitor.page = answer
    found: dict[str, list[str]] = {}
    for name, value in visitor.received()["headers"]:
        found.setdefault(name.lower(), []).append(value)
    return found


@pytest.mark.case(10)
def test_the_application_is_told_who_it_is_once_and_without_line_breaks(visitor: Visitor, address: str) -> None:
    visitor.sign_in(address)
    found = received(visitor)
    assert found["remote-email"] == [address]
    assert found["cf-access-authenticated-user-email"] == [address]
    assert found["cf-access-jwt-assertion"][0].count(".") == 2
    for name in IDENTITY:
        values = found.get(name.lower(), [])
        assert len(values) <= 1, name
        assert not any("\r" in value or "\n" in value for value in values)


@pytest.mark.case(1)
def test_identity_headers_of_a_client_are_replaced(visitor: Visitor, address: str) -> None:
    visitor.sign_in(address)
    honest = received(visitor)
    forged = received(visitor, FORGED)
    for name in IDENTITY:
        if name != "Cf-Access-Jwt-Assertion":
            assert forged.get(name.lower()) == honest.get(name.lower()), name
    assert "root@people.test" not in str(forged)


@pytest.mark.case(1)
def test_identity_headers_of_a_client_open_nothing(visitor: Visitor) -> None:
    assert not visitor.ask("plain", "/page", headers=FORGED).is_success
    assert not visitor.ask("staff", "/page", headers=FORGED).is_success


@pytest.mark.case(1)
def test_a_bypassed_application_receives_no_identity_from_a_client(visitor: Visitor) -> None:
    for headers in (FORGED, [*FORGED, *TWINS]):
        answer = visitor.ask("open", "/page", headers=headers)
        assert answer.status == (400 if refuses_underscores(visitor.site) and headers is not FORGED else 200)
        assert b"root@people.test" not in answer.body


@pytest.mark.case(3)
def test_twins_of_identity_headers_do_not_reach_the_application(visitor: Visitor, address: str) -> None:
    visitor.sign_in(address)
    if refuses_underscores(visitor.site):
        for twin in TWINS:
            assert visitor.ask("plain", "/page", headers=[twin]).status == 400
    else:
        assert "root@people.test" not in str(received(visitor, TWINS))


@pytest.mark.case(3)
@pytest.mark.parametrize(
    "lines",
    [
        b"Remote-User: root@people.test\r\n Remote-Email: x",
        b"Remote-User: root@people.test\0",
        b"Remote-User : root@people.test",
        b"Remote-User:\x0broot@people.test",
        b"Remote-User: root@people.test, root@people.test",
    ],
    ids=["folded", "nul", "blank before the colon", "vertical tab", "list"],
)
def test_odd_spellings_of_identity_headers_are_refused_or_replaced(
    visitor: Visitor, address: str, lines: bytes
) -> None:
    visitor.sign_in(address)
    host = visitor.site.host("plain")
    request = request_bytes("GET", "/page", f"{host}:{visitor.site.port}", [("Cookie", visitor.cookie_header(host))])
    with connect(visitor.site, "plain") as connection:
        answer = exchange(connection, request.replace(b"\r\n\r\n", b"\r\n" + lines + b"\r\n\r\n"))
    assert b"root@people.test" not in answer.body
    assert answer.is_success or answer.status in (0, 400), answer


@pytest.mark.case(4)
@pytest.mark.parametrize(
    "named",
    [
        "Remote-User, Remote-Email, Cf-Access-Jwt-Assertion",
        "X-Forwarded-Host, X-Forwarded-Proto, X-Forwarded-Uri, X-Forwarded-Method, X-Forwarded-For",
        "X-Original-URL, X-Original-Method, X-Secondgate-Proxy-Secret",
        "Cookie",
    ],
)
def test_naming_headers_as_hop_by_hop_changes_nothing_or_denies(visitor: Visitor, address: str, named: str) -> None:
    visitor.sign_in(address)
    host = visitor.site.host("plain")
    fields = [("Cookie", visitor.cookie_header(host)), ("Connection", f"close, {named}"), *FORGED]
    request = request_bytes("GET", "/page", f"{host}:{visitor.site.port}", fields).replace(
        b"Connection: close\r\n", b""
    )
    with connect(visitor.site, "plain") as connection:
        answer = exchange(connection, request)
    assert b"root@people.test" not in answer.body
    if answer.is_success:
        visitor.page = answer
        headers = {name.lower(): value for name, value in visitor.received()["headers"]}
        assert headers["remote-email"] == address
    staff = request.replace(host.encode(), visitor.site.host("staff").encode())
    with connect(visitor.site, "staff") as connection:
        assert not exchange(connection, staff).is_success


@pytest.mark.case(30)
def test_the_application_never_sees_our_cookie(visitor: Visitor, address: str) -> None:
    visitor.sign_in(address)
    host = visitor.site.host("plain")
    ours = visitor.cookie_header(host)
    answer = visitor.ask("plain", "/page", cookie=f"theme=dark; {ours}; secondgate_nonce=n; lang=en")
    visitor.page = answer
    cookies = [value for name, value in visitor.received()["headers"] if name.lower() == "cookie"]
    assert cookies == ["theme=dark; lang=en"]
    assert visitor.application_cookie("plain") not in answer.body.decode()


@pytest.mark.case(30)
def test_the_application_gets_no_cookie_header_when_only_ours_was_sent(visitor: Visitor, address: str) -> None:
    visitor.sign_in(address)
    assert "cookie" not in received(visitor)


@pytest.mark.case(11)
def test_the_application_learns_nothing_of_what_proxy_and_gate_say_to_each_other(
    visitor: Visitor, address: str
) -> None:
    visitor.sign_in(address)
    found = received(visitor, [(name, "forged") for name in INTERNAL])
    for name in INTERNAL:
        assert name.lower() not in found


@pytest.mark.case(2, 11)
@pytest.mark.parametrize("path", ["/verify/auth-request", "/verify/forward-auth", "/verify/ext-authz/page"])
@pytest.mark.parametrize(
    ("source", "secret"), [("127.0.0.1", ""), ("127.0.0.1", "wrong"), ("127.0.0.2", None)], ids=str
)
def test_the_gate_itself_refuses_whoever_is_not_the_proxy(
    visitor: Visitor, address: str, path: str, source: str, secret: str | None
) -> None:
    site = visitor.site
    visitor.sign_in(address)
    host = f"{site.host('plain')}:{site.port}"
    fields = [
        ("X-Secondgate-Proxy-Secret", PROXY_SECRET if secret is None else secret),
        ("X-Original-URL", site.url("plain", "/page")),
        ("X-Original-Method", "GET"),
        ("X-Forwarded-Proto", site.scheme),
        ("X-Forwarded-Host", host),
        ("X-Forwarded-Uri", "/page"),
        ("X-Forwarded-Method", "GET"),
        ("X-Forwarded-For", "192.0.2.7"),
        ("Cookie", visitor.cookie_header(site.host("plain"))),
    ]
    honest = [(name, PROXY_SECRET if name == "X-Secondgate-Proxy-Secret" else value) for name, value in fields]
    assert send_to(site.upstreams.gate, request_bytes("GET", path, host, honest)).status == 200
    refused = send_to(site.upstreams.gate, request_bytes("GET", path, host, fields), source=source)
    assert refused.status == 403


def test_a_websocket_reaches_the_application(site: Site, visitor: Visitor, address: str) -> None:
    visitor.sign_in(address)
    host = site.host("plain")
    fields = [
        ("Cookie", visitor.cookie_header(host)),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Origin", site.url("plain", "")),
    ]
    request = request_bytes("GET", "/socket", f"{host}:{site.port}", fields).replace(b"Connection: close\r\n", b"")
    with connect(site, "plain") as connection:
        connection.sendall(request)
        answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 101 ")
        while address.encode() not in answer:
            more = connection.recv(65536)
            assert more, answer
            answer += more


def test_no_tunnel_but_websocket_is_opened(site: Site, visitor: Visitor, address: str) -> None:
    visitor.sign_in(address)
    host = site.host("plain")
    fields = [
        ("Cookie", visitor.cookie_header(host)),
        ("Upgrade", "h2c"),
        ("Connection", "Upgrade, HTTP2-Settings"),
        ("HTTP2-Settings", "AAMAAABkAAQAAP__"),
    ]
    request = request_bytes("GET", "/page", f"{host}:{site.port}", fields).replace(b"Connection: close\r\n", b"")
    with connect(site, "plain") as connection:
        visitor.page = exchange(connection, request)
    names = {name.lower() for name, _ in visitor.received()["headers"]}
    assert "http2-settings" not in names
