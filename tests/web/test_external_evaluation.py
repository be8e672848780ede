"""Policies that ask a service of the operator's about a person, at each login to the application."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from secondgate.flows.external_evaluation import load_evaluations
from secondgate.flows.login_request import LoginRequest
from secondgate.model.person import Identity
from secondgate.model.session import Login
from tests.fakes.evaluator import Evaluator, open_evaluator
from tests.web.browser import Person
from tests.web.conftest import StartSite
from tests.web.site import DIALECTS, NO_MFA, START, Clock, Site, application

EMAIL = "ann@example.com"
URL = "https://judged.example.com/page"
SIBLING = "https://judged.example.com/else"
DOMAIN = {"email_domain": {"domain": "example.com"}}


class Keys:
    """Where the evaluator finds our keys, once there is a site."""

    site: Site | None = None

    def __call__(self) -> dict[str, Any]:
        assert self.site is not None
        return dict(self.site.services.keys.jwks())


@pytest.fixture
async def evaluator() -> AsyncIterator[Evaluator]:
    async with open_evaluator(Clock(), Keys()) as service:
        yield service


async def start(start_site: StartSite, evaluator: Evaluator, **policy: object) -> Site:
    """Start a site with an application that asks, and one at the same host that does not."""
    asking = {"name": "asks", "decision": "allow", "include": [DOMAIN], "require": [evaluator.rule()], **policy}

    def change(configuration: dict[str, Any]) -> None:
        configuration["access"]["applications"] += [
            application("Judged", "judged.example.com", [asking], mfa_config=NO_MFA),
            application("Else", "judged.example.com/else", mfa_config=NO_MFA),
        ]

    site = await start_site(change)
    evaluator.clock = site.clock
    assert isinstance(evaluator.jwks, Keys)
    evaluator.jwks.site = site
    return site


async def test_a_yes_lets_the_person_in_and_a_no_does_not(start_site: StartSite, evaluator: Evaluator) -> None:
    site = await start(start_site, evaluator)
    evaluator.says = lambda claims: claims["identity"]["email"] == EMAIL
    ann, ben = Person(site, EMAIL), Person(site, "ben@example.com")
    assert (await ann.log_in(URL)).status == 200
    assert ann.browser.url == URL
    assert (await ben.log_in(URL)).status == 403
    question = evaluator.asked[0]
    assert (question["iss"], question["exp"] - question["iat"]) == ("https://mfa.example.com", 60)
    assert question["sub"] == question["identity"]["id"]
    assert question["identity"]["idp"]["type"] == "onetimepin"


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_it_is_asked_once_a_login_and_at_no_request(
    start_site: StartSite, evaluator: Evaluator, dialect: str
) -> None:
    site = await start(start_site, evaluator)
    ann = Person(site, EMAIL)
    await ann.log_in(URL)
    for _ in range(3):
        answer = await site.check(dialect, URL, cookie=ann.browser.cookies("judged.example.com"))
        assert answer.status == 200
    assert len(evaluator.asked) == 1


async def test_a_no_to_an_exclude_lets_in_and_a_yes_keeps_out(start_site: StartSite, evaluator: Evaluator) -> None:
    site = await start(start_site, evaluator, require=[], exclude=[evaluator.rule()])
    evaluator.says = lambda claims: claims["identity"]["email"] == EMAIL
    assert (await Person(site, EMAIL).log_in(URL)).status == 403
    assert (await Person(site, "ben@example.com").log_in(URL)).status == 200


async def test_another_application_of_the_host_is_no_way_around_the_question(
    start_site: StartSite, evaluator: Evaluator
) -> None:
    site = await start(start_site, evaluator, require=[], exclude=[evaluator.rule()])
    ann = Person(site, EMAIL)
    assert (await ann.log_in(SIBLING)).status == 200
    assert evaluator.asked == []
    assert (await ann.browser.open(URL)).status == 403


async def test_a_rule_that_came_later_asks_those_who_are_logged_in(start_site: StartSite, evaluator: Evaluator) -> None:
    site = await start(start_site, evaluator)
    ann = Person(site, EMAIL)
    await ann.log_in(URL)

    def excludes(configuration: dict[str, Any]) -> None:
        policy = configuration["access"]["applications"][-1]["policies"][0]
        policy["exclude"] = [evaluator.rule()]

    assert (await ann.browser.open(SIBLING)).status == 200
    site.reload(excludes)
    assert (await ann.browser.open(SIBLING)).status == 403


@pytest.mark.parametrize("fault", ["status", "nonce", "success", "expired", "key", "down"])
async def test_an_answer_that_proves_nothing_is_an_outage_and_lets_nobody_in(
    start_site: StartSite, evaluator: Evaluator, fault: str, logs: io.StringIO
) -> None:
    site = await start(start_site, evaluator, require=[], exclude=[evaluator.rule()])
    evaluator.says = lambda _: False
    if fault == "status":
        evaluator.status = 403
    elif fault == "key":
        evaluator.signs_with = ec.generate_private_key(ec.SECP256R1())
    elif fault == "down":
        site.reload(lambda document: _point_to(document, "http://127.0.0.1:9"))
    else:
        lie: dict[str, dict[str, object]] = {
            "nonce": {"nonce": "x"},
            "success": {"success": "yes"},
            "expired": {"iat": START - 90, "exp": START},
        }
        evaluator.change = lambda claims: claims.update(lie[fault])
    ann = Person(site, EMAIL)
    page = await ann.log_in(URL)
    assert page.status == 503
    (line,) = [one for one in logs.getvalue().splitlines() if "external evaluation" in one or "gave no answer" in one]
    assert '"level": "error"' in line
    assert (await ann.browser.open("https://menu.example.com/")).status == 200


def _point_to(configuration: dict[str, Any], origin: str) -> None:
    policy = configuration["access"]["applications"][-2]["policies"][0]
    policy["exclude"] = [{"external_evaluation": {"evaluate_url": f"{origin}/evaluate", "keys_url": f"{origin}/keys"}}]


async def test_a_person_who_asks_again_and_again_is_slowed(start_site: StartSite, evaluator: Evaluator) -> None:
    site = await start(start_site, evaluator)
    evaluator.says = lambda _: False
    ann = Person(site, EMAIL)
    await ann.log_in(URL)
    statuses = [(await ann.browser.open(URL)).status for _ in range(60)]
    assert statuses[0] == 403
    assert statuses[-1] == 429
    assert len(evaluator.asked) == 60


@pytest.mark.parametrize("anew", [{"identity_provider_id": "other"}, {"at": 1}])
async def test_what_was_said_of_a_login_does_not_speak_for_the_next_one(
    start_site: StartSite, evaluator: Evaluator, anew: dict[str, Any]
) -> None:
    """Somebody who logs in anew in the midst of a login request may be judged by what is other now."""
    services = (await start(start_site, evaluator)).services
    now = services.now()
    (application_id,) = (one for one, rules in services.access().evaluations.items() if rules)
    request = LoginRequest("token", "request-1", application_id, "judged.example.com", "/page", "nonce", now)

    def login(*, identity_provider_id: str = "first", at: int = 0) -> Login:
        identity = Identity(EMAIL, identity_provider_id=identity_provider_id)
        return Login("login-1", "person-1", "device-1", identity, now + at, now + 3600)

    first = await load_evaluations(services, login(), request)
    assert await load_evaluations(services, login(), request) == first
    assert len(evaluator.asked) == 1
    evaluator.says = lambda _: False
    second = await load_evaluations(services, login(**anew), request)
    assert len(evaluator.asked) == 2
    assert [one.said_yes for one in (*first, *second)] == [True, False]
