"""Logging in by what a trusted proxy says of the person, and what the gate makes of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.web.browser import Browser, Person
from tests.web.conftest import StartSite
from tests.web.site import DIALECTS, FORWARD_AUTH, NAVIGATION, PORTAL, SCRIPT, STRANGER, Site

MENU = "https://menu.example.com/"
SECRET = "a-secret-of-the-proxy-and-ours"
FIELDS = {
    "email": "X-Auth-Email",
    "name": "X-Auth-Name",
    "groups": "X-Auth-Groups",
    "amr": "X-Auth-Amr",
    "auth_time": "X-Auth-Time",
}


def by_headers(configuration: dict[str, Any]) -> None:
    """Have the proxy say who people are."""
    configuration["identity"] = {"headers": [FIELDS]}


def named(email: str, **more: str) -> list[tuple[str, str]]:
    """Give what the proxy says."""
    return [("X-Auth-Email", email), *((FIELDS[name], value) for name, value in more.items())]


@pytest.fixture
async def site(start_site: StartSite) -> Site:
    return await start_site(by_headers)


async def test_a_person_whom_the_proxy_names_is_logged_in_without_being_asked(site: Site) -> None:
    browser = Browser(site, named=named("Ann@Example.com", name="Ann Ås", groups="staff, ops", amr="pwd,otp"))
    arrived = await browser.open(MENU)
    assert (arrived.status, browser.url) == (200, MENU)
    assert arrived.one("Remote-User") == "ann@example.com"
    assert arrived.one("Remote-Name") == "Ann Ås"
    assert arrived.one("Remote-Groups") == "staff,ops"
    (login,) = await site.events("login.succeeded")
    assert (login.actor, login.detail["source"]) == ("ann@example.com", "headers")


async def test_mfa_is_asked_of_a_person_whom_the_proxy_names(site: Site) -> None:
    ann = Person(site, "ann@example.com")
    ann.browser.named = named("ann@example.com", amr="otp,mfa,hwk")
    await ann.browser.open("https://wiki.example.com/")
    assert ann.browser.url.startswith(f"{PORTAL}/AddMfaDevice")
    assert (await ann.set_up_totp()).status == 200


async def test_whoever_is_no_trusted_proxy_names_nobody(site: Site) -> None:
    fields = [("Host", "mfa.example.com"), *NAVIGATION, *named("root@example.com")]
    answer = await site.send("portal", "GET", "/login", fields, source=STRANGER)
    assert (answer.status, "root@example.com" in answer.text) == (403, False)
    assert not any("secondgate_login" in line for line in answer.all("Set-Cookie"))
    trusted = await site.send("portal", "GET", "/login", fields)
    assert any("secondgate_login" in line for line in trusted.all("Set-Cookie"))
    assert len(await site.events("login.succeeded")) == 1


async def test_with_a_proxy_secret_the_address_alone_names_nobody(start_site: StartSite) -> None:
    def change(configuration: dict[str, Any]) -> None:
        by_headers(configuration)
        configuration["proxy_secret"] = SECRET

    site = await start_site(change)
    fields = [("Host", "mfa.example.com"), *NAVIGATION, *named("root@example.com")]
    for secret in ([], [("X-Secondgate-Proxy-Secret", "guess")], [("X-Secondgate-Proxy-Secret", SECRET)] * 2):
        answer = await site.send("portal", "GET", "/login", [*fields, *secret])
        assert answer.status == 403
        assert not any("secondgate_login" in line for line in answer.all("Set-Cookie"))
    right = [("X-Secondgate-Proxy-Secret", SECRET)]
    stranger = await site.send("portal", "GET", "/login", [*fields, *right], source=STRANGER)
    assert not any("secondgate_login" in line for line in stranger.all("Set-Cookie"))
    assert await site.events("login.succeeded") == []
    answer = await site.send("portal", "GET", "/login", [*fields, *right])
    assert any("secondgate_login" in line for line in answer.all("Set-Cookie"))


async def test_headers_that_are_no_person_log_nobody_in(site: Site) -> None:
    for email in ("ann", "a@b@example.com", "ann@example.com,root@example.com", "ann@exämple.com", "<ann@example.com>"):
        fields = [("Host", "mfa.example.com"), *NAVIGATION, *named(email)]
        answer = await site.send("portal", "GET", "/login", fields)
        assert (answer.status, answer.all("Set-Cookie")[1:]) == (400, []), email
    assert await site.events("login.succeeded") == []


@pytest.mark.case(25)
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_session_of_one_person_with_the_identity_of_another_is_refused_and_audited(
    site: Site, dialect: str
) -> None:
    ann = Person(site, "ann@example.com")
    ann.browser.named = named("ann@example.com")
    await ann.browser.open(MENU)
    cookie = ann.session("menu.example.com")
    before = site.rows()
    mine = await site.check(dialect, MENU, cookie=cookie, fields=[*SCRIPT, *named("ANN@example.com")])
    assert (mine.status, site.rows() == before) == (200, True)
    unnamed = await site.check(dialect, MENU, cookie=cookie, fields=SCRIPT)
    assert unnamed.status == 200
    assert await site.events("identity.mismatch") == []
    theirs = await site.check(dialect, MENU, cookie=cookie, fields=[*SCRIPT, *named("ben@example.com")])
    assert (theirs.status, theirs.json["reason"]) == (401, "identity_mismatch")
    (event,) = await site.events("identity.mismatch")
    person = await site.services.durable.load_person_by_email("ann@example.com")
    assert person
    assert (event.actor, event.person_id, event.detail["host"]) == ("ben@example.com", person.id, "menu.example.com")


@pytest.mark.case(25)
async def test_a_page_that_asks_again_and_again_fills_no_audit_log(site: Site) -> None:
    ann = Person(site, "ann@example.com")
    ann.browser.named = named("ann@example.com")
    await ann.browser.open(MENU)
    cookie = ann.session("menu.example.com")

    async def ask(*emails: str) -> list[str]:
        for email in emails:
            for dialect in DIALECTS:
                answer = await site.check(dialect, MENU, cookie=cookie, fields=[*SCRIPT, *named(email)])
                assert answer.status == 401
        return [event.actor for event in await site.events("identity.mismatch")]

    assert await ask(*["ben@example.com"] * 5) == ["ben@example.com"]
    assert await ask("eve@example.com", "ben@example.com") == ["ben@example.com", "eve@example.com"]
    site.clock.advance(59)
    assert len(await ask("ben@example.com")) == 2
    site.clock.advance(1)
    assert (await ask(*["ben@example.com"] * 5))[2:] == ["ben@example.com"]


async def test_whoever_is_refused_again_and_again_fills_no_audit_log(site: Site) -> None:
    browser = Browser(site, named=named("ann@example.com"))
    for _ in range(4):
        assert (await browser.open("https://root.example.com/")).status == 403
    (refused,) = await site.events("application.refused")
    assert (refused.actor, refused.detail["application_name"]) == ("ann@example.com", "Root")
    site.clock.advance(60)
    await browser.open("https://root.example.com/")
    assert len(await site.events("application.refused")) == 2


async def test_a_disabled_person_whom_the_proxy_names_again_and_again_fills_no_audit_log(site: Site) -> None:
    browser = Browser(site, named=named("ann@example.com"))
    await browser.open(f"{PORTAL}/login")
    person = await site.services.durable.load_person_by_email("ann@example.com")
    assert person
    await site.services.durable.change_person(person.id, disabled=True, now=site.services.now())
    another = Browser(site, named=named("ann@example.com"))
    for _ in range(4):
        assert (await another.open(f"{PORTAL}/login")).status == 403
    assert len(await site.events("login.refused")) == 1


@pytest.mark.case(25)
async def test_whoever_comes_next_in_the_same_browser_logs_in_as_themselves(site: Site) -> None:
    browser = Browser(site, named=named("ann@example.com"))
    await browser.open(MENU)
    browser.named = named("ben@example.com")
    arrived = await browser.open(MENU)
    assert (arrived.status, arrived.one("Remote-User")) == (200, "ben@example.com")
    await browser.open(f"{PORTAL}/account/sessions")
    assert "ben@example.com" in browser.page.text
    assert "ann@example.com" not in browser.page.text


@pytest.mark.case(25, 80)
@pytest.mark.parametrize("path", ["/", "/account/devices", "/account/sessions", "/AddMfaDevice", "/logout"])
async def test_the_portal_ends_the_login_of_a_person_whom_the_proxy_calls_another(site: Site, path: str) -> None:
    browser = Browser(site, named=named("ann@example.com"))
    await browser.open(f"{PORTAL}/login")
    assert "ann@example.com" in browser.page.text
    copied = Browser(site, jar={"mfa.example.com": dict(browser.jar["mfa.example.com"])})
    browser.named = named("ben@example.com")
    assert "ann@example.com" not in (await browser.open(f"{PORTAL}{path}")).text
    assert [event.actor for event in await site.events("identity.mismatch")] == ["ben@example.com"]
    await copied.open(f"{PORTAL}/account/devices")
    assert copied.url.startswith(f"{PORTAL}/login")


@pytest.mark.case(3, 25)
async def test_an_identity_that_can_be_read_in_two_ways_reaches_no_account(site: Site) -> None:
    browser = Browser(site, named=named("ann@example.com"))
    await browser.open(f"{PORTAL}/login")
    browser.named = [*named("ann@example.com"), ("X_Auth_Email", "ben@example.com")]
    page = await browser.open(f"{PORTAL}/account/devices")
    assert (page.status, "ann@example.com" in page.text) == (400, False)


@pytest.mark.case(62)
async def test_what_a_client_says_of_its_own_authentication_is_believed_by_nobody(site: Site) -> None:
    fields = [*SCRIPT, ("X-Auth-Amr", "hwk,otp"), ("X-Auth-Time", "1800000000")]
    answer = await site.check(FORWARD_AUTH, MENU, fields=fields)
    assert answer.status == 401
