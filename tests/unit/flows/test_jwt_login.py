"""A token at the gate is a login that lasts for one request: who it is of, and what it opens."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
import structlog

from secondgate.errors import Reason
from secondgate.flows.jwt_login import JwtDecision, decide_by_jwt, identity_of_jwt
from secondgate.flows.sessions import delete_person, set_person_disabled
from secondgate.model.application import Application
from secondgate.model.decision import Allow, Refuse, SignIn, StepUp
from secondgate.model.organization import MfaConfig, MfaOverride
from secondgate.model.policy import Criteria, ExternalEvaluation, Policy, PolicyAction, Visitor
from secondgate.model.presented_jwt import JwtSource
from secondgate.protocol.presented_jwt import PresentedJwt
from secondgate.store.ports import OutgoingAnswer
from tests.fakes.jwt_issuer import AUDIENCE, ISSUER, JwtIssuer
from tests.unit.flows.world import ALL_METHODS, ANN, STAFF_POLICY, Person, World, application, claims_of

URL = "https://login.example.com/jwks"
SOURCE = JwtSource(ISSUER, (AUDIENCE,), header="Authorization", jwks_url=URL)
OPEN = application("open", "open.example.com", mfa=MfaOverride(mfa_disabled=True))
WIKI = application()


class Caller:
    """A client with a token."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.issuer = JwtIssuer(world.clock)
        world.outgoing.answers[URL] = OutgoingAnswer(200, self.issuer.jwks())

    async def ask(self, token: str = "", place: Application = OPEN) -> JwtDecision:
        presented = (PresentedJwt(SOURCE, token or self.issuer.token()),)
        proven = await self.world.services.jwts.prove(presented)
        assert proven
        return await decide_by_jwt(self.world.services, place, proven, Visitor(ip_address("192.0.2.7")))


@pytest.fixture
def world() -> World:
    world = World(applications=(WIKI, OPEN), jwt_sources=(SOURCE,))
    world.organization = replace(world.organization, mfa=MfaConfig(ALL_METHODS, 1800, 3600))
    return world


@pytest.fixture
def caller(world: World) -> Caller:
    return Caller(world)


async def test_the_first_token_makes_the_person_and_the_next_finds_them(world: World, caller: Caller) -> None:
    found = [await caller.ask(caller.issuer.token(n=number)) for number in range(3)]
    assert all(isinstance(one.decision, Allow) and one.identity and one.identity.email == ANN for one in found)
    (person,) = await world.durable.list_people()
    assert {claims_of(one.assertion)["sub"] for one in found} == {person.id}
    assert (person.name, person.last_login_at) == ("Ann", int(world.now))


async def test_many_at_once_look_the_person_up_once(caller: Caller) -> None:
    token = caller.issuer.token()
    with structlog.testing.capture_logs() as lines:
        found = await asyncio.gather(*(caller.ask(token) for _ in range(100)))
    assert len({one.assertion for one in found}) == 1
    assert [line["event"] for line in lines if line["event"] == "jwt.accepted"] == ["jwt.accepted"]


async def test_the_assertion_is_signed_anew_when_something_else_decides(world: World, caller: Caller) -> None:
    token = caller.issuer.token()
    first = await caller.ask(token)
    assert (await caller.ask(token)).assertion == first.assertion
    shorter = replace(OPEN, session_duration_s=60)
    changed = await caller.ask(token, shorter)
    assert claims_of(changed.assertion)["exp"] == world.now + 60
    assert claims_of(first.assertion)["exp"] == world.now + 300


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({}, Reason.MFA_MISSING),
        ({"amr": ["otp"]}, Reason.MFA_MISSING),
        ({"amr": ["otp"], "auth_time": -3600}, Reason.MFA_AGE),
        ({"amr": ["otp"], "auth_time": 61}, Reason.MFA_MISSING),
    ],
)
@pytest.mark.case(61)
async def test_mfa_is_still_ours(world: World, caller: Caller, claims: dict[str, Any], reason: Reason) -> None:
    said = dict(claims)
    if "auth_time" in said:
        said["auth_time"] += int(world.now)
    found = await caller.ask(caller.issuer.token(**said), WIKI)
    assert isinstance(found.decision, StepUp)
    assert (found.decision.reason, found.identity, found.assertion) == (reason, None, "")


async def test_the_issuers_mfa_is_as_old_as_it_says_and_named_in_the_assertion(world: World, caller: Caller) -> None:
    at = int(world.now) - 3599
    token = caller.issuer.token(amr=["hwk", "pwd"], auth_time=at)
    found = await caller.ask(token, WIKI)
    claims = claims_of(found.assertion)
    assert (claims["mfa"], claims["amr"], claims["auth_time"]) == ({"security_key": at}, ["hwk", "pwd"], at)
    world.now += 1
    assert isinstance((await caller.ask(token, WIKI)).decision, StepUp)


async def test_an_mfa_made_here_is_no_tokens(world: World, caller: Caller) -> None:
    ann = Person(world)
    await ann.sign_in()
    await ann.enrol_app()
    other = caller.issuer.token(email="ben@example.com")
    assert isinstance((await caller.ask(other, WIKI)).decision, StepUp)


async def test_policies_that_ask_a_service_need_a_login(world: World, caller: Caller) -> None:
    rule = ExternalEvaluation("https://evaluate.example.com/", "https://evaluate.example.com/keys")
    policy = Policy("asked", "asked", PolicyAction.ALLOW, Criteria((rule,)), 1)
    asked = application("asked", "asked.example.com", policies=(policy, STAFF_POLICY), mfa=OPEN.mfa)
    world.applications = (asked, OPEN)
    found = await caller.ask(place=asked)
    assert isinstance(found.decision, SignIn)


@pytest.mark.case(28)
async def test_the_disabled_and_the_deleted_are_refused_after_five_seconds(world: World, caller: Caller) -> None:
    token = caller.issuer.token()
    await caller.ask(token)
    (person,) = await world.durable.list_people()
    await set_person_disabled(world.services, person.id, disabled=True, actor="test")
    world.now += 5
    assert (await caller.ask(token)).decision == Refuse(Reason.PERSON_DISABLED)
    await delete_person(world.services, person.id, actor="test")
    world.now += 5
    assert (await caller.ask(token)).decision == Refuse(Reason.PERSON_DISABLED)
    assert await world.durable.list_people() == ()
    assert isinstance((await caller.ask(caller.issuer.token(n=1))).decision, Allow)


@pytest.mark.case(65)
async def test_an_address_of_somebody_known_in_another_way_asks_for_a_login(world: World, caller: Caller) -> None:
    await Person(world).sign_in()
    found = await caller.ask()
    assert found.decision == SignIn(Reason.IDENTITY_NOT_JOINED)


@pytest.mark.case(65)
async def test_an_address_that_became_somebody_elses_is_refused(caller: Caller) -> None:
    await caller.ask()
    await caller.ask(caller.issuer.token(sub="s-2", email="ben@example.com"))
    found = await caller.ask(caller.issuer.token(email="ben@example.com"))
    assert found.decision == Refuse(Reason.IDENTITY_MISMATCH)


async def test_beside_a_session_keys_that_cannot_be_had_name_nobody(world: World, caller: Caller) -> None:
    presented = (PresentedJwt(SOURCE, caller.issuer.token()),)
    world.outgoing.answers.clear()
    assert await identity_of_jwt(world.services, presented) is None
    assert await identity_of_jwt(world.services, ()) is None
    world.outgoing.answers[URL] = OutgoingAnswer(200, caller.issuer.jwks())
    world.now += 5
    identity = await identity_of_jwt(world.services, presented)
    assert identity
    assert identity.email == ANN
