"""Machines at the gate: a service token lets through what a policy for machines allows, and nothing else does."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from secondgate.errors import Unavailable
from secondgate.flows.machines import ASSERTION_LIFE_S, MAX_AGE_S, KnownServiceTokens
from secondgate.flows.refresh import UnknownTokens, refresh
from secondgate.flows.service_tokens import create_service_token, revoke_service_token, rotate_service_token
from secondgate.model.service_token import ServiceToken
from secondgate.protocol.jwt import TokenKind
from tests.web.browser import Person
from tests.web.conftest import StartSite
from tests.web.site import DIALECTS, FORWARD_AUTH, IDENTITY, NAVIGATION, NO_MFA, SCRIPT, STAFF, Site, application
from tests.web.wire import Answer, Fields

CI = [{"name": "ci", "decision": "non_identity", "include": [{"service_token": {"token_id": "ci"}}]}]
ANY = [{"name": "machines", "decision": "non_identity", "include": [{"any_valid_service_token": {}}]}]
HOOK, BOTH, SPOT = "https://hook.example.com/deploy", "https://both.example.com/", "https://spot.example.com/"
UNAUTHENTICATED = {"error": "unauthenticated", "reason": "service_token"}
YEAR_S = 8760 * 3600


def with_machines(configuration: dict[str, Any]) -> None:
    """Have an application for one machine, one for people and machines, and one that people are not redirected to."""
    configuration["access"]["applications"] += [
        application("Hook", "hook.example.com", CI),
        application("Both", "both.example.com", [*STAFF, *ANY], mfa_config=NO_MFA),
        application("Spot", "spot.example.com", STAFF, mfa_config=NO_MFA, service_auth_401_redirect=True),
        application("Bare", "bare.example.com", [{"name": "b", "decision": "bypass", "include": [{"everyone": {}}]}]),
    ]


@pytest.fixture
async def site(start_site: StartSite) -> Site:
    return await start_site(with_machines)


async def made(site: Site, name: str = "ci", *, duration_s: int | None = YEAR_S) -> tuple[ServiceToken, Fields]:
    """Make a token that the gate knows; gives it and what the machine sends."""
    token, secret = await create_service_token(site.services, name=name, duration_s=duration_s, actor="test")
    await refresh(site.services)
    return token, fields_of(token.client_id, secret.reveal())


def fields_of(client_id: str, secret: str) -> Fields:
    return [("CF-Access-Client-Id", client_id), ("CF-Access-Client-Secret", secret)]


def claims_of(site: Site, answer: Answer, name: str) -> dict[str, object]:
    """Verify the assertion as the application does, and give its claims."""
    (found,) = (one for one in site.current().applications if one.name == name)
    return site.services.keys.verify(
        TokenKind.ASSERTION,
        answer.one("Cf-Access-Jwt-Assertion"),
        issuer="https://mfa.example.com",
        audience=found.aud,
        now=int(site.clock.now),
    )


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_machine_passes_and_the_application_is_told_which_one_it_is(site: Site, dialect: str) -> None:
    token, fields = await made(site)
    answer = await site.check(dialect, HOOK, fields=fields)
    assert answer.status == 200
    assert [answer.one(name) for name in IDENTITY[:-1]] == [""] * 5
    assert answer.all("Set-Cookie") == []
    claims = claims_of(site, answer, "Hook")
    assert (claims["common_name"], claims["sub"], claims["type"]) == (token.client_id, "", "app")
    assert claims["exp"] == claims["iat"] + ASSERTION_LIFE_S  # type: ignore[operator]
    assert claims["nbf"] == claims["iat"] == int(site.clock.now)
    assert not claims.keys() & {"email", "amr", "auth_time", "mfa", "identity_nonce"}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("url", [HOOK, BOTH, SPOT])
async def test_what_proves_nothing_is_401_without_a_way_to_log_in(site: Site, dialect: str, url: str) -> None:
    token, fields = await made(site)
    (_, client_id), (_, secret) = fields
    other, _ = await made(site, "other")
    wrong = [
        fields_of(client_id, secret[:-1] + ("0" if secret[-1] != "0" else "1")),
        fields_of(client_id, ""),
        fields_of(client_id, token.secret_hash),
        fields_of(client_id, secret.upper() + " "),
        fields_of(other.client_id, secret),
        fields_of(token.id, secret),
        fields_of(token.name, secret),
        fields_of("f" * 32 + ".access", secret),
        fields_of(client_id.upper(), secret),
        fields_of("", ""),
        fields[:1],
        fields[1:],
    ]
    for presented in wrong:
        for kind in (NAVIGATION, SCRIPT):
            answer = await site.check(dialect, url, fields=[*kind, *presented])
            assert (answer.status, answer.json) == (401, UNAUTHENTICATED), presented
            assert answer.all("Location") == answer.all("Set-Cookie") == []


@pytest.mark.case(3)
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_token_that_can_be_read_in_two_ways_is_refused(site: Site, dialect: str) -> None:
    _, fields = await made(site)
    (_, client_id), (_, secret) = fields
    for more in (
        ("CF-Access-Client-Id", client_id),
        ("cf-access-client-secret", secret),
        ("CF_Access_Client_Id", client_id),
        ("CF-Access_Client-Secret", "guess"),
    ):
        for presented in ([*fields, more], [more, *fields]):
            answer = await site.check(dialect, HOOK, fields=presented)
            assert answer.status == 403, more
            assert secret not in answer.text


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_token_expires_at_its_second(site: Site, dialect: str) -> None:
    _, fields = await made(site, duration_s=3600)
    site.clock.advance(3599)
    answer = await site.check(dialect, HOOK, fields=fields)
    assert answer.status == 200
    assert claims_of(site, answer, "Hook")["exp"] == int(site.clock.now) + 1
    site.clock.advance(1)
    assert (await site.check(dialect, HOOK, fields=fields)).status == 401


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_rotated_and_a_revoked_token_prove_nothing_at_the_next_reading(site: Site, dialect: str) -> None:
    token, fields = await made(site)
    _, secret = await rotate_service_token(site.services, "ci", actor="test")
    await refresh(site.services)
    assert (await site.check(dialect, HOOK, fields=fields)).status == 401
    fields = fields_of(token.client_id, secret.reveal())
    assert (await site.check(dialect, HOOK, fields=fields)).status == 200
    await revoke_service_token(site.services, token.id, actor="test")
    await refresh(site.services)
    assert (await site.check(dialect, HOOK, fields=fields)).status == 401


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_machine_that_is_known_and_not_allowed_is_refused(site: Site, dialect: str) -> None:
    _, fields = await made(site, "other")
    for url in (HOOK, "https://menu.example.com/"):
        answer = await site.check(dialect, url, fields=[*SCRIPT, *fields])
        assert (answer.status, answer.json["reason"]) == (403, "no_policy_matched")
        assert answer.all("Location") == []
    assert (await site.check(dialect, BOTH, fields=fields)).status == 200


async def test_people_log_in_where_machines_have_a_policy_too(site: Site, ann: Person) -> None:
    assert (await site.check(FORWARD_AUTH, BOTH)).status == 302
    assert (await ann.log_in(BOTH)).status == 200
    nobody = await site.check(FORWARD_AUTH, HOOK)
    assert (nobody.status, nobody.json) == (401, {"error": "unauthenticated", "reason": "no_session"})


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_session_with_a_token_that_proves_nothing_is_judged_as_a_session(
    site: Site, ann: Person, dialect: str
) -> None:
    await ann.log_in(BOTH)
    cookie = ann.session("both.example.com")
    answer = await site.check(dialect, BOTH, cookie=cookie, fields=[*NAVIGATION, *fields_of("a", "b")])
    assert (answer.status, answer.one("Remote-User")) == (200, ann.email)
    _, fields = await made(site)
    machine = await site.check(dialect, BOTH, cookie=cookie, fields=[*NAVIGATION, *fields])
    assert (machine.status, machine.one("Remote-User")) == (200, "")
    allowed = await site.check(dialect, HOOK, cookie=cookie, fields=[*SCRIPT, *fields])
    assert allowed.status == 200
    dead = "__Host-secondgate=dead"
    for presented in (fields_of("a", "b"), fields_of("", "")):
        answer = await site.check(dialect, BOTH, cookie=dead, fields=[*NAVIGATION, *presented])
        assert (answer.status, answer.json, answer.all("Location")) == (401, UNAUTHENTICATED, [])
    _, other = await made(site, "other")
    assert (await site.check(dialect, HOOK, cookie=dead, fields=[*NAVIGATION, *other])).status == 403
    spot = await site.check(dialect, SPOT, cookie=dead)
    assert (spot.status, spot.all("Location")) == (401, [])


async def test_rules_about_tokens_are_judged_at_every_request_of_a_person_too(
    start_site: StartSite,
) -> None:
    def change(configuration: dict[str, Any]) -> None:
        people = [{**STAFF[0], "exclude": [{"any_valid_service_token": {}}]}]
        configuration["access"]["applications"] += [application("Desk", "desk.example.com", people, mfa_config=NO_MFA)]

    site = await start_site(change)
    ann = Person(site, "ann@example.com")
    url = "https://desk.example.com/"
    assert (await ann.log_in(url)).status == 200
    cookie = ann.session("desk.example.com")
    _, fields = await made(site)
    assert (await site.check(FORWARD_AUTH, url, cookie=cookie, fields=[*SCRIPT, *fields])).status == 403
    assert (await site.check(FORWARD_AUTH, url, cookie=cookie, fields=[*SCRIPT, *fields_of("a", "b")])).status == 200


async def test_a_bypass_says_nothing_of_the_machine(site: Site) -> None:
    _, fields = await made(site)
    answer = await site.check(FORWARD_AUTH, "https://bare.example.com/", fields=fields)
    assert (answer.status, [answer.one(name) for name in IDENTITY]) == (200, [""] * 6)


async def test_an_assertion_is_signed_once_while_half_of_its_life_is_left(site: Site) -> None:
    _, fields = await made(site)

    async def assertion(url: str = HOOK) -> str:
        return (await site.check(FORWARD_AUTH, url, fields=fields)).one("Cf-Access-Jwt-Assertion")

    first = await assertion()
    site.clock.advance(ASSERTION_LIFE_S // 2)
    assert await assertion() == first
    assert await assertion(BOTH) != first
    site.clock.advance(1)
    assert await assertion() != first


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.case(85)
async def test_what_was_read_too_long_ago_lets_no_machine_in_and_keeps_no_person_out(
    site: Site, ann: Person, dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, fields = await made(site)
    await ann.log_in(BOTH)

    async def fail() -> tuple[ServiceToken, ...]:
        raise Unavailable("the database is gone")

    monkeypatch.setattr(site.services.durable, "list_service_tokens", fail)
    with pytest.raises(Unavailable):
        await refresh(site.services)
    known: KnownServiceTokens = site.services.service_tokens
    assert (await site.check(dialect, HOOK, fields=fields)).status == 200
    monotonic = known._monotonic
    monkeypatch.setattr(known, "_monotonic", lambda: monotonic() + MAX_AGE_S + 1)
    for presented in (fields, fields_of("a", "b")):
        answer = await site.check(dialect, HOOK, fields=presented)
        assert (answer.status, answer.all("Location")) == (503, [])
    assert (await site.check(dialect, BOTH, cookie=ann.session("both.example.com"))).status == 200
    assert (await site.check(dialect, HOOK)).status == 401
    monkeypatch.undo()
    await refresh(site.services)
    assert (await site.check(dialect, HOOK, fields=fields)).status == 200


def events(logs: io.StringIO, name: str) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, logs.getvalue().splitlines()) if line["event"] == name]


@pytest.mark.case(97)
async def test_a_refused_machine_is_named_in_one_line_a_minute_and_its_secret_never(
    site: Site, logs: io.StringIO
) -> None:
    token, fields = await made(site)
    secret = fields[1][1]
    swapped = fields_of(secret, token.client_id)
    for _ in range(5):
        for presented in (fields_of(token.client_id, "guess-of-a-secret"), swapped, [*fields, fields[1]]):
            await site.check(FORWARD_AUTH, BOTH, fields=presented)
    lines = events(logs, "machine.refused")
    assert [(line["client_id"], line["reason"]) for line in lines] == [
        (token.client_id, "service_token"),
        ("", "service_token"),
    ]
    site.clock.advance(60)
    await site.check(FORWARD_AUTH, BOTH, fields=swapped)
    assert events(logs, "machine.refused")[-1]["left_out"] == 8
    assert secret not in logs.getvalue()
    assert "guess-of-a-secret" not in logs.getvalue()


async def test_however_many_ids_are_tried_the_log_stays_short(site: Site, logs: io.StringIO) -> None:
    for number in range(130):
        await site.check(FORWARD_AUTH, HOOK, fields=fields_of(f"{number:032x}.access", "x"))
    assert len(events(logs, "machine.refused")) == 100


async def test_refused_machines_are_counted(site: Site) -> None:
    async def count() -> float:
        text = (await site.send("admin", "GET", "/metrics")).text
        name = 'secondgate_checks_total{dialect="forward-auth",outcome="unauthenticated"} '
        return float(next((line.removeprefix(name) for line in text.splitlines() if line.startswith(name)), 0))

    before = await count()
    await site.check(FORWARD_AUTH, HOOK, fields=fields_of("a", "b"))
    assert await count() == before + 1


async def test_rules_about_tokens_that_nobody_made_are_named_once(site: Site, logs: io.StringIO) -> None:
    unknown = UnknownTokens(site.services)
    for _ in range(3):
        unknown.tell()
    (line,) = events(logs, "service_token.unknown")
    assert (line["level"], line["names"]) == ("warning", ["ci"])
    await made(site)
    unknown.tell()
    site.reload(
        lambda configuration: configuration["access"]["applications"].append(
            application("More", "more.example.com", json.loads(json.dumps(CI).replace('"ci"', '"more"')))
        )
    )
    unknown.tell()
    assert [one["names"] for one in events(logs, "service_token.unknown")] == [["ci"], ["more"]]
