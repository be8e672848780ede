"""From the portal to an application's host: once, in the browser that asked, as long as everything still holds."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

import pytest

from secondgate.errors import Forbidden, Reason, Rejected, TokenRejected
from secondgate.flows.application_session import load_application_session
from secondgate.flows.hand_over import begin_hand_over, decide_login
from secondgate.flows.login_request import sign_login_request, verify_login_request
from secondgate.flows.sessions import delete_authenticators, delete_person, end_sessions, log_out, set_person_disabled
from secondgate.model.decision import Allow, Refuse, SignIn
from secondgate.model.policy import Criteria, Everyone, PolicyAction
from secondgate.protocol.jwt import TokenKind
from tests.unit.flows.world import BEN, PORTAL, STAFF_POLICY, Person, World, application, claims_of, why

WIKI = "wiki.example.com"


async def test_a_login_ends_on_the_page_that_was_asked_for_with_a_live_session(world: World, ready: Person) -> None:
    request = ready.ask(world.applications[0], "nonce", "/page?x=1")
    handed = await ready.redeem(await ready.hand_over(request), WIKI, "nonce")
    assert handed.return_path == "/page?x=1"
    assert handed.max_age_s == 24 * 3600
    session = await ready.session()
    assert session is not None
    assert (session.host, session.identity.email) == (WIKI, "ann@example.com")
    assert isinstance(await ready.visit(), Allow)


async def test_the_upstreams_assertion_says_who_by_which_method_and_when(world: World, ready: Person) -> None:
    await ready.enter()
    session = await ready.session()
    assert session is not None
    claims = world.services.keys.verify(
        TokenKind.ASSERTION, session.grants[0].assertion, issuer=PORTAL, audience="aud-wiki", now=int(world.now)
    )
    assert claims["email"] == "ann@example.com"
    assert claims["amr"] == ["otp", "mfa"]
    assert claims["mfa"] == {"totp": int(world.now)}
    with pytest.raises(TokenRejected):
        world.services.keys.verify(
            TokenKind.SESSION, session.grants[0].assertion, issuer=PORTAL, audience="aud-wiki", now=int(world.now)
        )


@pytest.mark.case(16)
@pytest.mark.parametrize("claim", ["ret", "host", "app", "nh", "jti", "exp"])
async def test_a_login_request_changed_between_page_and_post_is_refused(
    world: World, ready: Person, claim: str
) -> None:
    token = ready.ask(world.applications[0], "nonce").token
    header, payload, signature = token.split(".")
    claims = claims_of(token)
    claims[claim] = int(world.now) + 500 if claim == "exp" else "//evil.example"
    changed = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    assert changed != payload
    with pytest.raises(TokenRejected):
        verify_login_request(world.services, f"{header}.{changed}.{signature}")


@pytest.mark.case(16)
async def test_a_session_token_is_no_login_request(world: World, ready: Person) -> None:
    await ready.enter()
    for token in (ready.cookies[WIKI], "", "a.b.c"):
        with pytest.raises(TokenRejected):
            verify_login_request(world.services, token)


@pytest.mark.case(16)
@pytest.mark.parametrize(("age_s", "good"), [(599, True), (600, False)])
async def test_a_login_request_lives_ten_minutes(world: World, ready: Person, age_s: int, *, good: bool) -> None:
    token = ready.ask(world.applications[0], "nonce").token
    world.now += age_s
    if good:
        assert verify_login_request(world.services, token).return_path == "/page"
    else:
        with pytest.raises(TokenRejected):
            verify_login_request(world.services, token)


async def test_a_login_request_leads_to_one_login(world: World, ready: Person) -> None:
    request = ready.ask(world.applications[0], "nonce")
    await ready.hand_over(request)
    with pytest.raises(Rejected) as refused:
        await ready.hand_over(request)
    assert refused.value.reason is Reason.UNKNOWN_OR_USED


@pytest.mark.case(19)
@pytest.mark.parametrize("nonce", [None, "", "the victim's own", "\ud800"])
async def test_an_attackers_callback_does_nothing_in_a_victims_browser(
    world: World, ready: Person, nonce: str | None
) -> None:
    eve, victim = ready, Person(world, email=BEN)
    code = await eve.hand_over(eve.ask(world.applications[0], "eve's nonce"))
    with pytest.raises(Forbidden) as refused:
        await victim.redeem(code, WIKI, nonce)
    assert refused.value.reason is Reason.OTHER_BROWSER
    assert WIKI not in victim.cookies
    with pytest.raises(Forbidden) as used:
        await eve.redeem(code, WIKI, "eve's nonce")
    assert used.value.reason is Reason.UNKNOWN_OR_USED


@pytest.mark.case(19)
async def test_a_code_is_redeemed_once_at_its_own_host(world: World, ready: Person) -> None:
    request = ready.ask(world.applications[0], "nonce")
    code = await ready.hand_over(request)
    with pytest.raises(Forbidden) as elsewhere:
        await ready.redeem(code, "other.example.com", "nonce")
    assert elsewhere.value.reason is Reason.UNKNOWN_HOST
    code = await ready.hand_over(ready.ask(world.applications[0], "nonce"))
    await ready.redeem(code, WIKI, "nonce")
    for again in (code, "", "A" * 43, "\ud800"):
        with pytest.raises(Forbidden) as used:
            await ready.redeem(again, WIKI, "nonce")
        assert used.value.reason is Reason.UNKNOWN_OR_USED


@pytest.mark.case(19)
@pytest.mark.parametrize(("age_s", "good"), [(29, True), (30, False)])
async def test_a_code_lives_thirty_seconds(world: World, ready: Person, age_s: int, *, good: bool) -> None:
    code = await ready.hand_over(ready.ask(world.applications[0], "nonce"))
    world.now += age_s
    if good:
        await ready.redeem(code, WIKI, "nonce")
    else:
        with pytest.raises(Forbidden):
            await ready.redeem(code, WIKI, "nonce")


@pytest.mark.case(25, 26)
async def test_a_cookie_of_one_host_opens_no_other(world: World, ready: Person) -> None:
    other = application("notes", "notes.example.com")
    world.applications = (*world.applications, other)
    await ready.enter()
    ready.cookies["notes.example.com"] = ready.cookies[WIKI]
    assert await ready.session("notes.example.com") is None
    assert isinstance(await ready.visit(other), SignIn)


@pytest.mark.case(25)
async def test_a_token_for_a_session_of_another_person_opens_nothing(world: World, ready: Person) -> None:
    await ready.enter()
    claims = claims_of(ready.cookies[WIKI])
    honest = world.services.keys.sign(TokenKind.SESSION, claims)
    assert await load_application_session(world.services, token=honest, host=WIKI) is not None
    for changed in ({"sub": "another"}, {"sid": "another"}, {"aud": "https://other.example.com"}, {"iss": "x"}):
        token = world.services.keys.sign(TokenKind.SESSION, {**claims, **changed})
        assert await load_application_session(world.services, token=token, host=WIKI) is None
    moved = world.services.keys.sign(TokenKind.SESSION, {**claims, "aud": "https://other.example.com"})
    assert await load_application_session(world.services, token=moved, host="other.example.com") is None


async def test_a_session_ends_by_the_clock_even_where_the_store_keeps_it(world: World, ready: Person) -> None:
    await ready.enter()
    session = await ready.session()
    assert session is not None
    ended = replace(session, expires_at=int(world.now))
    await world.services.sessions.save_application_session(ended, now=int(world.now) - 100)
    assert await ready.session() is None


Interruption = Callable[[World, str], Awaitable[object]]


async def log_out_everywhere(world: World, person_id: str) -> None:
    (login,) = await world.services.sessions.list_logins(person_id)
    await log_out(world.services, login, everywhere=True, forget_device=False, address="192.0.2.7")


async def log_out_here(world: World, person_id: str) -> None:
    (login,) = await world.services.sessions.list_logins(person_id)
    await log_out(world.services, login, everywhere=False, forget_device=False, address="192.0.2.7")


INTERRUPTIONS: dict[str, Interruption] = {
    "authenticator deleted": lambda world, person: delete_authenticators(world.services, person, actor="root"),
    "person disabled": lambda world, person: set_person_disabled(world.services, person, disabled=True, actor="root"),
    "person deleted": lambda world, person: delete_person(world.services, person, actor="root"),
    "sessions ended": lambda world, person: end_sessions(world.services, person, actor="root"),
    "logged out everywhere": log_out_everywhere,
    "logged out here": log_out_here,
}
each_interruption = pytest.mark.parametrize("interruption", INTERRUPTIONS.values(), ids=INTERRUPTIONS.keys())


@pytest.mark.case(24, 28)
@each_interruption
async def test_what_carried_a_session_ends_and_so_does_the_session(
    world: World, ready: Person, interruption: Interruption
) -> None:
    await ready.enter()
    copied = ready.cookies[WIKI]
    person_id = (await ready.login()).person_id
    await interruption(world, person_id)
    assert await load_application_session(world.services, token=copied, host=WIKI) is None
    assert not await world.services.sessions.list_application_sessions(person_id)


@pytest.mark.case(28)
@each_interruption
@pytest.mark.parametrize("moment", ["before the code", "after the code", "claim", "save", "load_person"])
async def test_a_hand_over_that_races_with_the_end_leaves_no_session(
    world: World, ready: Person, interruption: Interruption, moment: str
) -> None:
    login = await ready.login()
    request = ready.ask(world.applications[0], "nonce")
    decision, evidence, _ = await decide_login(world.services, ready.browser(login), login, request)
    assert isinstance(decision, Allow)
    if moment == "before the code":
        await interruption(world, login.person_id)
    url = await begin_hand_over(
        world.services, ready.browser(login), login, request, decision=decision, evidence=evidence
    )
    if moment == "after the code":
        await interruption(world, login.person_id)
    steps = world.durable_steps if moment == "load_person" else world.live_steps
    if moment in {"claim", "save", "load_person"}:
        steps.after[moment] = lambda: interruption(world, login.person_id)
    with suppress(Forbidden):
        await ready.redeem(url.partition("?code=")[2], WIKI, "nonce")
    assert not await world.services.sessions.list_application_sessions(login.person_id)
    assert await ready.session() is None


async def test_an_application_that_left_its_host_is_not_logged_in_to(world: World, ready: Person) -> None:
    request = ready.ask(world.applications[0], "nonce")
    world.applications = (application("wiki", "moved.example.com"), application("new", WIKI))
    decision = await ready.decide(request)
    assert why(decision) is Reason.NO_APPLICATION
    world.applications = ()
    assert why(await ready.decide(request)) is Reason.NO_APPLICATION


async def test_where_everybody_may_pass_there_is_nothing_to_log_in_to(world: World, ready: Person) -> None:
    everybody = replace(STAFF_POLICY, action=PolicyAction.BYPASS, criteria=Criteria((Everyone(),)))
    world.applications = (application(policies=(everybody,)),)
    with pytest.raises(Forbidden) as refused:
        await ready.enter()
    assert refused.value.reason is Reason.NO_APPLICATION


async def test_somebody_whom_no_policy_lets_in_is_refused_whatever_they_prove(world: World) -> None:
    eve = Person(world, email="eve@evil.example")
    await eve.sign_in()
    await eve.enrol_app()
    assert isinstance(await eve.decide(eve.ask(world.applications[0], "nonce")), Refuse)


def test_a_signed_request_shows_nothing_but_what_it_asks(world: World) -> None:
    token = sign_login_request(world.services, world.applications[0], host=WIKI, return_path="/x", nonce_hash="h")
    assert set(claims_of(token)) == {"iss", "aud", "iat", "exp", "jti", "app", "host", "ret", "nh"}


@pytest.mark.case(16)
@pytest.mark.parametrize("claim", ["app", "host", "ret", "nh"])
@pytest.mark.parametrize("value", [None, 7, ["x"]])
def test_a_request_of_ours_that_does_not_say_all_in_text_is_refused(world: World, claim: str, value: object) -> None:
    token = sign_login_request(world.services, world.applications[0], host=WIKI, return_path="/x", nonce_hash="h")
    odd = world.services.keys.sign(TokenKind.LOGIN_REQUEST, {**claims_of(token), claim: value})
    with pytest.raises(TokenRejected) as refused:
        verify_login_request(world.services, odd)
    assert refused.value.reason is Reason.TOKEN_CLAIMS
