"""Login at an OpenID Connect provider: the way in, and what a hostile provider or a thief of answers gets."""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from tests.fakes.openid_provider import OpenIdProvider, running_provider
from tests.web.browser import Browser, Person
from tests.web.conftest import StartSite
from tests.web.openid_login import CALLBACK, MENU, begin, log_in
from tests.web.site import PORTAL, START, Site, application


@pytest.fixture
async def provider() -> AsyncIterator[OpenIdProvider]:
    async with running_provider(lambda: START) as running:
        yield running


@pytest.fixture
async def site(start_site: StartSite, provider: OpenIdProvider) -> Site:
    def change(configuration: dict[str, Any]) -> None:
        access = configuration["access"]
        access["identity_providers"].append({"name": "Corp", "type": "oidc", "config": provider.config()})
        access["applications"] += [
            application("Corp only", "corp.example.com", mfa_config={"mfa_disabled": True}, allowed_idps=["Corp"]),
            application(
                "Straight",
                "straight.example.com",
                mfa_config={"mfa_disabled": True},
                allowed_idps=["Corp"],
                auto_redirect_to_identity=True,
            ),
        ]

    return await start_site(change)


async def test_a_person_logs_in_at_the_provider_and_arrives(ann: Person, provider: OpenIdProvider) -> None:
    provider.claims |= {"groups": ["staff", "a,b"], "amr": ["otp"], "auth_time": START - 60}
    arrived = await log_in(ann.browser, provider)
    assert (arrived.status, ann.browser.url) == (200, MENU)
    assert arrived.one("Remote-Email") == "ann@example.com"
    assert (arrived.one("Remote-Name"), arrived.one("Remote-Groups")) == ("Ann", "staff")


async def test_state_nonce_and_challenge_are_new_at_each_login(ann: Person) -> None:
    queries = [parse_qs(urlsplit(await begin(ann.browser)).query) for _ in range(2)]
    for name in ("state", "nonce", "code_challenge"):
        assert queries[0][name] != queries[1][name]
        assert len(queries[0][name][0]) >= 43
    assert queries[0]["code_challenge_method"] == ["S256"]


async def test_the_login_page_offers_the_provider_beside_the_pin(ann: Person) -> None:
    page = await ann.browser.open(MENU)
    assert "Send me a code" in page.text
    assert "Log in with Corp" in page.text


async def test_an_application_may_allow_one_provider_and_go_straight_to_it(
    ann: Person, provider: OpenIdProvider
) -> None:
    assert "Send me a code" not in (await ann.browser.open("https://corp.example.com/")).text
    first = await ann.browser.request("GET", "https://straight.example.com/x")
    second = await ann.browser.request("GET", first.one("Location"))
    third = await ann.browser.request("GET", second.one("Location"))
    arrived = await ann.browser.open(provider.authorize(third.one("Location")))
    assert (arrived.status, ann.browser.url) == (200, "https://straight.example.com/x")


async def test_userinfo_gives_what_the_token_does_not(ann: Person, provider: OpenIdProvider) -> None:
    provider.userinfo = {**provider.claims, "groups": ["staff"]}
    provider.claims = {"sub": "s-1"}
    assert (await log_in(ann.browser, provider)).one("Remote-Groups") == "staff"
    assert "userinfo" in provider.asked


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_the_client_proves_itself_either_way(
    start_site: StartSite, provider: OpenIdProvider, method: str
) -> None:
    def change(configuration: dict[str, Any]) -> None:
        config = provider.config(token_endpoint_auth_method=method)
        configuration["access"]["identity_providers"].append({"name": "Corp", "type": "oidc", "config": config})

    browser = Browser(await start_site(change))
    assert (await log_in(browser, provider)).status == 200


def _without(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda claims: claims.pop(name)


def _with(**values: object) -> Callable[[dict[str, Any]], None]:
    return lambda claims: claims.update(values)


@pytest.mark.case(63)
@pytest.mark.parametrize(
    "lie",
    [
        _with(iss="https://evil.example"),
        _without("iss"),
        _with(aud="other"),
        _with(aud=["portal", "other"]),
        _with(aud=["portal", "other"], azp="other"),
        _with(azp="other"),
        _with(aud=[]),
        _with(nonce="x"),
        _without("nonce"),
        _without("sub"),
        _with(sub=""),
        _with(sub=7),
        _without("iat"),
        _without("exp"),
        _with(exp=START),
        _with(iat=START + 61),
        _with(exp=1e308),
        _with(exp=str(START + 60)),
        _with(exp=START + 10**9),
        _with(at_hash="x"),
        _with(at_hash=None),
        _with(auth_time="now"),
    ],
)
async def test_a_false_token_logs_nobody_in_and_is_logged_once(
    ann: Person, provider: OpenIdProvider, logs: io.StringIO, lie: Callable[[dict[str, Any]], None]
) -> None:
    provider.lie_token = lie
    page = await log_in(ann.browser, provider)
    assert page.status == 400
    assert "You could not be logged in" in page.text
    assert not any("secondgate_login" in cookie for cookie in ann.browser.set_cookies)
    lines = [line for line in logs.getvalue().splitlines() if '"token_' in line]
    assert len(lines) == 1
    assert "login.failed" in lines[0]
    assert len(await ann.site.events("login.failed")) == 1


@pytest.mark.case(63)
@pytest.mark.parametrize(
    "header",
    [{"kid": "other"}, {"typ": "at+jwt"}, {"crit": ["x"], "x": 1}, {"jku": "https://evil.example"}, {"kid": ""}],
)
async def test_a_token_with_a_false_header_logs_nobody_in(
    ann: Person, provider: OpenIdProvider, header: dict[str, Any]
) -> None:
    provider.lie_header = header
    assert (await log_in(ann.browser, provider)).status == 400


@pytest.mark.case(63)
async def test_unsigned_and_foreign_signatures_log_nobody_in(ann: Person, provider: OpenIdProvider) -> None:
    forgeries: list[tuple[Any, str]] = [
        (None, "none"),
        (b"k" * 32, "HS256"),
        (generate_private_key(65537, 2048), "RS256"),
    ]
    for key, algorithm in forgeries:
        url = await begin(ann.browser)
        nonce = parse_qs(urlsplit(url).query)["nonce"][0]
        honest = jwt.decode(provider.id_token(nonce=nonce, access_token="a"), options={"verify_signature": False})
        forged = jwt.encode(honest, key, algorithm=algorithm, headers={"kid": "k1"})
        provider.lie_response = {"id_token": forged, "access_token": "a"}
        assert (await ann.browser.open(provider.authorize(url))).status == 400


@pytest.mark.case(63)
async def test_userinfo_about_somebody_else_logs_nobody_in(ann: Person, provider: OpenIdProvider) -> None:
    provider.userinfo = {"sub": "s-2", "email": "root@example.com", "email_verified": True}
    assert (await log_in(ann.browser, provider)).status == 400


@pytest.mark.case(63)
async def test_a_token_does_not_verify_the_address_that_userinfo_gives(ann: Person, provider: OpenIdProvider) -> None:
    del provider.claims["email"]
    provider.userinfo = {"sub": "s-1", "email": "ann@example.com", "email_verified": False}
    assert (await log_in(ann.browser, provider)).status == 403
    assert not await ann.site.services.durable.list_people()


@pytest.mark.case(63)
async def test_userinfo_does_not_verify_another_address_than_its_own(ann: Person, provider: OpenIdProvider) -> None:
    provider.claims = {"sub": "s-1", "email": "root@example.com"}
    provider.userinfo = {"sub": "s-1", "email": "ann@example.com", "email_verified": True}
    assert (await log_in(ann.browser, provider)).status == 403


@pytest.mark.case(63)
async def test_a_document_of_another_issuer_is_not_used(ann: Person, provider: OpenIdProvider) -> None:
    provider.document = {"issuer": "https://evil.example"}
    page = await ann.browser.open(MENU)
    found = re.search(r'href="(/login/[^"]+)">Log in with Corp<', page.text)
    assert found
    answer = await ann.browser.request("GET", PORTAL + found[1].replace("&amp;", "&"))
    assert answer.status == 503
    assert not answer.all("Location")


@pytest.mark.case(64)
async def test_an_answer_counts_once_and_in_the_browser_that_asked(
    ann: Person, ben: Person, provider: OpenIdProvider
) -> None:
    url = provider.authorize(await begin(ann.browser))
    stolen = await ben.browser.open(url)
    assert (stolen.status, "another browser" in stolen.text) == (403, True)
    assert (await ann.browser.open(url)).status == 403
    url = provider.authorize(await begin(ann.browser))
    assert (await ann.browser.open(url)).status == 200
    assert (await ann.browser.open(url)).status == 403


@pytest.mark.case(64)
@pytest.mark.parametrize("query", ["", "?code=x", "?code=x&state=", "?code=x&state=wrong", "?state=a&state=b&code=x"])
async def test_an_answer_without_a_state_of_ours_is_refused(ann: Person, query: str) -> None:
    await ann.browser.open(MENU)
    assert (await ann.browser.open(CALLBACK + query)).status == 403


@pytest.mark.case(64)
async def test_an_answer_after_ten_minutes_is_refused(ann: Person, provider: OpenIdProvider) -> None:
    url = provider.authorize(await begin(ann.browser))
    ann.site.clock.advance(600)
    assert (await ann.browser.open(url)).status == 403


@pytest.mark.case(64)
async def test_a_code_of_another_login_is_refused_by_its_challenge(ann: Person, provider: OpenIdProvider) -> None:
    code = parse_qs(urlsplit(provider.authorize(await begin(ann.browser))).query)["code"][0]
    other = provider.authorize(await begin(ann.browser), code=code)
    assert (await ann.browser.open(other)).status == 403


@pytest.mark.case(65)
@pytest.mark.parametrize("iss", ["https://evil.example", ""])
async def test_an_answer_of_another_issuer_is_refused(ann: Person, provider: OpenIdProvider, iss: str) -> None:
    assert (await log_in(ann.browser, provider, iss=iss)).status == 400
    assert "token" not in provider.asked


@pytest.mark.case(65)
@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"email_verified": False}, 403),
        ({"email_verified": "true"}, 403),
        ({"email_verified": None}, 403),
        ({"email": "a@b@example.com"}, 400),
        ({"email": ["ann@example.com"]}, 400),
        ({"email": None}, 403),
    ],
)
async def test_an_address_that_is_not_verified_is_nobody(
    ann: Person, provider: OpenIdProvider, claims: dict[str, object], status: int
) -> None:
    provider.claims |= claims
    assert (await log_in(ann.browser, provider)).status == status
    assert not await ann.site.services.durable.list_people()


@pytest.mark.case(65)
async def test_an_address_known_otherwise_joins_only_after_an_authenticator_was_verified(
    ann: Person, provider: OpenIdProvider
) -> None:
    await ann.log_in_with_totp()
    thief = Browser(ann.site)
    refused = await log_in(thief, provider)
    assert (refused.status, "known here from another way" in refused.text) == (403, True)
    login = re.search(r'href="(/login/[^"?]+)', (await thief.open(MENU)).text)
    assert login
    answer = await ann.browser.request("GET", PORTAL + login[1])
    assert (await ann.browser.open(provider.authorize(answer.one("Location")))).status == 403
    await ann.open_window()
    answer = await ann.browser.request("GET", PORTAL + login[1])
    assert (await ann.browser.open(provider.authorize(answer.one("Location")))).status == 200
    assert len(await ann.site.events("identity.joined")) == 1
    assert (await log_in(Browser(ann.site), provider)).status == 200
    assert len(await ann.site.services.durable.list_people()) == 1


@pytest.mark.case(65)
async def test_an_address_known_otherwise_without_an_authenticator_is_refused(
    ann: Person, provider: OpenIdProvider
) -> None:
    await ann.log_in(MENU)
    answer = await log_in(Browser(ann.site), provider)
    assert (answer.status, "ask an administrator" in answer.text) == (403, True)


@pytest.mark.case(66)
async def test_a_key_set_that_is_huge_redirects_or_fails_is_bounded(ann: Person, provider: OpenIdProvider) -> None:
    provider.jwks_body = b" " * 10_000_000
    assert (await log_in(ann.browser, provider)).status == 503
    provider.redirect_jwks_to = f"{provider.issuer}/userinfo"
    ann.site.clock.advance(10)
    assert (await log_in(ann.browser, provider)).status == 503
    assert "userinfo" not in provider.asked
    provider.token_status = 500
    assert (await log_in(ann.browser, provider)).status == 503


@pytest.mark.case(66)
async def test_a_document_cannot_make_us_ask_private_addresses(ann: Person, provider: OpenIdProvider) -> None:
    port = urlsplit(provider.issuer).port
    for host in ("localhost", "[::1]", "127.0.0.2", "[::ffff:127.0.0.1]", "169.254.169.254", "10.0.0.1"):
        provider.document = {"jwks_uri": f"http://{host}:{port}/jwks"}
        ann.site.clock.advance(3601)
        provider.clock = ann.site.clock
        assert (await log_in(Browser(ann.site), provider)).status == 503, host
    assert "jwks" not in provider.asked


@pytest.mark.case(71)
async def test_a_new_key_is_fetched_once_and_unknown_ones_once_a_minute(ann: Person, provider: OpenIdProvider) -> None:
    await log_in(ann.browser, provider)
    provider.clock = ann.site.clock
    ann.site.clock.advance(61)
    provider.key, provider.kid = generate_private_key(65537, 2048), "k2"
    assert (await log_in(Browser(ann.site), provider)).status == 200
    provider.lie_header = {"kid": "unknown"}
    for _ in range(10):
        assert (await log_in(Browser(ann.site), provider)).status == 400
    assert provider.asked.count("jwks") == 2


async def test_a_provider_that_is_down_stops_nobody_who_is_in(ann: Person, provider: OpenIdProvider) -> None:
    await log_in(ann.browser, provider)
    provider.token_status = 500
    assert (await ann.browser.open(MENU)).status == 200


async def test_what_the_provider_says_of_an_error_is_shown_to_nobody(ann: Person, provider: OpenIdProvider) -> None:
    page = await log_in(ann.browser, provider, error="<b>denied</b>", code="")
    assert page.status == 403
    assert "denied" not in page.text


async def test_a_pin_form_of_a_provider_that_has_none_is_not_there(ann: Person) -> None:
    page = await ann.browser.open(MENU)
    found = re.search(r'href="(/login/[^"?]+)', page.text)
    assert found
    assert (await ann.browser.request("GET", f"{PORTAL}{found[1]}/pin")).status == 404
