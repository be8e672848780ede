"""What path and host a request is judged by: the proxy's, in every spelling, and never weaker than what is served."""

from __future__ import annotations

import pytest

from tests.e2e.sites import PROXIES, Site
from tests.e2e.visitor import NAVIGATION, Visitor
from tests.e2e.wire import connect, exchange, request_bytes, send

pytestmark = pytest.mark.parametrize("site", PROXIES, indirect=True, scope="session")


SPELLINGS_OF_ADMIN = [
    "/admin",
    "/admin/",
    "/admin/x",
    "//admin",
    "/./admin",
    "/public/../admin",
    "/public/%2e%2e/admin",
    "/%2e/admin",
    "/%61dmin",
    "/%2561dmin",
    "/public%2f..%2fadmin",
    "/%2fadmin",
    "/admin%2fx",
    "/admin;a=b",
    "/;a=b/admin",
    "/ADMIN",
    "/Admin/x",
    "/\\admin",
    "/public\\..\\admin",
    "/%5cadmin",
    "/admin%00",
    "/admin%00.css",
    "/admin%23x",
    "/admin%3fx",
    "/admin?x=/public",
    "/admin#/public",
    "/admin/%252e%252e/public",
    "/public/%252e%252e/admin",
    "/%c0%afadmin",
    "/%c0%ae%c0%ae/admin",
    "/.%2e/admin",
    "/admin%20",
]


@pytest.fixture
def with_totp(visitor: Visitor, address: str) -> Visitor:
    """Somebody who may open the application, but whose proof is not enough for its `/admin`."""
    visitor.enrol_totp(address)
    assert visitor.ask("app", "/public").status == 200
    return visitor


@pytest.mark.case(12, 14)
def test_no_spelling_of_a_path_is_judged_more_weakly_than_the_path(with_totp: Visitor) -> None:
    opened = []
    for target in SPELLINGS_OF_ADMIN:
        answer = with_totp.ask("app", target, headers=NAVIGATION)
        if answer.is_success:
            opened.append((target, answer.body))
    # Traefik resolves and escapes before it asks and before it passes on: what it then asked for and what the
    # application received is the same path, and must not be the administrators'.
    assert [(target, body) for target, body in opened if b"admin" in body.lower()] == []


@pytest.mark.case(12)
def test_without_a_session_no_spelling_of_a_path_opens_anything(visitor: Visitor) -> None:
    for target in SPELLINGS_OF_ADMIN:
        assert not visitor.ask("app", target).is_success, target


@pytest.mark.case(5, 6)
def test_what_a_client_says_of_path_and_host_is_not_believed(site: Site, visitor: Visitor, address: str) -> None:
    visitor.sign_in(address)
    forged = [
        ("X-Original-URL", site.url("open", "/")),
        ("X-Original-Method", "OPTIONS"),
        ("X-Original-Uri", "/public"),
        ("X-Forwarded-Uri", "/public"),
        ("X-Forwarded-Host", f"{site.host('open')}:{site.port}"),
        ("X-Forwarded-Method", "OPTIONS"),
        ("X-Forwarded-Prefix", "/public"),
        ("X-Forwarded-Port", "1"),
        ("X-Forwarded-Server", "evil.example"),
        ("X_Forwarded_Host", f"{site.host('open')}:{site.port}"),
        ("Forwarded", f"host={site.host('open')};proto=http"),
        ("X-Rewrite-Url", "/public"),
    ]
    if site.name == "envoy":  # which refuses a name with an underscore, and so would not even look at the others
        twin = next(field for field in forged if "_" in field[0])
        assert visitor.ask("plain", "/page", headers=[twin]).status == 400
        forged.remove(twin)
    for label in ("staff", "app", "key"):
        answer = visitor.ask(label, "/page", headers=[*NAVIGATION, *forged])
        assert not answer.is_success
        assert "evil" not in str(answer.headers)
        assert site.host("open") not in answer.one("Location")
        assert ":1/" not in answer.one("Location")
    assert visitor.ask("plain", "/page", headers=forged).status == 200


@pytest.mark.case(7)
def test_a_client_that_says_http_gets_the_same_cookies(site: Site, visitor: Visitor) -> None:
    answer = visitor.ask(
        "plain", "/.secondgate/login?return_to=/", headers=[*NAVIGATION, ("X-Forwarded-Proto", "http")]
    )
    cookies = answer.all("Set-Cookie")
    assert cookies, answer
    for cookie in cookies:
        assert "HttpOnly" in cookie
        assert ("Secure" in cookie) is (site.scheme == "https")
        assert cookie.startswith("__Host-") is (site.scheme == "https")


@pytest.mark.case(8)
def test_forged_hops_do_not_move_the_client(site: Site, visitor: Visitor, address: str) -> None:
    hops = ", ".join(f"198.51.100.{number}" for number in range(50))
    visitor.sign_in(address)
    visitor.page = visitor.ask("plain", "/page", headers=[("X-Forwarded-For", hops), ("X-Real-IP", "198.51.100.1")])
    seen = [value for name, value in visitor.received()["headers"] if name.lower() == "x-forwarded-for"]
    assert seen == [visitor.source]
    assert "198.51.100." not in site.secondgate.output()


@pytest.mark.case(9)
@pytest.mark.parametrize("agent", ["kube-probe/1.30", "GoogleHC/1.0", "ELB-HealthChecker/2.0", "Uptime-Kuma", ""])
def test_no_user_agent_opens_anything(visitor: Visitor, agent: str) -> None:
    assert not visitor.ask("app", "/", headers=[("User-Agent", agent)]).is_success


@pytest.mark.case(9)
@pytest.mark.parametrize(
    "method", ["HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "CONNECT", "get", "X" * 40]
)
def test_no_method_opens_anything(visitor: Visitor, method: str) -> None:
    answer = visitor.ask("app", "/page", method=method)
    assert not answer.is_success, answer


@pytest.mark.case(9)
@pytest.mark.parametrize(
    "target",
    [
        "/verify",
        "//verify/auth-request",
        "/verify/forward-auth",
        "/.secondgate/auth-request",
        "/.secondgate/../verify/auth-request",
        "/.secondgate/%2e%2e/verify/auth-request",
        "/cdn-cgi/access/../../verify/auth-request",
        "/.secondgate/verify/auth-request",
    ],
)
def test_the_gate_cannot_be_asked_through_the_proxy(visitor: Visitor, address: str, target: str) -> None:
    assert not visitor.ask("app", target).is_success
    visitor.sign_in(address)
    answer = visitor.ask("plain", target)
    if answer.is_success:  # an ordinary page of the application, with that path
        visitor.page = answer
        assert "verify" in visitor.received()["target"]


@pytest.mark.case(13)
def test_a_host_in_every_spelling_gets_the_same_decision_or_none(site: Site, visitor: Visitor, address: str) -> None:
    visitor.sign_in(address)
    for label, may in (("plain", True), ("staff", False)):
        host, cookie = site.host(label), ("Cookie", visitor.cookie_header(site.host("plain")))
        spellings = [
            f"{host.upper()}:{site.port}",
            f"{host}.:{site.port}",
            f"{host}:443",
            f"{host}:80",
            f"{host}",
            f"xn--{host}",
            f"{host}:{site.port}@{site.host('open')}",
            f"{site.host('open')}#{host}",
            f"{host},{site.host('open')}",
            f" {host}",
            f"{host}\t",
        ]
        for spelling in spellings:
            answer = send(site, label, request_bytes("GET", "/page", spelling, [cookie]))
            assert may or not answer.is_success, spelling


@pytest.mark.case(13)
def test_two_hosts_are_never_mixed(site: Site, visitor: Visitor, address: str) -> None:
    visitor.sign_in(address)
    cookie = f"Cookie: {visitor.cookie_header(site.host('plain'))}\r\n".encode()
    open_host, staff = (f"{site.host(label)}:{site.port}".encode() for label in ("open", "staff"))
    end = b"Connection: close\r\n\r\n"
    requests = [
        b"GET /page HTTP/1.1\r\nHost: " + open_host + b"\r\nHost: " + staff + b"\r\n" + cookie + end,
        b"GET /page HTTP/1.1\r\nHost: " + staff + b"\r\nHost: " + open_host + b"\r\n" + cookie + end,
        b"GET /page HTTP/1.1\r\nHost: " + open_host + b"\r\n " + staff + b"\r\n" + cookie + end,
        b"GET /page HTTP/1.1\r\n" + cookie + end,
    ]
    for request in requests:
        answer = send(site, "staff", request)
        assert not answer.is_success, request
    scheme = site.scheme.encode()
    for requested, named in ((open_host, staff), (staff, open_host)):
        target = scheme + b"://" + requested + b"/page"
        with connect(site, "staff") as connection:
            answer = exchange(connection, b"GET " + target + b" HTTP/1.1\r\nHost: " + named + b"\r\n" + cookie + end)
        if answer.is_success:  # judged as one host: the application must have been told the same one
            visitor.page = answer
            told = {name.lower(): value for name, value in visitor.received()["headers"]}
            assert told["host"].encode() == open_host
            assert told.get("x-forwarded-host", told["host"]).encode() == open_host


@pytest.mark.case(14)
def test_a_host_without_an_application_is_refused(visitor: Visitor, address: str) -> None:
    visitor.sign_in(address)
    cookie = visitor.cookie_header(visitor.site.host("plain"))
    assert visitor.ask("other", "/page", headers=NAVIGATION).status == 403
    assert visitor.ask("other", "/page", cookie=cookie).status == 403
