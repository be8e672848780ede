"""Ending sessions by a provider's logout token: what goes on at the same moment, and what an outage leaves."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from secondgate.errors import Forbidden, Reason, TokenRejected, TooManyAttempts, Unavailable
from secondgate.flows.provider_logout import (
    FAILURES_PER_ADDRESS,
    end_by_logout_token,
    id_token_to_keep,
    log_out_with_provider,
    remember_provider_session,
)
from secondgate.flows.services import Services
from secondgate.flows.sign_in import renew_login, sign_in
from secondgate.flows.window import load_window, open_window
from secondgate.model.access import Access, IdentityProvider
from secondgate.model.openid import OpenIdSettings
from secondgate.model.person import Identity, IdentitySource
from secondgate.model.secret import Secret
from secondgate.model.session import ApplicationSession, Login
from secondgate.protocol.id_token import IdToken
from secondgate.protocol.logout_token import EVENT
from secondgate.store.ports import Kind, OutgoingAnswer
from secondgate.store.sealing import KeyFileSealer
from tests.unit.flows.world import ANN, Person, World

ISSUER = "https://idp.example"
KEY = ec.generate_private_key(ec.SECP256R1())
SETTINGS = OpenIdSettings(
    issuer_url=ISSUER,
    client_id="client",
    client_secret=Secret("s"),
    auth_url=f"{ISSUER}/auth",
    token_url=f"{ISSUER}/token",
    certs_url=f"{ISSUER}/keys",
    rp_initiated_logout=True,
    end_session_url=f"{ISSUER}/end",
)
CORP = IdentityProvider("idp-corp", "Corp", IdentitySource.OIDC, SETTINGS)
TWIN = replace(CORP, id="idp-twin", name="Twin")
OTHER_CLIENT = replace(CORP, id="idp-other", name="Other", openid=replace(SETTINGS, client_id="other"))
PIN = IdentityProvider("idp-pin", "PIN", IdentitySource.ONE_TIME_PIN)


@pytest.fixture
def services(world: World) -> Services:
    jwks = b'{"keys": [' + ECAlgorithm.to_jwk(KEY.public_key()).encode() + b"]}"
    world.outgoing.answers[SETTINGS.certs_url] = OutgoingAnswer(200, jwks)

    def access() -> Access:
        return replace(world.access(), identity_providers=(PIN, OTHER_CLIENT, CORP, TWIN))

    return replace(world.services, access=access)


def logout_token(world: World, **more: object) -> str:
    now = int(world.now)
    claims = {"iss": ISSUER, "aud": "client", "iat": now, "exp": now + 120, "jti": f"j{now}", "events": {EVENT: {}}}
    return jwt.encode({**claims, **more}, KEY, algorithm="ES256", headers={"typ": "logout+jwt"})


def id_token(world: World, session_id: str = "sid-1") -> IdToken:
    return IdToken("s-1", (), None, {"iat": int(world.now)}, session_id, "the.id.token")


async def log_in(
    services: Services, ann: Person, provider: IdentityProvider = CORP, *, session_id: str = "sid-1"
) -> Login:
    """Log Ann in as the callback does."""
    token = id_token(ann.world, session_id)
    identity = Identity(
        ANN,
        source=IdentitySource.OIDC,
        identity_provider_id=provider.id,
        subject=token.subject,
        provider_session_id=session_id,
    )
    browser = ann.browser(await ann.find_login())
    login = ann.take(await sign_in(services, browser, identity, kept_id_token=id_token_to_keep(provider, token)))
    await remember_provider_session(services, login, provider, token)
    return login


async def test_a_session_ends_at_every_login_of_this_client_and_at_none_of_another(
    services: Services, world: World, ann: Person
) -> None:
    browsers = [ann.at_another_browser() for _ in range(3)]
    for browser, provider in zip(browsers, (CORP, TWIN, OTHER_CLIENT), strict=True):
        await log_in(services, browser, provider)
    await end_by_logout_token(services, ann.browser(), logout_token(world, sid="sid-1"))
    assert [await browser.find_login() is None for browser in browsers] == [True, True, False]
    await end_by_logout_token(services, ann.browser(), logout_token(world, sub="s-1", aud="other", jti="2"))
    assert await browsers[2].find_login() is None


async def test_a_provider_that_is_not_configured_is_asked_nothing(
    services: Services, world: World, ann: Person
) -> None:
    for claims in ({"iss": "https://evil.example"}, {"aud": "nobody"}, {"aud": ["x", "y"]}):
        with pytest.raises(TokenRejected):
            await end_by_logout_token(services, ann.browser(), logout_token(world, sid="x", **claims))
    assert world.outgoing.asked == []


@pytest.mark.parametrize("named", [{"sid": "sid-1"}, {"sub": "s-1"}, {"sid": "sid-1", "sub": "s-1"}])
@pytest.mark.parametrize("step", ["save", "load"])
async def test_a_login_that_was_under_way_when_its_session_ended_does_not_begin(
    services: Services, world: World, ann: Person, named: dict[str, object], step: str
) -> None:
    """The provider's message may come between any two steps of the callback; one of the two sees the other."""
    token = logout_token(world, **named)
    ended: list[bool] = []

    def at(turn: int) -> Callable[[], Awaitable[object]]:
        async def act() -> None:
            if turn:
                world.live_steps.after[step] = at(turn - 1)
            else:
                ended.append(True)
                await end_by_logout_token(services, ann.browser(), token)

        return act

    for turn in range(8):
        before = len(ended)
        token = logout_token(world, jti=f"{turn}", **named)
        world.live_steps.after = {step: at(turn)}
        refused = False
        try:
            await log_in(services, ann)
        except Forbidden as error:
            refused = error.reason is Reason.SESSION_ENDED
        world.live_steps.after = {}
        if len(ended) == before:
            assert turn, "the message came at least once"
            return
        assert refused or await ann.find_login() is None, turn
        assert await services.sessions.list_logins((await services.durable.list_people())[0].id) == (), turn
        world.now += 1


async def test_a_login_after_the_end_begins_as_ever(services: Services, world: World, ann: Person) -> None:
    await end_by_logout_token(services, ann.browser(), logout_token(world, sub="s-1", sid="sid-1"))
    with pytest.raises(Forbidden):
        await log_in(services, ann)
    world.now += 1
    assert await log_in(services, ann) == await ann.find_login()


async def test_a_login_that_is_renewed_meanwhile_ends_too(services: Services, world: World, ann: Person) -> None:
    login = await log_in(services, ann)

    async def renew() -> None:
        ann.take(await renew_login(services, ann.browser(login), login))

    world.live_steps.after["list_owned"] = renew
    await end_by_logout_token(services, ann.browser(), logout_token(world, sid="sid-1"))
    assert await ann.find_login() is None
    assert await services.sessions.list_logins(login.person_id) == ()


async def test_with_the_login_ends_what_its_browser_has_open(services: Services, world: World, ann: Person) -> None:
    """A window, a code on its way to an application, and a session that came of another login in this browser."""
    login = await log_in(services, ann)
    other = await log_in(services, ann.at_another_browser(), session_id="sid-2")
    for one in (login, other):
        await open_window(services, one)
        by_pin = replace(one.identity, identity_provider_id=PIN.id, subject="")
        session = ApplicationSession(
            f"of-{one.id}", "wiki.example.com", one.person_id, one.device_id, by_pin, one.at, one.expires_at, ()
        )
        await services.sessions.save_application_session(session, now=services.now())
    await services.live.save(Kind.HAND_OVER, "code", b"{}", ttl_s=30, owner=login.person_id)
    await end_by_logout_token(services, ann.browser(), logout_token(world, sid="sid-1"))
    assert await services.live.load(Kind.HAND_OVER, "code") is None
    assert await services.live.load(Kind.DEVICE_WINDOW, login.id) is None
    assert await load_window(services, other) is not None
    sessions = await services.sessions.list_application_sessions(login.person_id)
    assert [session.id for session in sessions] == [f"of-{other.id}"]


async def test_an_outage_uses_no_token_up(services: Services, world: World, ann: Person) -> None:
    await log_in(services, ann)
    token = logout_token(world, sid="sid-1")

    async def fail() -> None:
        raise Unavailable("the store is away")

    for step in ("load", "list_owned", "delete_owned", "delete", "save"):
        world.live_steps.after[step] = fail
        with pytest.raises(Unavailable):
            await end_by_logout_token(services, ann.browser(), token)
    await end_by_logout_token(services, ann.browser(), token)
    assert await ann.find_login() is None
    with pytest.raises(TokenRejected) as caught:
        await end_by_logout_token(services, ann.browser(), token)
    assert caught.value.reason is Reason.UNKNOWN_OR_USED


async def test_keys_that_cannot_be_had_are_an_outage_and_not_counted(
    services: Services, world: World, ann: Person
) -> None:
    world.outgoing.answers.clear()
    for _ in range(FAILURES_PER_ADDRESS[0] + 1):
        with pytest.raises(Unavailable):
            await end_by_logout_token(services, ann.browser(), logout_token(world, sid="x"))


async def test_tokens_that_prove_nothing_are_bounded_by_address(services: Services, world: World, ann: Person) -> None:
    limit, window_s = FAILURES_PER_ADDRESS
    for _ in range(limit):
        with pytest.raises(TokenRejected):
            await end_by_logout_token(services, ann.browser(), "x")
    with pytest.raises(TooManyAttempts) as caught:
        await end_by_logout_token(services, ann.browser(), logout_token(world, sid="x"))
    assert caught.value.resets_in_s == window_s
    elsewhere = Person(world, address="198.51.100.9")
    await end_by_logout_token(services, elsewhere.browser(), logout_token(world, sid="x"))
    world.now += window_s
    await end_by_logout_token(services, ann.browser(), logout_token(world, sid="x"))


async def test_what_ended_nothing_is_audited_without_a_person(services: Services, world: World, ann: Person) -> None:
    await end_by_logout_token(services, ann.browser(), logout_token(world, sid="never-here"))
    (event,) = [event for event in world.durable.events if event.action == "logout.backchannel"]
    assert (event.person_id, event.detail["count"]) == ("", "0")


async def test_the_store_holds_no_name_of_the_provider_as_a_key(services: Services, world: World, ann: Person) -> None:
    login = await log_in(services, ann, session_id="secret-session")
    stored = json.dumps([repr(record) for record in vars(world.live).values()])
    assert "the.id.token" not in stored
    assert await services.live.load(Kind.PROVIDER_SESSION, "secret-session") is None
    assert "the.id.token" not in repr(login)
    assert login.sealed_id_token


async def test_our_logout_succeeds_whatever_becomes_of_the_providers(
    services: Services, world: World, ann: Person
) -> None:
    async def log_out(own: Services) -> Any:  # noqa: ANN401 - what is asked about differs
        login = await log_in(own, ann)
        gone = await log_out_with_provider(own, login, everywhere=False, forget_device=False, address="192.0.2.7")
        assert await ann.find_login() is None
        world.now += 1
        return gone

    assert "id_token_hint=the.id.token" in (await log_out(services)).url
    login = await log_in(services, ann)
    rekeyed = replace(services, sealer=KeyFileSealer(Secret(b"k" * 32)))
    gone = await log_out_with_provider(rekeyed, login, everywhere=True, forget_device=True, address="192.0.2.7")
    assert gone is not None
    assert "id_token_hint" not in gone.url
    assert "client_id=client" in gone.url

    def without_endpoint() -> Access:
        provider = replace(CORP, openid=replace(SETTINGS, end_session_url=""))
        return replace(world.access(), identity_providers=(provider,))

    world.now += 1
    assert (await log_out(replace(services, access=without_endpoint))).url == ""
    assert (await log_out(replace(services, access=lambda: replace(world.access(), identity_providers=())))) is None


def test_an_id_token_is_kept_only_where_it_is_needed(world: World) -> None:
    token = id_token(world)
    assert id_token_to_keep(CORP, token) == "the.id.token"
    assert id_token_to_keep(replace(CORP, openid=replace(SETTINGS, rp_initiated_logout=False)), token) == ""
    assert id_token_to_keep(PIN, token) == ""
