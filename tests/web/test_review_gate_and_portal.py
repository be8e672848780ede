from __future__ import annotations

from typing import Any

import pytest

from secondgate.store.sessions import Sessions
from tests.web.browser import FORM, Browser, Person
from tests.web.conftest import StartSite
from tests.web.site import DIALECTS, FORWARD_AUTH, NAVIGATION, PORTAL, Site

WIKI = "https://wiki.example.com/page"


async def test_a_cookie_that_is_no_utf8_is_left_out_and_keeps_nobody_out(site: Site, ann: Person) -> None:
    await ann.log_in_with_totp(WIKI)
    cookie = f"{ann.session('wiki.example.com')}; legacy=caf\udce9; b=2"
    answer = await site.check(FORWARD_AUTH, WIKI, cookie=cookie)
    assert (answer.status, answer.get("Cookie")) == (200, "b=2")


@pytest.mark.parametrize("body", [b"\xff", b"csrf_token=%ff&email=\xe9", b"csrf_token=%ed%a0%80"])
async def test_a_form_that_is_no_utf8_is_malformed_and_no_error_of_ours(ann: Person, body: bytes) -> None:
    await ann.browser.open(PORTAL)
    fields = [*NAVIGATION, ("Content-Type", FORM), ("Origin", PORTAL)]
    answer = await ann.browser.request("POST", f"{PORTAL}/logout", fields, body)
    assert answer.status in (400, 403), answer.status


@pytest.mark.parametrize("charset", ["undefined", "utf-16", "punycode", "nonsense", "idna"])
async def test_a_form_in_an_odd_charset_is_refused(ann: Person, charset: str) -> None:
    await ann.browser.open(PORTAL)
    fields = [*NAVIGATION, ("Content-Type", f"{FORM}; charset={charset}"), ("Origin", PORTAL)]
    answer = await ann.browser.request("POST", f"{PORTAL}/logout", fields, b"csrf_token=\xff\xd8\xff")
    assert 400 <= answer.status < 500, answer.status


async def test_odd_bytes_in_a_token_of_a_form_are_no_error_of_ours(ann: Person) -> None:
    await ann.browser.open(PORTAL)
    fields = [("Content-Type", "application/json"), ("Origin", PORTAL), ("X-CSRF-Token", "\udcff")]
    answer = await ann.browser.request("POST", f"{PORTAL}/challenge/options", fields, b"{}")
    assert answer.status == 403


@pytest.mark.parametrize("code", ["\udcff", "%ff", "%ed%a0%80", "%00", "a" * 9000])
async def test_an_odd_code_at_the_callback_is_refused(ann: Person, code: str) -> None:
    answer = await ann.browser.request("GET", f"https://wiki.example.com/.secondgate/callback?code={code}")
    assert answer.status in (400, 403), answer.status


async def test_made_up_codes_write_nothing(site: Site) -> None:
    before = site.rows()
    for number in range(3):
        await Browser(site).open(f"https://wiki.example.com/.secondgate/callback?code=made-up-{number}")
    assert site.rows() == before


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_mistake_of_ours_in_a_check_is_an_outage_and_no_answer(
    site: Site, ann: Person, dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ann.log_in_with_totp(WIKI)

    async def fail(_self: Sessions, _id: str) -> None:
        raise KeyError("a mistake")

    monkeypatch.setattr(Sessions, "load_application_session", fail)
    answer = await site.check(dialect, WIKI, cookie=ann.session("wiki.example.com"))
    assert answer.status == 503
    assert not answer.all("Set-Cookie")
    assert b"mistake" not in answer.body


def named_by_the_proxy(configuration: dict[str, Any]) -> None:
    configuration["identity"] = {"headers": [{"email": "X-Auth-Request-Email"}]}


@pytest.mark.case(25)
async def test_the_portal_shows_nobody_the_account_of_somebody_else(start_site: StartSite) -> None:
    site = await start_site(named_by_the_proxy)
    ann = Person(site, "ann@example.com")
    await ann.log_in_with_totp(WIKI)
    await ann.open_window()
    ann.browser.named = [("X-Auth-Request-Email", "ben@example.com")]
    for path in ("/", "/account/devices", "/account/sessions", "/AddMfaDevice", "/challenge?purpose=devices"):
        answer = await ann.browser.request("GET", f"{PORTAL}{path}")
        assert (answer.status, answer.one("Location").partition("?")[0]) == (303, "/login"), path
        assert "ann@example.com" not in answer.text
    identity = await ann.browser.request("GET", "https://wiki.example.com/.secondgate/identity")
    assert identity.status == 401
    page = await ann.browser.open(f"{PORTAL}/account/devices")
    assert "ben@example.com" in page.text
    assert [event.actor for event in await site.events("login.succeeded")] == ["ann@example.com", "ben@example.com"]


def an_hour_of_login(configuration: dict[str, Any]) -> None:
    configuration["access"]["organization"]["session_duration"] = "1h"


@pytest.mark.case(24)
@pytest.mark.parametrize("path", ["/.secondgate/logout", "/cdn-cgi/access/logout"])
async def test_logging_out_ends_an_application_session_that_outlived_the_login(
    start_site: StartSite, path: str
) -> None:
    site = await start_site(an_hour_of_login)
    ann = Person(site, "ann@example.com")
    await ann.log_in_with_totp(WIKI)
    await ann.browser.open("https://menu.example.com/")
    wiki, menu = ann.session("wiki.example.com"), ann.session("menu.example.com")
    site.clock.advance(3700)
    page = await ann.browser.open(f"https://wiki.example.com{path}")
    assert "Log out of this browser" in page.text
    assert (await site.check(FORWARD_AUTH, WIKI, cookie=wiki)).status == 200
    page = await ann.browser.submit(scope="browser")
    assert "You are logged out" in page.text
    assert (await site.check(FORWARD_AUTH, WIKI, cookie=wiki)).status == 302
    assert (await site.check(FORWARD_AUTH, "https://menu.example.com/", cookie=menu)).status == 302
    assert "__Host-secondgate" not in ann.browser.jar["wiki.example.com"]


@pytest.mark.case(17)
async def test_nobody_else_logs_somebody_out_at_an_applications_host(start_site: StartSite) -> None:
    site = await start_site(an_hour_of_login)
    ann, ben = Person(site, "ann@example.com"), Person(site, "ben@example.com")
    for person in (ann, ben):
        await person.log_in_with_totp(WIKI)
    site.clock.advance(3700)
    await ben.browser.open("https://wiki.example.com/.secondgate/logout")
    foreign = ben.browser.form("csrf_token").fields["csrf_token"]
    await ann.browser.open("https://wiki.example.com/.secondgate/logout")
    own = ann.browser.form("csrf_token").fields["csrf_token"]
    url = "https://wiki.example.com/.secondgate/logout"
    for token, origin in (("", None), (foreign, None), (own, "https://evil.example"), (own, PORTAL), (own, "null")):
        fields = [*NAVIGATION, ("Content-Type", FORM), *([("Origin", origin)] if origin else [])]
        answer = await ann.browser.request("POST", url, fields, f"csrf_token={token}&scope=everywhere".encode())
        assert answer.status == 403, (token, origin)
    assert (await site.check(FORWARD_AUTH, WIKI, cookie=ann.session("wiki.example.com"))).status == 200


async def test_a_logout_goes_to_hosts_of_ours_alone(ann: Person) -> None:
    for host in ("evil.example", "wiki.example.com@evil.example", "wiki.example.com:99", "//evil.example", ""):
        page = await ann.browser.request("GET", f"{PORTAL}/logout?host={host}")
        assert (page.status, page.all("Location")) == (200, []), host
