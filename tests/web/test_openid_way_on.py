"""What the pages of a login that came to nothing lead on to: the login that was wanted, in a way that can work."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.fakes.openid_provider import OpenIdProvider, running_provider
from tests.web.browser import Person
from tests.web.conftest import StartSite
from tests.web.openid_login import MENU, begin, log_in
from tests.web.site import DIALECTS, PORTAL, SCRIPT, START, Site, application
from tests.web.wire import Answer


@pytest.fixture
async def provider() -> AsyncIterator[OpenIdProvider]:
    async with running_provider(lambda: START) as running:
        yield running


@pytest.fixture
async def site(start_site: StartSite, provider: OpenIdProvider) -> Site:
    def change(configuration: dict[str, Any]) -> None:
        access = configuration["access"]
        access["identity_providers"].append({"name": "Corp", "type": "oidc", "config": provider.config()})
        no_mfa = {"mfa_disabled": True}
        access["applications"].append(
            application("Corp only", "corp.example.com", mfa_config=no_mfa, allowed_idps=["Corp"])
        )

    return await start_site(change)


def way(page: Answer, label: str) -> str:
    """Give where a page's one button leads."""
    found: list[tuple[str, str]] = re.findall(r'<a class="button" href="([^"]+)">([^<]+)</a>', page.text)
    assert [name for _, name in found] == [label]
    return PORTAL + found[0][0].replace("&amp;", "&")


async def test_an_application_that_does_not_accept_a_login_offers_the_ones_that_it_does(
    ann: Person, provider: OpenIdProvider
) -> None:
    await ann.log_in(MENU)
    page = await ann.browser.open("https://corp.example.com/x")
    assert page.status == 403
    assert "Corp only does not accept the way that you logged in." in page.text
    assert "Send me a code" not in page.text
    (event,) = await ann.site.events("application.refused")
    assert event.detail["reason"] == "identity_provider_not_allowed"
    to_provider = await ann.browser.request("GET", way(page, "Log in with Corp"))
    assert to_provider.one("Location").startswith(provider.issuer)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_session_of_a_login_that_is_accepted_no_more_leads_to_one_that_is(
    ann: Person, provider: OpenIdProvider, dialect: str
) -> None:
    ann.browser.dialect = dialect
    provider.claims["email"] = ann.email
    url = "https://corp.example.com/x"
    await log_in(ann.browser, provider, url)
    assert ann.browser.url == url

    def change(configuration: dict[str, Any]) -> None:
        corp = next(one for one in configuration["access"]["applications"] if one["name"] == "Corp only")
        corp["allowed_idps"] = ["PIN"]

    ann.site.reload(change)
    script = await ann.browser.request("GET", url, SCRIPT)
    assert (script.status, script.json["reason"]) == (401, "identity_provider_not_allowed")
    page = await ann.browser.open(url)
    assert page.status == 403
    assert "Corp only does not accept the way that you logged in." in page.text
    assert "Send me a code" in page.text


async def test_whoever_was_refused_at_the_provider_begins_the_same_login_again(
    ann: Person, provider: OpenIdProvider
) -> None:
    refused = await log_in(ann.browser, provider, error="access_denied", code="")
    again = await ann.browser.open(way(refused, "Log in again"))
    assert "to continue to Menu" in again.text


async def test_whoever_met_an_outage_begins_the_same_login_again(ann: Person, provider: OpenIdProvider) -> None:
    provider.token_status = 500
    failed = await ann.browser.open(provider.authorize(await begin(ann.browser)))
    assert failed.status == 503
    again = await ann.browser.open(way(failed, "Try again"))
    assert "to continue to Menu" in again.text
