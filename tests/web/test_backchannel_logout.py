"""Back-channel logout: an OpenID provider's server ends our sessions."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from tests.fakes.openid_provider import CLIENT_ID, OpenIdProvider, running_provider
from tests.web.browser import FORM, Browser, Person
from tests.web.conftest import StartSite
from tests.web.provider_logout import MENU, NEWS, add_provider, is_inside, is_logged_in, log_in
from tests.web.site import PORTAL, START, STRANGER, Site
from tests.web.wire import Answer

BACKCHANNEL = "/login/backchannel-logout"


@pytest.fixture
async def provider() -> AsyncIterator[OpenIdProvider]:
    async with running_provider(lambda: START) as running:
        running.claims["sid"] = "at-the-provider"
        running.document["end_session_endpoint"] = f"{running.issuer}/end"
        yield running


@pytest.fixture
async def site(start_site: StartSite, provider: OpenIdProvider) -> Site:
    return await start_site(lambda configuration: add_provider(configuration, provider, rp_initiated_logout=True))


async def send(site: Site, *tokens: str, kind: str = FORM, source: str = "127.0.0.1", **more: str) -> Answer:
    """Post logout tokens as the provider's server does, through the proxy."""
    fields = [("Host", urlsplit(PORTAL).netloc), ("Content-Type", kind), ("X-Forwarded-For", "203.0.113.5")]
    body = urlencode([*(("logout_token", token) for token in tokens), *more.items()]).encode()
    return await site.send("portal", "POST", BACKCHANNEL, fields, body, source=source)


async def test_the_provider_ends_one_of_its_sessions_and_all_that_came_of_it_in_that_browser(
    site: Site, ann: Person, provider: OpenIdProvider, logs: io.StringIO
) -> None:
    await log_in(ann.browser, provider)
    assert (await ann.browser.open(NEWS)).status == 200
    provider.claims["sid"] = "another"
    other = Browser(site)
    await log_in(other, provider)
    answer = await send(site, provider.logout_token(sid="at-the-provider"))
    assert (answer.status, answer.body) == (200, b"")
    assert answer.one("Cache-Control") == "no-store"
    assert not answer.all("Set-Cookie")
    assert [await is_inside(ann.browser), await is_inside(ann.browser, NEWS)] == [False, False]
    assert not await is_logged_in(ann.browser)
    assert await is_inside(other)
    assert await is_logged_in(other)
    (event,) = await site.events("logout.backchannel")
    assert (event.actor, event.detail["scope"], event.detail["count"]) == ("Corp", "session", "3")
    assert len([line for line in logs.getvalue().splitlines() if "logout.backchannel" in line]) == 1


async def test_the_provider_ends_all_sessions_of_a_person_but_not_those_of_another_login(
    site: Site, ann: Person, ben: Person, provider: OpenIdProvider
) -> None:
    await ben.log_in(MENU)
    await log_in(ann.browser, provider)
    provider.claims |= {"sid": "another"}
    other = Browser(site)
    await log_in(other, provider)
    assert (await send(site, provider.logout_token(sub="s-2"))).status == 200
    assert await is_inside(ann.browser)
    assert (await send(site, provider.logout_token(sub="s-1"))).status == 200
    assert [await is_inside(ann.browser), await is_inside(other)] == [False, False]
    assert await is_inside(ben.browser)


async def test_a_session_and_a_person_that_do_not_belong_together_end_nothing(
    site: Site, ann: Person, provider: OpenIdProvider
) -> None:
    await log_in(ann.browser, provider)
    assert (await send(site, provider.logout_token(sub="s-2", sid="at-the-provider"))).status == 200
    assert (await send(site, provider.logout_token(sub="s-1", sid="another"))).status == 200
    assert await is_inside(ann.browser)
    assert (await send(site, provider.logout_token(sub="s-1", sid="at-the-provider"))).status == 200
    assert not await is_inside(ann.browser)


async def test_without_a_session_in_its_id_token_a_login_ends_with_any_session_of_the_person(
    site: Site, ann: Person, provider: OpenIdProvider
) -> None:
    del provider.claims["sid"]
    await log_in(ann.browser, provider)
    assert (await send(site, provider.logout_token(sid="some"))).status == 200
    assert await is_inside(ann.browser)
    assert (await send(site, provider.logout_token(sid="some", sub="s-1"))).status == 200
    assert not await is_inside(ann.browser)


async def test_an_application_session_that_outlived_its_login_ends_too(
    start_site: StartSite, provider: OpenIdProvider
) -> None:
    def change(configuration: dict[str, Any]) -> None:
        add_provider(configuration, provider)
        configuration["access"]["organization"]["session_duration"] = "1m"

    site = await start_site(change)
    browser = Browser(site)
    await log_in(browser, provider)
    site.clock.advance(61)
    assert await is_inside(browser)
    assert not await is_logged_in(browser)
    assert (await send(site, provider.logout_token(sid="at-the-provider"))).status == 200
    assert not await is_inside(browser)


@pytest.mark.case(24)
async def test_mfa_stays_and_an_open_device_window_closes(site: Site, ann: Person, provider: OpenIdProvider) -> None:
    await log_in(ann.browser, provider, "https://wiki.example.com/page")
    await ann.set_up_totp()
    assert await is_inside(ann.browser, "https://wiki.example.com/page")
    await ann.open_window()
    person = await site.services.durable.load_person_by_email(ann.email)
    assert person
    assert (await send(site, provider.logout_token(sid="at-the-provider"))).status == 200
    assert not await is_inside(ann.browser, "https://wiki.example.com/page")
    assert await site.services.sessions.list_logins(person.id) == ()
    assert len(await site.services.sessions.list_mfa_sessions(person.id)) == 1
    assert (await ann.browser.open(f"{PORTAL}/account/devices")).text.count("Log in with Corp") == 1


@pytest.mark.case(69)
async def test_a_logout_token_is_good_once(site: Site, ann: Person, provider: OpenIdProvider) -> None:
    token = provider.logout_token(sub="s-1")
    answers = await asyncio.gather(*(send(site, token) for _ in range(10)))
    assert sorted(answer.status for answer in answers) == [200] + [400] * 9
    site.clock.advance(1)
    provider.clock = site.clock
    await log_in(ann.browser, provider)
    answer = await send(site, token)
    assert (answer.status, answer.json["error"]) == (400, "invalid_request")
    assert await is_inside(ann.browser)


@pytest.mark.case(63)
@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "other"},
        {"aud": [CLIENT_ID, "other"]},
        {"aud": None},
        {"iat": None},
        {"iat": START + 61},
        {"exp": None},
        {"exp": START},
        {"sid": None, "sub": None},
        {"sub": 7},
        {"events": None},
        {"events": {}},
        {"events": {"http://schemas.openid.net/event/backchannel-logout": None}},
        {"nonce": "n"},
        {"jti": None},
        {"typ": "at+jwt"},
        {"key": generate_private_key(65537, 2048)},
    ],
)
async def test_a_false_logout_token_ends_nothing_and_is_logged_once(
    site: Site, ann: Person, provider: OpenIdProvider, logs: io.StringIO, claims: dict[str, Any]
) -> None:
    await log_in(ann.browser, provider)
    answer = await send(site, provider.logout_token(**{"sid": "at-the-provider", **claims}))
    assert answer.status == 400
    assert answer.one("Cache-Control") == "no-store"
    assert answer.json["error"] == "invalid_request"
    assert answer.json["error_description"]
    assert await is_inside(ann.browser)
    assert len([line for line in logs.getvalue().splitlines() if "logout.backchannel_refused" in line]) == 1
    assert not await site.events("logout.backchannel")


@pytest.mark.case(69)
async def test_an_id_token_ends_nothing(site: Site, ann: Person, provider: OpenIdProvider) -> None:
    await log_in(ann.browser, provider)
    assert (await send(site, provider.id_token(nonce="n", access_token="a"))).status == 400
    assert await is_inside(ann.browser)


async def test_a_form_that_is_none_of_a_provider_is_refused(site: Site, provider: OpenIdProvider) -> None:
    token = provider.logout_token(sid="x")
    for answer in (
        await send(site),
        await send(site, token, token),
        await send(site, "x"),
        await send(site, "%ff"),
        await send(site, token, kind="application/json"),
        await send(site, token, kind="multipart/form-data; boundary=x"),
        await send(site, token, kind=f"{FORM}; charset=utf-16"),
        await send(site, token, kind=f"{FORM}; charset=none-such"),
    ):
        assert (answer.status, answer.json["error"]) == (400, "invalid_request"), answer
    assert (await send(site, "x" * 70_000)).status == 413
    assert (await send(site, token, source=STRANGER)).status == 403


@pytest.mark.case(71)
async def test_an_unknown_issuer_costs_no_fetch_and_made_up_tokens_are_bounded(
    site: Site, ann: Person, provider: OpenIdProvider
) -> None:
    for _ in range(100):
        assert (await send(site, provider.logout_token(sid="x", iss="https://evil.example"))).status == 400
    assert provider.asked == []
    honest = provider.logout_token(sid="at-the-provider")
    refused = await send(site, honest)
    assert (refused.status, refused.json["error"], refused.one("Retry-After")) == (429, "slow_down", "600")
    site.clock.advance(601)
    provider.clock = site.clock
    await log_in(ann.browser, provider)
    assert (await send(site, provider.logout_token(sid="at-the-provider"))).status == 200
    assert not await is_inside(ann.browser)


async def test_what_cannot_be_known_is_not_refused_and_the_token_works_afterwards(
    site: Site, ann: Person, provider: OpenIdProvider
) -> None:
    await log_in(ann.browser, provider)
    token = provider.logout_token(sid="at-the-provider", exp=START + 7200)
    site.clock.advance(3 * 86400)
    late = provider.logout_token(sid="at-the-provider", iat=START + 3 * 86400, exp=START + 3 * 86400 + 60)
    provider.jwks_body = b"not keys"
    answer = await send(site, late)
    assert (answer.status, answer.json["error"]) == (503, "temporarily_unavailable")
    assert answer.all("Retry-After")
    assert answer.one("Cache-Control") == "no-store"
    assert (await send(site, token)).status == 503
    provider.jwks_body = None
    site.clock.advance(59)
    assert (await send(site, late)).status == 503, "a fetch that failed is not tried again at once"
    site.clock.advance(60)
    again = provider.logout_token(sid="at-the-provider", iat=START + 3 * 86400, exp=START + 3 * 86400 + 600)
    assert (await send(site, again)).status == 200
    assert not await is_logged_in(ann.browser)
