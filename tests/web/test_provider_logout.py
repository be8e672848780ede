"""Logging out here goes on to the OpenID provider, and comes back."""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tests.fakes.openid_provider import OpenIdProvider, running_provider
from tests.web.browser import FORM, Browser, Person
from tests.web.conftest import StartSite
from tests.web.provider_logout import MENU, add_provider, is_inside, is_logged_in, log_in
from tests.web.site import PORTAL, START, Site

RETURN = f"{PORTAL}/logout/callback"


@pytest.fixture
async def provider() -> AsyncIterator[OpenIdProvider]:
    async with running_provider(lambda: START) as running:
        running.claims["sid"] = "at-the-provider"
        running.document["end_session_endpoint"] = f"{running.issuer}/end"
        yield running


@pytest.fixture
async def site(start_site: StartSite, provider: OpenIdProvider) -> Site:
    return await start_site(lambda configuration: add_provider(configuration, provider, rp_initiated_logout=True))


async def log_out(browser: Browser) -> str:
    """Log out on the page before this browser; gives where the page goes on to, empty for nowhere."""
    await browser.submit(scope="browser")
    assert browser.page.status == 200, browser.page
    assert "You are logged out" in browser.page.text
    found = re.search(r'<meta http-equiv="refresh" content="0; url=([^"]+)">', browser.page.text)
    if found is None:
        return ""
    assert f'href="{found[1]}"' in browser.page.text
    return unescape(found[1])


async def test_logging_out_goes_on_to_the_provider_and_comes_back(ann: Person, provider: OpenIdProvider) -> None:
    await log_in(ann.browser, provider)
    await ann.browser.open(f"{PORTAL}/logout")
    url = await log_out(ann.browser)
    assert not await is_inside(ann.browser), "our sessions have ended before the browser leaves"
    assert not await is_logged_in(ann.browser)
    asked, back = provider.end_session(url)
    assert asked.keys() == {"id_token_hint", "client_id", "post_logout_redirect_uri", "state"}
    assert asked["post_logout_redirect_uri"] == RETURN
    assert len(asked["state"]) >= 43
    returned = await ann.browser.open(back)
    assert returned.status == 200
    assert "You are logged out here and at Corp." in returned.text


async def test_the_hint_goes_on_through_mfa_and_is_nowhere_in_clear(
    site: Site, ann: Person, provider: OpenIdProvider
) -> None:
    await log_in(ann.browser, provider, "https://wiki.example.com/page")
    await ann.set_up_totp()
    await ann.browser.open(f"{PORTAL}/logout")
    stored = repr(site.rows())
    hint = provider.end_session(await log_out(ann.browser))[0]["id_token_hint"]
    assert all(part not in stored for part in hint.split("."))


async def test_an_application_host_goes_on_to_the_provider_too(ann: Person, provider: OpenIdProvider) -> None:
    await log_in(ann.browser, provider)
    await ann.browser.open("https://menu.example.com/.secondgate/logout?here=yes")
    url = await log_out(ann.browser)
    assert not await is_inside(ann.browser)
    assert "id_token_hint" in provider.end_session(url)[0]


async def test_where_the_login_is_over_the_provider_asks_the_person(
    start_site: StartSite, provider: OpenIdProvider
) -> None:
    def change(configuration: dict[str, Any]) -> None:
        add_provider(configuration, provider, rp_initiated_logout=True)
        configuration["access"]["organization"]["session_duration"] = "1m"

    site = await start_site(change)
    browser = Browser(site)
    await log_in(browser, provider)
    site.clock.advance(61)
    await browser.open("https://menu.example.com/.secondgate/logout?here=yes")
    asked, _ = provider.end_session(await log_out(browser))
    assert asked.keys() == {"client_id", "post_logout_redirect_uri", "state"}


async def test_ending_all_sessions_goes_on_to_the_provider(ann: Person, provider: OpenIdProvider) -> None:
    await log_in(ann.browser, provider)
    await ann.browser.open(f"{PORTAL}/account/sessions")
    action = "/account/sessions/end"
    token = ann.browser.form("csrf_token").fields["csrf_token"]
    fields = [("Content-Type", FORM), ("Origin", PORTAL), ("Sec-Fetch-Site", "same-origin")]
    answer = await ann.browser.request("POST", PORTAL + action, fields, urlencode({"csrf_token": token}).encode())
    assert (answer.status, f"{provider.issuer}/end?" in answer.text) == (200, True)
    assert "All your sessions have ended" in answer.text


async def test_unless_the_settings_say_so_logging_out_stays_here(
    start_site: StartSite, provider: OpenIdProvider
) -> None:
    site = await start_site(lambda configuration: add_provider(configuration, provider))
    browser = Browser(site)
    await log_in(browser, provider)
    person = await site.services.durable.load_person_by_email("ann@example.com")
    assert person
    (login,) = await site.services.sessions.list_logins(person.id)
    assert login.sealed_id_token == ""
    await browser.open(f"{PORTAL}/logout")
    assert await log_out(browser) == ""
    assert "Corp" not in browser.page.text


async def test_a_login_with_a_pin_has_no_provider_to_tell(ann: Person, provider: OpenIdProvider) -> None:
    await ann.log_in(MENU)
    await ann.browser.open(f"{PORTAL}/logout")
    assert await log_out(ann.browser) == ""
    assert "Corp" not in ann.page.text
    assert provider.asked == []


async def test_an_end_session_url_of_the_settings_needs_no_document(
    start_site: StartSite, provider: OpenIdProvider
) -> None:
    explicit = {
        "auth_url": f"{provider.issuer}/authorize",
        "token_url": f"{provider.issuer}/token",
        "certs_url": f"{provider.issuer}/jwks",
        "end_session_url": f"{provider.issuer}/end",
    }
    site = await start_site(lambda configuration: add_provider(configuration, provider, **explicit))
    browser = Browser(site)
    await log_in(browser, provider)
    await browser.open(f"{PORTAL}/logout")
    assert provider.end_session(await log_out(browser))[1].startswith(RETURN)
    assert "discovery" not in provider.asked


@pytest.mark.parametrize("endpoint", [None, "//other.example/end", "javascript:alert(1)", 7])
async def test_a_provider_that_names_no_usable_place_keeps_nobody_from_logging_out(
    ann: Person, provider: OpenIdProvider, endpoint: object
) -> None:
    provider.document["end_session_endpoint"] = endpoint
    await log_in(ann.browser, provider)
    await ann.browser.open(f"{PORTAL}/logout")
    assert await log_out(ann.browser) == ""
    assert "Corp could not be told: your session there may still be open." in ann.page.text
    assert not await is_inside(ann.browser)


async def test_a_document_that_cannot_be_had_keeps_nobody_from_logging_out(
    site: Site, ann: Person, provider: OpenIdProvider, logs: io.StringIO
) -> None:
    await log_in(ann.browser, provider)
    site.clock.advance(86400 + 1)
    provider.document["issuer"] = "https://evil.example"
    await ann.browser.open(f"{PORTAL}/logout")
    assert await log_out(ann.browser) == ""
    assert "may still be open" in ann.page.text
    assert not await is_logged_in(ann.browser)
    assert "logout.provider_unavailable" in logs.getvalue()


async def test_the_way_back_says_only_what_is_so(site: Site, ann: Person, provider: OpenIdProvider) -> None:
    for query in ("", "?state=made-up", "?state=a&state=b"):
        page = await ann.browser.open(RETURN + query)
        assert (page.status, "You are logged out" in page.text, "Corp" in page.text) == (200, True, False)
    await log_in(ann.browser, provider)
    answer = await ann.browser.request("GET", f"{RETURN}?state=x")
    assert (answer.status, answer.one("Location")) == (303, "/"), "whoever is logged in is not told otherwise"
    await ann.browser.open(f"{PORTAL}/logout")
    state = parse_qs(urlsplit(await log_out(ann.browser)).query)["state"][0]
    for expected in (True, True, False):
        page = await ann.browser.open(f"{RETURN}?state={state}")
        assert ("at Corp" in page.text) is expected
        site.clock.advance(300)


@pytest.mark.case(21)
async def test_a_hostile_endpoint_is_inert_in_the_page(ann: Person, provider: OpenIdProvider) -> None:
    provider.document["end_session_endpoint"] = f"{provider.issuer}/end?\"'><script>alert(1)</script>"
    await log_in(ann.browser, provider)
    await ann.browser.open(f"{PORTAL}/logout")
    await ann.browser.submit(scope="browser")
    assert "<script>alert" not in ann.page.text
