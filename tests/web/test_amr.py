"""The identity provider's own MFA, told by a trusted proxy, in place of a challenge of ours."""

from __future__ import annotations

from typing import Any

import pytest

from tests.web.browser import Browser
from tests.web.conftest import StartSite
from tests.web.site import DIALECTS, PORTAL, START, Site
from tests.web.wire import Fields

VAULT = "https://vault.example.com/page"
NAMES = {"email": "X-Email", "amr": "X-Amr", "auth_time": "X-Auth-Time"}


def matching(configuration: dict[str, Any]) -> None:
    configuration["identity"] = {"headers": [NAMES]}
    configuration["access"]["organization"]["mfa_config"]["amr_matching_session_duration"] = "1h"


def told(amr: str, auth_time: int = START) -> Fields:
    return [("X-Email", "ann@example.com"), ("X-Amr", amr), ("X-Auth-Time", str(auth_time))]


async def opened(site: Site, fields: Fields, url: str = VAULT) -> Browser:
    browser = Browser(site, named=fields)
    await browser.open(url)
    return browser


@pytest.mark.case(60)
async def test_a_key_used_at_the_provider_is_not_asked_for_again(start_site: StartSite) -> None:
    site = await start_site(matching)
    browser = await opened(site, told("pwd,hwk"))
    assert (browser.url, browser.page.status) == (VAULT, 200)
    (event,) = await site.events("application.login")
    assert (event.detail["method"], event.detail["proved_at"]) == ("security_key", "identity_provider")
    identity = await browser.request("GET", "https://vault.example.com/cdn-cgi/access/get-identity")
    assert (identity.json["amr"], identity.json["mfa"]) == (["pwd", "hwk"], {"security_key": START})


@pytest.mark.case(60)
@pytest.mark.parametrize("amr", ["pwd", "mfa", "otp", "HWK", ""])
async def test_anything_else_leads_to_enrolment(start_site: StartSite, amr: str) -> None:
    site = await start_site(matching)
    browser = await opened(site, told(amr) if amr else told("pwd"))
    assert browser.url.startswith(f"{PORTAL}/AddMfaDevice")


@pytest.mark.case(61)
async def test_a_proof_that_is_too_old_counts_no_more(start_site: StartSite) -> None:
    site = await start_site(matching)
    assert (await opened(site, told("hwk", START - 3599))).url == VAULT
    assert (await opened(site, told("hwk", START - 3600))).url.startswith(f"{PORTAL}/AddMfaDevice")


@pytest.mark.case(62)
async def test_amr_from_an_untrusted_peer_is_not_believed(start_site: StartSite) -> None:
    site = await start_site(matching)
    for dialect in DIALECTS:
        answer = await site.check(dialect, VAULT, fields=told("hwk"), source="127.0.0.9")
        assert answer.status == 403
    login = await site.send("portal", "GET", "/login", [("Host", "mfa.example.com"), *told("hwk")], source="127.0.0.9")
    assert login.all("Set-Cookie") == [line for line in login.all("Set-Cookie") if "secondgate_login" not in line]


async def test_turning_matching_off_counts_at_the_next_request(start_site: StartSite) -> None:
    site = await start_site(matching)
    browser = await opened(site, told("hwk"))
    assert browser.page.status == 200

    def off(configuration: dict[str, Any]) -> None:
        del configuration["access"]["organization"]["mfa_config"]["amr_matching_session_duration"]

    site.reload(off)
    cookie = browser.cookies("vault.example.com")
    for dialect in DIALECTS:
        assert (await site.check(dialect, VAULT, cookie=cookie, fields=told("hwk"))).status in {302, 401}


@pytest.mark.case(61)
async def test_it_does_not_open_the_window(start_site: StartSite) -> None:
    site = await start_site(matching)
    browser = await opened(site, told("hwk"))
    await browser.open(f"{PORTAL}/account/devices")
    assert "you can change devices until" not in browser.page.text


@pytest.mark.case(61)
async def test_a_newer_login_at_the_proxy_is_taken_and_the_same_one_is_not_taken_twice(start_site: StartSite) -> None:
    site = await start_site(matching)
    browser = await opened(site, told("pwd"))
    assert browser.url.startswith(f"{PORTAL}/AddMfaDevice")
    site.clock.advance(300)
    browser.named = told("pwd,hwk", START + 290)
    assert (await browser.open(VAULT)).status == 200
    assert browser.url == VAULT
    logins = len(await site.events("login.succeeded"))
    site.clock.advance(30)
    browser.named = told("pwd,hwk", START + 320)
    await browser.open(f"{PORTAL}/login")
    assert len(await site.events("login.succeeded")) == logins
