"""A signed token of another login system is an identity without a login page; MFA is still ours."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest

from secondgate.flows import sessions
from secondgate.flows.key_set import MAX_WAIT_S
from tests.fakes.jwt_issuer import JwtIssuer, running_issuer
from tests.web.browser import Browser, Person
from tests.web.conftest import StartSite
from tests.web.site import DIALECTS, FORWARD_AUTH, NAVIGATION, PORTAL, SCRIPT, START, STRANGER, Site
from tests.web.wire import Answer, Fields

MENU, WIKI = "https://menu.example.com/", "https://wiki.example.com/"


@pytest.fixture
async def issuer() -> AsyncIterator[JwtIssuer]:
    async with running_issuer(lambda: START) as running:
        yield running


@pytest.fixture
async def site(start_site: StartSite, issuer: JwtIssuer) -> Site:
    def change(configuration: dict[str, Any]) -> None:
        configuration["identity"] = {
            "jwt": [
                issuer.source(),
                issuer.source(header=None, cookie="login_jwt"),
                issuer.source(header="X-Login-Jwt"),
            ]
        }
        configuration["access"]["organization"]["mfa_config"]["amr_matching_session_duration"] = "1h"

    site = await start_site(change)
    issuer.clock = site.clock
    return site


def bearer(token: str) -> Fields:
    return [*SCRIPT, ("Authorization", f"Bearer {token}")]


async def ask(site: Site, token: str, url: str = MENU, dialect: str = FORWARD_AUTH, cookie: str = "") -> Answer:
    return await site.check(dialect, url, fields=bearer(token), cookie=cookie)


def claims_of(answer: Answer) -> dict[str, Any]:
    token = answer.one("Cf-Access-Jwt-Assertion")
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_bearer_token_lets_a_client_in_where_no_mfa_is_asked_for(
    site: Site, issuer: JwtIssuer, dialect: str
) -> None:
    answer = await ask(site, issuer.token(groups=["staff", "ops"]), dialect=dialect)
    assert answer.status == 200
    assert (answer.one("Remote-User"), answer.one("Remote-Name")) == ("ann@example.com", "Ann")
    assert answer.one("Remote-Groups") == "staff,ops"
    assert answer.all("Set-Cookie") == []


async def test_the_assertion_is_that_of_a_login(site: Site, issuer: JwtIssuer) -> None:
    issuer.claims |= {"amr": ["pwd"], "auth_time": START - 30}
    claims = claims_of(await ask(site, issuer.token()))
    person = await site.services.durable.load_person_by_email("ann@example.com")
    assert person
    assert (claims["sub"], claims["email"], claims["iss"]) == (person.id, "ann@example.com", PORTAL)
    assert (claims["amr"], claims["auth_time"], claims["mfa"]) == (["pwd"], START - 30, {})
    assert (claims["type"], claims["exp"]) == ("app", START + 300), "it lives no longer than the token"
    answer = await site.send("portal", "GET", "/.well-known/jwks.json", [("Host", "mfa.example.com")])
    keys = jwt.PyJWKSet.from_dict(answer.json)
    key = keys[jwt.get_unverified_header((await ask(site, issuer.token())).one("Cf-Access-Jwt-Assertion"))["kid"]]
    assert key.algorithm_name == "ES256"


@pytest.mark.parametrize(("name", "value"), [("X-Login-Jwt", "{}"), ("Cookie", "a=b; login_jwt={}")])
async def test_a_header_or_a_cookie_of_its_own_may_hold_the_token(
    site: Site, issuer: JwtIssuer, name: str, value: str
) -> None:
    fields = [*SCRIPT, (name, value.format(issuer.token()))]
    assert (await site.check(FORWARD_AUTH, MENU, fields=fields)).status == 200


async def test_other_schemes_are_the_applications_own(site: Site, issuer: JwtIssuer) -> None:
    token = issuer.token()
    for value in ("Basic YTpi", f"Basic {token}", f"Token {token}", token, "Bearer", f"Bearer {token} x", "Bearer a b"):
        answer = await site.check(FORWARD_AUTH, MENU, fields=[*SCRIPT, ("Authorization", value)])
        assert (answer.status, answer.json["reason"]) == (401, "no_session"), value
    twice = await site.check(FORWARD_AUTH, MENU, fields=[*bearer(token), ("Authorization", f"Bearer {token}")])
    assert twice.status == 401
    assert (await site.check(FORWARD_AUTH, MENU, fields=[*SCRIPT, ("authorization", f"bearer {token}")])).status == 200


@pytest.mark.case(3)
async def test_twins_of_the_tokens_header_are_refused(site: Site, issuer: JwtIssuer) -> None:
    for twin in ("X-Login-Jwt", "X_Login_Jwt"):
        fields = [*SCRIPT, ("X-Login-Jwt", issuer.token()), (twin, issuer.token())]
        assert (await site.check(FORWARD_AUTH, MENU, fields=fields)).status == 403


@pytest.mark.case(2)
async def test_whoever_is_no_trusted_proxy_is_not_answered(site: Site, issuer: JwtIssuer) -> None:
    assert (await site.check(FORWARD_AUTH, MENU, fields=bearer(issuer.token()), source=STRANGER)).status == 403


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_mfa_is_asked_of_whoever_brings_a_token(site: Site, issuer: JwtIssuer, dialect: str) -> None:
    answer = await ask(site, issuer.token(amr=["pwd"]), WIKI, dialect)
    assert (answer.status, answer.json["error"], answer.json["reason"]) == (401, "mfa_required", "mfa_missing")
    page = await site.check(dialect, WIKI, fields=[*NAVIGATION, ("Authorization", f"Bearer {issuer.token()}")])
    assert urlsplit(page.one("Location")).path == "/.secondgate/login"


@pytest.mark.case(60)
@pytest.mark.case(61)
async def test_the_issuers_own_mfa_counts_as_long_as_it_is_young(site: Site, issuer: JwtIssuer) -> None:
    proved: dict[str, Any] = {"amr": ["otp"], "auth_time": START - 60}
    answer = await ask(site, issuer.token(**proved), WIKI)
    assert answer.status == 200
    assert claims_of(answer)["mfa"] == {"totp": START - 60}
    refusals: tuple[tuple[dict[str, Any], str], ...] = (
        ({"amr": ["otp"]}, "mfa_missing"),
        ({"amr": "otp", "auth_time": START}, "mfa_missing"),
        ({"amr": ["mfa"], "auth_time": START}, "mfa_missing"),
        ({"amr": ["otp"], "auth_time": START + 61}, "mfa_missing"),
        ({"amr": ["otp"], "auth_time": START - 3600}, "mfa_age"),
    )
    for claims, reason in refusals:
        refused = await ask(site, issuer.token(**claims), WIKI)
        assert (refused.status, refused.json["reason"]) == (401, reason), claims
    vault = await ask(site, issuer.token(**proved), "https://vault.example.com/")
    assert vault.json["reason"] == "mfa_method"
    assert (await ask(site, issuer.token(amr=["otp"], auth_time="now"), MENU)).status == 401


@pytest.mark.case(27)
async def test_mfa_that_must_be_new_at_every_login_is_never_a_tokens(site: Site, issuer: JwtIssuer) -> None:
    site.reload(lambda c: c["access"]["organization"]["mfa_config"].update(amr_matching_session_duration="0m"))
    for url in (WIKI, "https://strict.example.com/"):
        refused = await ask(site, issuer.token(amr=["otp"], auth_time=START), url)
        assert (refused.status, refused.json["reason"]) == (401, "mfa_age")


async def test_policies_are_judged_with_the_token(site: Site, issuer: JwtIssuer) -> None:
    assert (await ask(site, issuer.token(), "https://root.example.com/")).status == 403
    assert (await ask(site, issuer.token(), "https://nowhere.example.com/")).status == 403
    bypass = await ask(site, issuer.token(), "https://open.example.com/")
    assert (bypass.status, bypass.one("Remote-User")) == (200, "")


@pytest.mark.case(68)
@pytest.mark.case(70)
async def test_a_token_that_proves_nothing_is_no_identity_and_one_line_in_the_log(
    start_site: StartSite, issuer: JwtIssuer, logs: io.StringIO
) -> None:
    def change(configuration: dict[str, Any]) -> None:
        configuration["identity"] = {"jwt": [issuer.source()]}

    site = await start_site(change)
    sound = issuer.token()
    tokens = [
        "x",
        "a.b.c",
        sound[:-4] + "AAAA",
        sound + "A" * 20_000,
        issuer.token(iat=START - 60, exp=START),
        issuer.token(iss="https://evil.example"),
        issuer.token(aud="other"),
        issuer.token(email_verified=False),
        issuer.token(header={"crit": ["x"], "x": 1}),
    ]
    for token in [*tokens, *tokens]:
        answer = await ask(site, token)
        assert (answer.status, answer.json["reason"]) == (401, "no_session"), token[:60]
    lines = [json.loads(line) for line in logs.getvalue().splitlines()]
    refused = [line for line in lines if line["event"] == "jwt.refused"]
    assert len(refused) <= len(tokens)
    assert {line["reason"] for line in refused} >= {"token_expired", "token_signature", "token_size", "token_claims"}
    assert sound.split(".")[2] not in logs.getvalue()
    assert (await ask(site, sound)).status == 200


@pytest.mark.case(71)
async def test_new_keys_are_fetched_once_and_unknown_ones_once_a_minute(site: Site, issuer: JwtIssuer) -> None:
    assert (await ask(site, issuer.token())).status == 200
    assert issuer.fetches == 1
    await asyncio.gather(*(ask(site, issuer.token(header={"kid": f"made-up-{n}"})) for n in range(100)))
    assert issuer.fetches == 1, "the keys were fetched less than a minute ago"
    site.clock.advance(60)
    issuer.rotate("k2")
    answers = await asyncio.gather(*(ask(site, issuer.token()) for _ in range(20)))
    assert {answer.status for answer in answers} == {200}
    made_up = (ask(site, issuer.token(header={"kid": f"made-up-{n}"})) for n in range(100))
    assert {answer.status for answer in await asyncio.gather(*made_up)} == {401}
    assert issuer.fetches == 2


async def test_without_keys_only_requests_that_bring_such_a_token_wait(site: Site, issuer: JwtIssuer) -> None:
    issuer.delay_s = 30
    loop = asyncio.get_running_loop()
    began = loop.time()
    answers = await asyncio.gather(*(ask(site, issuer.token()) for _ in range(10)))
    assert {answer.status for answer in answers} == {503}
    assert loop.time() - began < MAX_WAIT_S + 2
    began = loop.time()
    assert (await ask(site, issuer.token())).status == 503, "the fetch that is under way is not waited for anew"
    assert (await ask(site, issuer.token(iss="https://evil.example"))).status == 401
    assert (await site.check(FORWARD_AUTH, MENU, fields=SCRIPT)).status == 401
    assert loop.time() - began < MAX_WAIT_S
    assert issuer.fetches == 1


async def test_a_live_session_goes_on_while_the_keys_cannot_be_had(site: Site, issuer: JwtIssuer) -> None:
    ann = Person(site, "ann@example.com")
    await ann.log_in(MENU)
    cookie = ann.session("menu.example.com")
    issuer.status = 500
    assert (await ask(site, issuer.token(), cookie=cookie)).status == 200
    assert (await ask(site, issuer.token())).status == 503
    issuer.status = 200
    site.clock.advance(5)
    assert (await ask(site, issuer.token(), cookie=cookie)).status == 200


@pytest.mark.case(25)
async def test_a_session_beside_the_token_of_another_person_is_refused_and_audited(
    site: Site, issuer: JwtIssuer
) -> None:
    ben = Person(site, "ben@example.com")
    await ben.log_in(MENU)
    cookie = ben.session("menu.example.com")
    answer = await ask(site, issuer.token(), cookie=cookie)
    assert (answer.status, answer.json["reason"]) == (401, "identity_mismatch")
    (event,) = await site.events("identity.mismatch")
    assert event.actor == "ann@example.com"
    expired = issuer.token(iat=START - 60, exp=START)
    assert (await ask(site, expired, cookie=cookie)).status == 200, "a token that proves nothing says nothing"


async def test_a_token_counts_beside_a_session_that_ended(site: Site, issuer: JwtIssuer) -> None:
    ann = Person(site, "ann@example.com")
    ann.browser.named = [("X-Login-Jwt", issuer.token())]
    await ann.browser.open(MENU)
    cookie = ann.session("menu.example.com") if ann.browser.jar.get("menu.example.com") else "__Host-secondgate=gone"
    person = await site.services.durable.load_person_by_email("ann@example.com")
    assert person
    await sessions.end_sessions(site.services, person.id, actor="test")
    assert (await site.check(FORWARD_AUTH, MENU, fields=SCRIPT, cookie=cookie)).status == 401
    assert (await ask(site, issuer.token(), cookie=cookie)).status == 200


@pytest.mark.case(28)
async def test_a_person_who_is_disabled_or_deleted_is_refused_within_five_seconds(
    site: Site, issuer: JwtIssuer
) -> None:
    token = issuer.token()
    assert (await ask(site, token)).status == 200
    person = await site.services.durable.load_person_by_email("ann@example.com")
    assert person
    await sessions.set_person_disabled(site.services, person.id, disabled=True, actor="test")
    site.clock.advance(5)
    refused = await ask(site, token)
    assert (refused.status, refused.json["reason"]) == (403, "person_disabled")
    await sessions.set_person_disabled(site.services, person.id, disabled=False, actor="test")
    site.clock.advance(5)
    assert (await ask(site, token)).status == 200
    await sessions.delete_person(site.services, person.id, actor="test")
    site.clock.advance(5)
    assert (await ask(site, token)).status == 403
    site.clock.advance(5)
    assert (await ask(site, token)).status == 403, "and is made anew by no token that was seen before"
    assert (await ask(site, issuer.token())).status == 200, "but by a new login"


async def test_a_hot_client_costs_one_signature_in_five_seconds(site: Site, issuer: JwtIssuer) -> None:
    token = issuer.token()
    first, again = [(await ask(site, token)).one("Cf-Access-Jwt-Assertion") for _ in range(2)]
    assert first == again
    other = await ask(site, token, "https://news.example.com/")
    assert other.one("Cf-Access-Jwt-Assertion") != first, "each application has its own"
    site.clock.advance(5)
    assert (await ask(site, token)).one("Cf-Access-Jwt-Assertion") != first
    site.clock.advance(295)
    assert (await ask(site, token)).status == 401


@pytest.mark.case(65)
async def test_an_address_that_is_known_in_another_way_is_no_tokens(site: Site, issuer: JwtIssuer) -> None:
    ann = Person(site, "ann@example.com")
    await ann.log_in(MENU)
    answer = await ask(site, issuer.token())
    assert (answer.status, answer.json["reason"]) == (401, "identity_not_joined")
    browser = Browser(site, named=[("X-Login-Jwt", issuer.token())])
    page = await browser.open(MENU)
    assert "Send me a code" in page.text, "the way in which the address is known is still offered"


@pytest.mark.case(65)
async def test_whoever_verifies_an_authenticator_joins_the_token_at_the_next_login(
    site: Site, issuer: JwtIssuer
) -> None:
    ann = Person(site, "ann@example.com")
    await ann.log_in_with_totp()
    ann.browser.named = [("X-Login-Jwt", issuer.token())]
    await ann.browser.open("https://news.example.com/")
    assert (await ask(site, issuer.token())).json["reason"] == "identity_not_joined", "logged in, and nothing verified"
    await ann.open_window()
    ann.browser.named = [("X-Login-Jwt", issuer.token())]
    assert (await ann.browser.open(MENU)).status == 200
    site.clock.advance(5)
    assert (await ask(site, issuer.token())).status == 200
    (event,) = await site.events("identity.joined")
    assert event.actor == "ann@example.com"


@pytest.mark.case(25)
async def test_a_header_and_a_token_that_name_two_people_open_nothing(start_site: StartSite, issuer: JwtIssuer) -> None:
    def change(configuration: dict[str, Any]) -> None:
        configuration["identity"] = {"jwt": [issuer.source()], "headers": [{"email": "X-Auth-Email"}]}

    site = await start_site(change)
    token = issuer.token()
    same = await site.check(FORWARD_AUTH, MENU, fields=[*bearer(token), ("X-Auth-Email", "ANN@example.com")])
    assert same.status == 200
    other = await site.check(FORWARD_AUTH, MENU, fields=[*bearer(token), ("X-Auth-Email", "ben@example.com")])
    assert (other.status, other.json["reason"]) == (401, "identity_mismatch")


@pytest.mark.case(65)
async def test_two_subjects_never_share_a_person(site: Site, issuer: JwtIssuer) -> None:
    assert (await ask(site, issuer.token())).status == 200
    answer = await ask(site, issuer.token(sub="s-2"))
    assert answer.status == 401
    changed = await ask(site, issuer.token(email="new@example.com"))
    assert changed.one("Remote-User") == "new@example.com"
    assert [event.action for event in await site.events("person.email_changed")] == ["person.email_changed"]


async def test_at_the_portal_a_token_logs_in_and_mfa_is_asked_for(site: Site, issuer: JwtIssuer) -> None:
    ann = Person(site, "ann@example.com")
    ann.browser.named = [("X-Login-Jwt", issuer.token())]
    await ann.browser.open(WIKI)
    assert ann.browser.url.startswith(f"{PORTAL}/AddMfaDevice")
    arrived = await ann.set_up_totp()
    assert (arrived.status, ann.browser.url) == (200, WIKI)
    (login,) = await site.events("login.succeeded")
    assert (login.actor, login.detail["source"]) == ("ann@example.com", "jwt")


async def test_at_the_portal_keys_that_cannot_be_had_are_an_outage_for_nobody_logged_in(
    site: Site, issuer: JwtIssuer
) -> None:
    issuer.status = 500
    browser = Browser(site, named=[("X-Login-Jwt", issuer.token())])
    assert (await browser.open(f"{PORTAL}/login")).status == 503
    browser.named = []
    assert (await browser.open(f"{PORTAL}/login")).status == 200


async def test_the_next_token_in_a_browser_ends_the_login_of_another(site: Site, issuer: JwtIssuer) -> None:
    browser = Browser(site, named=[("X-Login-Jwt", issuer.token())])
    await browser.open(f"{PORTAL}/login")
    browser.named = [("X-Login-Jwt", issuer.token(sub="s-2", email="ben@example.com"))]
    await browser.open(f"{PORTAL}/login")
    assert [event.actor for event in await site.events("login.succeeded")] == ["ann@example.com", "ben@example.com"]
    assert len(await site.events("identity.mismatch")) == 1


@pytest.mark.case(69)
async def test_our_own_tokens_are_no_identity(start_site: StartSite, issuer: JwtIssuer) -> None:
    """Not even where somebody publishes our keys as another issuer's."""

    def change(configuration: dict[str, Any]) -> None:
        configuration["identity"] = {"jwt": [issuer.source(issuer=f"{PORTAL}#", trust_email=True)]}

    site = await start_site(change)
    ann = Person(site, "ann@example.com")
    await ann.log_in(MENU)
    assertion = (await site.check(FORWARD_AUTH, MENU, cookie=ann.session("menu.example.com"))).one(
        "Cf-Access-Jwt-Assertion"
    )
    for token in (assertion, ann.session("menu.example.com").partition("=")[2]):
        assert (await ask(site, token)).status == 401
