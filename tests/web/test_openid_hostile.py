"""What a hostile provider, a mix-up of two and a thief of answers get: one clear page, one line with the reason."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from tests.fakes.openid_provider import CLIENT_ID, OpenIdProvider, public_jwk, running_provider
from tests.web.browser import Browser
from tests.web.conftest import StartSite
from tests.web.openid_login import CALLBACK, MENU, asked_of, begin, lines, log_in, refusal
from tests.web.site import START, Site

Lie = Callable[[OpenIdProvider], object]


@pytest.fixture
async def provider() -> AsyncIterator[OpenIdProvider]:
    async with running_provider(lambda: START) as running:
        yield running


@pytest.fixture
async def other() -> AsyncIterator[OpenIdProvider]:
    async with running_provider(lambda: START) as running:
        running.claims |= {"sub": "other", "email": "other@example.com"}
        yield running


@pytest.fixture
async def site(start_site: StartSite, provider: OpenIdProvider, other: OpenIdProvider) -> Site:
    def change(configuration: dict[str, Any]) -> None:
        configuration["access"]["identity_providers"] += [
            {"name": "Corp", "type": "oidc", "config": provider.config()},
            {"name": "Other", "type": "oidc", "config": other.config()},
        ]

    return await start_site(change)


async def nobody_is_in(site: Site, browser: Browser) -> None:
    assert not any("secondgate_login" in cookie for cookie in browser.set_cookies)
    assert not await site.services.durable.list_people()
    assert (await browser.request("GET", MENU)).status == 302


def tokens(**claims: object) -> Lie:
    return lambda provider: setattr(provider, "lie_token", lambda token: token.update(claims))


def without(name: str) -> Lie:
    return lambda provider: setattr(provider, "lie_token", lambda token: token.pop(name))


def headers(**values: object) -> Lie:
    return lambda provider: setattr(provider, "lie_header", values)


def response(**values: object) -> Lie:
    return lambda provider: setattr(provider, "lie_response", values)


def keys(*changes: dict[str, object]) -> Lie:
    """Publish the provider's key once for each of these, changed as it says."""

    def publish(provider: OpenIdProvider) -> None:
        published = [{**public_jwk(provider.key, provider.kid), **change} for change in changes]
        provider.jwks_body = json.dumps({"keys": published}).encode()

    return publish


def userinfo(**claims: object) -> Lie:
    return lambda provider: setattr(provider, "userinfo", claims)


@pytest.mark.case(63)
@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        (tokens(iss="https://evil.example"), "token_claims"),
        (without("iss"), "token_claims"),
        (tokens(aud="other"), "token_claims"),
        (tokens(aud=[CLIENT_ID, "other"]), "token_claims"),
        (tokens(aud=[CLIENT_ID, 7], azp=CLIENT_ID), "token_claims"),
        (tokens(azp="other"), "token_claims"),
        (tokens(nonce="other"), "token_claims"),
        (without("nonce"), "token_claims"),
        (without("sub"), "token_claims"),
        (tokens(sub="x" * 256), "token_claims"),
        (tokens(sub="a\nb"), "token_claims"),
        (without("iat"), "token_claims"),
        (tokens(iat=START - 10, exp=START), "token_expired"),
        (tokens(at_hash="wrong"), "token_claims"),
        (tokens(auth_time=-1), "token_claims"),
        (headers(kid="unknown"), "token_key"),
        (headers(kid="../../dev/null"), "token_key"),
        (headers(kid="' or 1=1 --"), "token_key"),
        (headers(typ="logout+jwt"), "token_header"),
        (headers(jwk={"kty": "oct", "k": "AA"}), "token_header"),
        (headers(x5u="https://evil.example/"), "token_header"),
        (keys(), "token_key"),
        (keys({}, {}), "token_key"),
        (keys({"use": "enc"}), "token_key"),
        (keys({"alg": "PS256"}), "token_header"),
        (keys({"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"}), "token_key"),
        (response(id_token="a.b"), "token_header"),
        (response(id_token="x" * 20_000), "token_size"),
        (response(id_token=None), "token_claims"),
        (response(token_type="mac"), "token_claims"),
        (response(access_token="a\r\nX-Evil: 1"), "token_claims"),
        (userinfo(sub="s-2"), "token_claims"),
        (userinfo(email="ann@example.com"), "token_claims"),
    ],
)
async def test_a_lie_of_the_provider_is_refused_on_one_page_and_in_one_line(
    site: Site, provider: OpenIdProvider, logs: io.StringIO, lie: Lie, reason: str
) -> None:
    lie(provider)
    browser = Browser(site)
    assert refusal(await log_in(browser, provider), logs) == reason
    await nobody_is_in(site, browser)
    assert len(await site.events("login.failed")) == 1


@pytest.mark.case(63)
@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ((None, "none"), "token_header"),
        ((b"k" * 32, "HS256"), "token_header"),
        ((generate_private_key(65537, 2048), "RS256"), "token_signature"),
        ((generate_private_key(65537, 2048), "RS512"), "token_header"),
    ],
)
async def test_a_signature_that_is_not_the_providers_is_refused(
    site: Site, provider: OpenIdProvider, logs: io.StringIO, key: tuple[Any, str], reason: str
) -> None:
    browser = Browser(site)
    url = await begin(browser)
    honest = provider.id_token(nonce=asked_of(url)["nonce"], access_token="a")
    claims = jwt.decode(honest, options={"verify_signature": False})
    forged = jwt.encode(claims, key[0], algorithm=key[1], headers={"kid": "k1"})
    provider.lie_response = {"id_token": forged, "access_token": "a"}
    assert refusal(await browser.open(provider.authorize(url)), logs) == reason
    await nobody_is_in(site, browser)


@pytest.mark.case(64)
@pytest.mark.parametrize(
    "query", ["", "?code=x", "?code=x&state=", "?code=x&state=wrong", "?state=a&state=b&code=x", "?state=%00%ff&code=x"]
)
async def test_a_state_that_is_not_ours_is_one_line_and_nothing_durable(
    site: Site, logs: io.StringIO, query: str
) -> None:
    assert refusal(await Browser(site).open(CALLBACK + query), logs) == "unknown_or_used"
    assert not await site.events("login.failed")


@pytest.mark.case(64)
async def test_an_answer_used_twice_stolen_or_late_is_refused_with_its_reason(
    site: Site, provider: OpenIdProvider, logs: io.StringIO
) -> None:
    ann, thief = Browser(site), Browser(site)
    url = provider.authorize(await begin(ann))
    await begin(thief)
    assert refusal(await thief.open(url), logs) == "other_browser"
    assert refusal(await ann.open(url), logs) == "unknown_or_used"
    assert "token" not in provider.asked
    url = provider.authorize(await begin(ann))
    site.clock.advance(600)
    assert refusal(await ann.open(url), logs) == "unknown_or_used"
    provider.clock = site.clock
    url = provider.authorize(await begin(ann))
    assert (await ann.open(url)).status == 200
    logs.truncate(logs.seek(0))
    logs.seek(0)
    assert refusal(await ann.open(url), logs) == "unknown_or_used"
    assert provider.asked.count("token") == 1


@pytest.mark.case(64)
async def test_a_code_of_another_login_fails_by_its_challenge(
    site: Site, provider: OpenIdProvider, logs: io.StringIO
) -> None:
    victim, attacker = Browser(site), Browser(site)
    code = asked_of(provider.authorize(await begin(victim)))["code"]
    injected = provider.authorize(await begin(attacker), code=code)
    assert refusal(await attacker.open(injected), logs) == "provider_refused"
    await nobody_is_in(site, attacker)


@pytest.mark.case(64)
@pytest.mark.parametrize("again", ["&code=x", "&iss=https://evil.example", "&error=x&error=y"])
async def test_an_answer_in_which_something_stands_twice_is_refused(
    site: Site, provider: OpenIdProvider, logs: io.StringIO, again: str
) -> None:
    browser = Browser(site)
    assert refusal(await browser.open(provider.authorize(await begin(browser)) + again), logs) == "malformed"
    assert "token" not in provider.asked


@pytest.mark.case(65)
@pytest.mark.parametrize("iss", ["https://evil.example", "", "other"])
async def test_an_answer_of_another_provider_is_refused_before_the_code_is_sent_anywhere(
    site: Site, provider: OpenIdProvider, other: OpenIdProvider, logs: io.StringIO, iss: str
) -> None:
    browser = Browser(site)
    named = other.issuer if iss == "other" else iss
    answer = await browser.open(provider.authorize(await begin(browser), iss=named))
    assert refusal(answer, logs) == "token_claims"
    assert "token" not in provider.asked + other.asked


@pytest.mark.case(65)
async def test_a_provider_with_a_redirect_uri_of_its_own_is_mixed_up_with_no_other_though_it_sends_no_iss(
    start_site: StartSite, provider: OpenIdProvider, other: OpenIdProvider, logs: io.StringIO
) -> None:
    """Other hands its visitor on to Corp, with what an attacker's own login at Corp began with (RFC 9700, 4.4.1)."""
    provider.document = {"authorization_response_iss_parameter_supported": False}

    def change(configuration: dict[str, Any]) -> None:
        configuration["access"]["identity_providers"] += [
            {"name": "Corp", "type": "oidc", "config": provider.config(callback_name="corp")},
            {"name": "Other", "type": "oidc", "config": other.config()},
        ]

    site = await start_site(change)
    attacker, visitor = Browser(site), Browser(site)
    begun = await begin(attacker)
    assert asked_of(begun)["redirect_uri"] == f"{CALLBACK}/corp"
    state = asked_of(await begin(visitor, name="Other"))["state"]
    stolen = await visitor.open(provider.authorize(begun, state=state, iss=""))
    assert refusal(stolen, logs) == "token_claims"
    assert "token" not in other.asked
    await nobody_is_in(site, visitor)
    assert (await log_in(Browser(site), provider, iss="")).status == 200


@pytest.mark.case(65)
async def test_a_code_of_one_provider_is_worth_nothing_at_another(
    site: Site, provider: OpenIdProvider, other: OpenIdProvider, logs: io.StringIO
) -> None:
    browser = Browser(site)
    code = asked_of(provider.authorize(await begin(browser)))["code"]
    mixed = other.authorize(await begin(browser, name="Other"), code=code)
    assert refusal(await browser.open(mixed), logs) == "provider_refused"
    await nobody_is_in(site, browser)


@pytest.mark.case(65)
async def test_a_token_of_one_provider_is_worth_nothing_at_another(
    site: Site, provider: OpenIdProvider, other: OpenIdProvider, logs: io.StringIO
) -> None:
    browser = Browser(site)
    url = await begin(browser, name="Other")
    stolen = provider.id_token(nonce=asked_of(url)["nonce"], access_token="a")
    other.lie_response = {"id_token": stolen, "access_token": "a"}
    assert refusal(await browser.open(other.authorize(url)), logs) == "token_signature"
    await nobody_is_in(site, browser)


@pytest.mark.case(65)
async def test_the_same_subject_of_two_providers_is_two_people(
    site: Site, provider: OpenIdProvider, other: OpenIdProvider
) -> None:
    other.claims["sub"] = provider.claims["sub"]
    await log_in(Browser(site), provider)
    second = Browser(site)
    assert (await second.open(other.authorize(await begin(second, name="Other")))).status == 200
    assert len(await site.services.durable.list_people()) == 2


@pytest.mark.case(65)
@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"email_verified": False}, "email_not_verified"),
        ({"email_verified": "true"}, "email_not_verified"),
        ({"email_verified": 1}, "email_not_verified"),
        ({"email": None}, "email_not_verified"),
        ({"email": "a@b@example.com"}, "malformed"),
        ({"email": "ann@example.com@evil.example"}, "malformed"),
        ({"email": "ann@example.com\n"}, "malformed"),
        ({"email": "ann@example.com, root@example.com"}, "malformed"),
        ({"email": {"a": 1}}, "malformed"),
        ({"email": ""}, "malformed"),
    ],
)
async def test_an_address_that_nobody_vouches_for_is_refused(
    site: Site, provider: OpenIdProvider, logs: io.StringIO, claims: dict[str, object], reason: str
) -> None:
    provider.claims |= claims
    browser = Browser(site)
    assert refusal(await log_in(browser, provider), logs) == reason
    await nobody_is_in(site, browser)


@pytest.mark.case(21, 63)
@pytest.mark.parametrize(
    "error", ["<script>alert(1)</script>", "a\r\nlogin.succeeded", "\x1b[31m\x00\u202e", "x" * 5000]
)
async def test_an_error_of_the_provider_is_inert_in_page_and_log(
    site: Site, provider: OpenIdProvider, logs: io.StringIO, error: str
) -> None:
    browser = Browser(site)
    page = await browser.open(provider.authorize(await begin(browser), error=error, code=""))
    assert error[:20] not in page.text
    assert "\x1b" not in logs.getvalue()
    assert "\x00" not in logs.getvalue()
    (line,) = lines(logs, "login.failed")
    assert len(line["detail"]) < 1000
    assert refusal(page, logs) == "provider_refused"
    (event,) = await site.events("login.failed")
    assert event.detail["detail"].isprintable()
