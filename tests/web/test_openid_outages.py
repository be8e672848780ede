"""An OpenID Connect provider that is slow, broken or leads elsewhere: bounded, one clear page, one line in the log."""

from __future__ import annotations

import asyncio
import io
import re
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientTimeout

from secondgate.store.outgoing import HttpOutgoing
from tests.fakes.openid_provider import OpenIdProvider, running_provider
from tests.web.browser import Browser
from tests.web.conftest import StartSite
from tests.web.openid_login import MENU, lines, log_in
from tests.web.site import START, Site
from tests.web.wire import Answer

FAILURES = ("login.failed", "portal.rejected", "portal.unavailable", "portal.error")
Lie = Callable[[OpenIdProvider], object]


@pytest.fixture
async def provider() -> AsyncIterator[OpenIdProvider]:
    async with running_provider(lambda: START) as running:
        yield running


@pytest.fixture
async def site(start_site: StartSite, provider: OpenIdProvider) -> Site:
    def change(configuration: dict[str, Any]) -> None:
        access = configuration["access"]
        access["identity_providers"].append({"name": "Corp", "type": "oidc", "config": provider.config()})

    return await start_site(change)


async def nobody_is_in(site: Site, browser: Browser) -> None:
    assert not any("secondgate_login" in cookie for cookie in browser.set_cookies)
    assert not await site.services.durable.list_people()


def unavailable(page: Answer, logs: io.StringIO) -> str:
    """Give the reason of the one log line of a login that could not be judged, whose page says to try again."""
    assert page.status == 503
    assert "We cannot check your login now" in page.text
    (line,) = lines(logs, *FAILURES)
    assert line["event"] == "portal.unavailable"
    reason: str = line["reason"]
    assert reason not in page.text
    logs.truncate(logs.seek(0))
    logs.seek(0)
    return reason


def be_huge(provider: OpenIdProvider) -> None:
    provider.jwks_body = b" " * 10_000_000


def break_down(status: int) -> Lie:
    return lambda provider: setattr(provider, "token_status", status)


def redirect_keys(to: str) -> Lie:
    return lambda provider: setattr(provider, "redirect_jwks_to", to)


def document(**claims: object) -> Lie:
    return lambda provider: setattr(provider, "document", claims)


@pytest.mark.case(63, 66)
@pytest.mark.parametrize(
    ("lie", "words"),
    [
        (be_huge, "sent more than 1048576 bytes"),
        (break_down(502), "answered 502"),
        (break_down(429), "answered 429"),
        (break_down(302), "answered 302"),
        (break_down(204), "answered 204"),
        (redirect_keys("http://127.0.0.1:1/"), "answered 302"),
        (redirect_keys("https://evil.example/jwks"), "answered 302"),
        (lambda provider: setattr(provider, "jwks_body", b"<html>"), "cannot be used"),
    ],
)
async def test_a_provider_that_is_broken_is_an_outage_with_its_reason(
    site: Site, provider: OpenIdProvider, logs: io.StringIO, lie: Lie, words: str
) -> None:
    lie(provider)
    browser = Browser(site)
    assert words in unavailable(await log_in(browser, provider), logs)
    await nobody_is_in(site, browser)
    assert not await site.events("login.failed")


@pytest.mark.case(63, 66)
@pytest.mark.parametrize(
    ("lie", "words"),
    [
        (document(issuer="https://evil.example"), "another issuer"),
        (document(issuer=None), "another issuer"),
        (document(authorization_endpoint="javascript:alert(1)"), "authorization_endpoint"),
        (document(token_endpoint="file:///etc/passwd"), "token_endpoint"),
        (document(jwks_uri="https://u:p@evil.example/"), "jwks_uri"),
    ],
)
async def test_a_document_of_lies_leads_nobody_anywhere(
    site: Site, provider: OpenIdProvider, logs: io.StringIO, lie: Lie, words: str
) -> None:
    lie(provider)
    browser = Browser(site)
    page = await browser.open(MENU)
    found = re.search(r'href="(/login/[^"]+)">Log in with Corp<', page.text)
    assert found
    page = await browser.open(found[1].replace("&amp;", "&"))
    assert words in unavailable(page, logs)


@pytest.mark.case(66)
@pytest.mark.parametrize("field", ["jwks_uri", "token_endpoint", "userinfo_endpoint"])
@pytest.mark.parametrize("host", ["localhost", "[::1]", "169.254.169.254", "10.0.0.1", "127.1"])
async def test_a_document_cannot_lead_us_into_private_networks(
    site: Site, provider: OpenIdProvider, logs: io.StringIO, field: str, host: str
) -> None:
    provider.document = {field: f"http://{host}:{urlsplit(provider.issuer).port}/x"}
    if field == "userinfo_endpoint":
        provider.claims.pop("name")
    browser = Browser(site)
    assert host.strip("[]") in unavailable(await log_in(browser, provider), logs)
    await nobody_is_in(site, browser)


@pytest.mark.case(66)
async def test_a_provider_that_does_not_answer_is_waited_for_no_longer_than_the_limit_and_stops_nobody_who_is_in(
    site: Site, provider: OpenIdProvider, logs: io.StringIO
) -> None:
    ann = Browser(site)
    assert (await log_in(ann, provider)).status == 200
    outgoing = site.services.outgoing
    assert isinstance(outgoing, HttpOutgoing)
    await outgoing.close()
    outgoing._configured, outgoing._timeout = None, ClientTimeout(total=0.3)  # the same client with less patience
    logs.truncate(logs.seek(0))
    provider.slow_s = 1.5
    began = time.monotonic()
    late, still_in = await asyncio.gather(log_in(Browser(site), provider), ann.open(MENU))
    assert "gave no answer: TimeoutError" in unavailable(late, logs)
    assert still_in.status == 200
    assert time.monotonic() - began < 1.5
