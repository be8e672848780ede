"""One suite over all dialects of the gate: what each answers, and that only a proven session is answered 200."""

from __future__ import annotations

import asyncio
import io
import json

import pytest

from secondgate.errors import Unavailable
from secondgate.gate.context import CHECKS
from secondgate.store.ports import Kind
from tests.web.browser import Person
from tests.web.site import AUTH_REQUEST, DIALECTS, EXT_AUTHZ, IDENTITY, NAVIGATION, ROOT, SCRIPT, Site, question
from tests.web.wire import Answer, parse_answer

MENU = "https://menu.example.com/page?a=1"
LOGIN = "https://menu.example.com/.secondgate/login?return_to=%2Fpage%3Fa%3D1"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "QUERY")

pytestmark = pytest.mark.parametrize("dialect", DIALECTS)


def assert_one_set_of_identity_headers(answer: Answer, email: str) -> None:
    assert answer.status == 200
    for name in IDENTITY:
        value = answer.one(name)
        assert "\r" not in value
        assert "\n" not in value
    assert answer.one("Remote-User") == answer.one("Remote-Email") == email
    assert answer.one("Cf-Access-Authenticated-User-Email") == email
    assert bool(answer.one("Cf-Access-Jwt-Assertion")) is bool(email)
    assert answer.all("Set-Cookie") == []
    assert answer.one("Cache-Control") == "no-store"


def described(answer: Answer) -> list[tuple[str, str]]:
    """Give the fields that say something of the answer; a HEAD may leave the length out (RFC 9110, section 9.3.2)."""
    return [field for field in answer.fields if field[0] not in {"Date", "Content-Length", "Connection"}]


@pytest.mark.case(10)
async def test_a_session_is_let_through_with_one_set_of_identity_headers(site: Site, ann: Person, dialect: str) -> None:
    await ann.log_in(MENU)
    for method in METHODS:
        answer = await site.check(dialect, MENU, method=method, cookie=ann.session("menu.example.com"))
        assert_one_set_of_identity_headers(answer, "ann@example.com")


@pytest.mark.case(10)
async def test_whoever_may_pass_unknown_has_every_identity_header_empty(site: Site, dialect: str) -> None:
    assert_one_set_of_identity_headers(await site.check(dialect, "https://open.example.com/"), "")


async def test_a_navigation_without_a_session_is_sent_to_log_in(site: Site, dialect: str) -> None:
    for method, status in (("GET", 302), ("HEAD", 302), ("POST", 303)):
        answer = await site.check(dialect, MENU, method=method)
        assert answer.status == (401 if dialect == AUTH_REQUEST else status)
        assert answer.one("Location") == LOGIN
        assert answer.all("Set-Cookie") == []


async def test_a_script_without_a_session_is_told_so_in_json(site: Site, dialect: str) -> None:
    for method in METHODS:
        answer = await site.check(dialect, MENU, method=method, fields=SCRIPT)
        assert answer.status == 401
        assert answer.one("Content-Type").startswith("application/json")
        if answer.body:  # asked with HEAD it has none
            assert answer.json == {"error": "sign_in_required", "reason": "no_session", "location": LOGIN}
        assert answer.all("Location") == []


async def test_a_method_that_no_page_is_opened_with_gets_no_redirect(site: Site, dialect: str) -> None:
    for method in ("PUT", "DELETE", "PROPFIND"):
        answer = await site.check(dialect, MENU, method=method)
        assert (answer.status, answer.all("Location")) == (401, [])


async def test_without_fetch_metadata_the_accept_field_tells_a_navigation(site: Site, dialect: str) -> None:
    html = await site.check(dialect, MENU, fields=[("Accept", "text/html")])
    script = await site.check(dialect, MENU, fields=[("Accept", "text/html"), ("X-Requested-With", "XMLHttpRequest")])
    nothing = await site.check(dialect, MENU, fields=[])
    assert [bool(answer.all("Location")) for answer in (html, script, nothing)] == [True, False, False]


async def test_a_missing_proof_is_named_in_json(site: Site, ann: Person, dialect: str) -> None:
    await ann.log_in_with_totp("https://fresh.example.com/")
    site.clock.advance(30 * 60)
    answer = await site.check(
        dialect, "https://fresh.example.com/", cookie=ann.session("fresh.example.com"), fields=SCRIPT
    )
    assert (answer.status, answer.json["error"], answer.json["reason"]) == (401, "mfa_required", "mfa_age")


async def test_a_person_whom_no_policy_allows_any_more_is_refused(site: Site, ann: Person, dialect: str) -> None:
    await ann.log_in(MENU)
    site.reload(lambda configuration: configuration["access"]["applications"][3].update(policies=ROOT))
    cookie = ann.session("menu.example.com")
    page = await site.check(dialect, MENU, cookie=cookie)
    assert (page.status, page.all("Location")) == (403, [])
    assert page.one("Content-Type").startswith("text/html")
    assert "frame-ancestors 'none'" in page.one("Content-Security-Policy")
    script = await site.check(dialect, MENU, cookie=cookie, fields=SCRIPT)
    assert (script.status, script.json) == (403, {"error": "refused", "reason": "no_policy_matched"})


async def test_a_host_without_an_application_is_refused(site: Site, dialect: str) -> None:
    script = await site.check(dialect, "https://none.example.com/", fields=SCRIPT)
    assert (script.status, script.json) == (403, {"error": "refused", "reason": "no_application"})
    assert (await site.check(dialect, "https://none.example.com/")).status == 403


async def test_a_store_that_cannot_be_asked_is_503_and_touches_no_cookie(
    site: Site, ann: Person, dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ann.log_in(MENU)

    async def fail(kind: Kind, key: str) -> bytes | None:
        raise Unavailable(f"{kind} {key[:0]}")

    monkeypatch.setattr(site.services.live, "load", fail)
    for fields in (NAVIGATION, SCRIPT):
        answer = await site.check(dialect, MENU, cookie=ann.session("menu.example.com"), fields=fields)
        assert answer.status == 503
        assert answer.all("Set-Cookie") == answer.all("Location") == []
        assert answer.one("Retry-After") == "5"
    assert (await site.check(dialect, MENU)).status in {302, 401}
    assert (await site.check(dialect, "https://open.example.com/")).status == 200
    monkeypatch.undo()
    assert (await site.check(dialect, MENU, cookie=ann.session("menu.example.com"))).status == 200


async def test_asked_with_head_the_answer_is_that_of_get_without_a_body(site: Site, ann: Person, dialect: str) -> None:
    await ann.log_in(MENU)
    for url, cookie in (
        (MENU, ann.session("menu.example.com")),
        (MENU, ""),
        ("https://none.example.com/", ""),
    ):
        get = await site.check(dialect, url, cookie=cookie)
        head = await site.check(dialect, url, cookie=cookie, asked_with="HEAD")
        assert head.status == get.status
        assert described(head) == described(get)
        assert head.body == b""


async def test_asked_with_any_other_method_the_answer_is_the_same(site: Site, ann: Person, dialect: str) -> None:
    await ann.log_in(MENU)
    for asked_with in ("POST", "PUT", "OPTIONS", "DELETE", "PROPFIND"):
        allowed = await site.check(dialect, MENU, cookie=ann.session("menu.example.com"), asked_with=asked_with)
        assert_one_set_of_identity_headers(allowed, "ann@example.com")
        assert (await site.check(dialect, MENU, asked_with=asked_with)).status in {302, 303, 401}


@pytest.mark.case(30)
async def test_the_upstream_never_sees_our_cookies(site: Site, ann: Person, dialect: str) -> None:
    await ann.log_in(MENU)
    ours = f"{ann.session('menu.example.com')}; secondgate=x; __Host-secondgate_nonce=n; secondgate_nonce=m"
    alone = await site.check(dialect, MENU, cookie=ours)
    beside = await site.check(dialect, MENU, cookie=f"theme=dark; {ours}; lang=de")
    if dialect == AUTH_REQUEST:
        assert alone.all("Cookie") == beside.all("Cookie") == []
    else:
        # Envoy leaves the client's in place where the answer has none, and removes what it is told to.
        nothing = dialect == EXT_AUTHZ
        assert alone.all("Cookie") == [""] * nothing
        assert alone.all("X-Envoy-Auth-Headers-To-Remove") == ["cookie"] * nothing
        assert beside.all("X-Envoy-Auth-Headers-To-Remove") == []
        assert beside.one("Cookie").replace(" ", "") == "theme=dark;lang=de"


async def test_a_preflight_passes_where_the_application_lets_it(site: Site, dialect: str) -> None:
    preflight = [("Origin", "https://else.example.com"), ("Access-Control-Request-Method", "PUT")]
    url = "https://api.example.com/"
    assert_one_set_of_identity_headers(await site.check(dialect, url, method="OPTIONS", fields=preflight), "")
    assert (await site.check(dialect, url, method="OPTIONS", fields=preflight[:1])).status == 401
    assert (await site.check(dialect, url, method="GET", fields=preflight)).status == 401
    assert (await site.check(dialect, MENU, method="OPTIONS", fields=preflight)).status == 401


@pytest.mark.case(9)
async def test_health_check_agents_odd_paths_and_odd_methods_pass_nowhere(site: Site, dialect: str) -> None:
    for agent in ("kube-probe/1.30", "GoogleHC/1.0", "ELB-HealthChecker/2.0", "Prometheus/2"):
        answer = await site.check(dialect, MENU, fields=[("User-Agent", agent)])
        assert answer.status == 401
    for method in ("TRACE", "get", "X", "HEAD,GET", "A" * 40, "%47ET"):
        answer = await site.check(dialect, MENU, method=method, fields=())
        assert answer.status in {400, 401, 403}
    for target in (f"//verify/{dialect}", f"/verify//{dialect}"):
        assert (await site.send("gate", "GET", target)).status == 404
    for target in (f"/verify/{dialect}/", f"/verify/{dialect}/ping"):
        assert (await site.send("gate", "GET", target)).status == (403 if dialect == EXT_AUTHZ else 404)
    for target in ("/verify", "/", "/ping", "/healthz", "/verify/unknown"):
        assert (await site.send("gate", "GET", target)).status == 404


async def test_whoever_comes_without_a_cookie_of_ours_is_counted_and_writes_nothing(
    site: Site, dialect: str, logs: io.StringIO
) -> None:
    counted = CHECKS.labels(dialect, "signin")._value
    before, stored = counted.get(), site.rows()
    for fields in (NAVIGATION, SCRIPT):
        for cookie in ("", "theme=dark", "x__Host-secondgate=y", "secondgate=y", "__Host-secondgate_nonce=n"):
            await site.check(dialect, MENU, fields=fields, cookie=cookie)
    assert logs.getvalue() == ""
    assert counted.get() == before + 10
    await site.settle()
    assert site.rows() == stored


async def test_a_cookie_that_opens_nothing_writes_one_line(
    site: Site, ann: Person, dialect: str, logs: io.StringIO
) -> None:
    await ann.log_in(MENU)
    for cookie in ("__Host-secondgate=x", "__Host-secondgate=", "a=b; __Host-secondgate = x; __Host-secondgate=y"):
        logs.truncate(logs.seek(0))
        assert (await site.check(dialect, MENU, cookie=cookie)).status in {302, 401}
        (line,) = map(json.loads, logs.getvalue().splitlines())
        assert (line["event"], line["host"]) == ("check.sign_in", "menu.example.com")


async def test_a_missing_proof_writes_one_line(site: Site, ann: Person, dialect: str, logs: io.StringIO) -> None:
    await ann.log_in_with_totp("https://fresh.example.com/")
    site.clock.advance(30 * 60)
    logs.truncate(logs.seek(0))
    await site.check(dialect, "https://fresh.example.com/", cookie=ann.session("fresh.example.com"))
    (line,) = map(json.loads, logs.getvalue().splitlines())
    assert (line["event"], line["reason"]) == ("check.sign_in", "mfa_age")


async def test_a_body_is_not_waited_for(site: Site, ann: Person, dialect: str) -> None:
    await ann.log_in(MENU)
    asked = question(dialect, MENU, method="PUT", asked_with="PUT")
    promised = asked.sent_with(("Cookie", ann.session("menu.example.com")), ("Content-Length", "1000000"))
    promised = promised.replace(b"Connection: close\r\n", b"")
    reader, writer = await asyncio.open_connection("127.0.0.1", site.ports["gate"])
    writer.write(promised)
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 2)
    writer.close()
    assert_one_set_of_identity_headers(parse_answer(head), "ann@example.com")
