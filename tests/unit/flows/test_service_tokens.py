"""Service tokens are made, rotated and revoked; the secret is kept nowhere, and the audit log has who did it."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, replace

import pytest

from secondgate.errors import Conflict, Malformed, NotFound, Reason
from secondgate.flows.service_tokens import (
    change_service_token,
    create_service_token,
    know_service_tokens,
    list_service_tokens,
    load_service_token,
    refresh_service_token,
    revoke_service_token,
    rotate_service_token,
    unknown_references,
)
from secondgate.model.access import Access
from secondgate.model.decision import Rulebook
from secondgate.model.organization import Organization
from secondgate.model.policy import AnyServiceToken, Criteria, Group, InGroup, OneServiceToken, Policy, PolicyAction
from secondgate.model.secret import Secret
from secondgate.protocol.service_token import PresentedServiceToken
from tests.unit.flows.world import START, World, application

YEAR_S = 8760 * 3600


async def test_a_token_is_made_with_a_secret_whose_hash_alone_is_kept(world: World) -> None:
    token, secret = await create_service_token(world.services, name="ci", duration_s=YEAR_S, actor="root")
    assert re.fullmatch(r"[0-9a-f]{32}\.access", token.client_id)
    assert re.fullmatch(r"[0-9a-f]{64}", secret.reveal())
    assert token.secret_hash == hashlib.sha256(secret.reveal().encode()).hexdigest()
    assert (token.created_at, token.expires_at) == (START, START + YEAR_S)
    assert await list_service_tokens(world.services) == (token,)
    forever, _ = await create_service_token(world.services, name="cd", duration_s=None, actor="root")
    assert forever.expires_at is None
    assert secret.reveal() not in repr((token, world.durable.service_tokens, world.durable.events))
    assert token.secret_hash not in repr(token)


@pytest.mark.case(97)
async def test_the_audit_log_has_who_did_what_without_secrets(world: World) -> None:
    token, first = await create_service_token(world.services, name="ci", duration_s=YEAR_S, actor="root")
    rotated, second = await rotate_service_token(world.services, "ci", actor="eve")
    await revoke_service_token(world.services, "ci", actor="bob")
    detail = {"id": token.id, "name": "ci", "client_id": token.client_id}
    assert [(event.action, event.actor, event.detail) for event in world.durable.events] == [
        ("service_token.created", "root", detail),
        ("service_token.rotated", "eve", detail),
        ("service_token.revoked", "bob", detail),
    ]
    written = json.dumps([asdict(event) for event in world.durable.events])
    for secret in (first.reveal(), second.reveal(), token.secret_hash, rotated.secret_hash):
        assert secret not in written


async def test_a_name_belongs_to_one_token(world: World) -> None:
    await create_service_token(world.services, name="ci", duration_s=None, actor="root")
    with pytest.raises(Conflict) as refused:
        await create_service_token(world.services, name="ci", duration_s=None, actor="root")
    assert refused.value.reason is Reason.NAME_TAKEN
    assert len(world.durable.service_tokens) == len(world.durable.events) == 1


@pytest.mark.case(21)
@pytest.mark.parametrize(
    "name",
    [
        "",
        " ci",
        "ci ",
        "a\nb",
        "a\0b",
        "\x1b[2J",
        "a\u2028b",
        "\ud800",
        "x" * 351,
        "01234567-89ab-cdef-0123-456789abcdef",
        "0123456789ABCDEF0123456789abcdef",
    ],
)
async def test_a_name_that_no_rule_could_hold_or_that_looks_like_an_id_is_refused(world: World, name: str) -> None:
    with pytest.raises(Malformed):
        await create_service_token(world.services, name=name, duration_s=None, actor="root")
    assert world.durable.service_tokens == {}


async def test_rotation_changes_the_secret_and_nothing_else(world: World) -> None:
    token, first = await create_service_token(world.services, name="ci", duration_s=YEAR_S, actor="root")
    world.now += 10
    rotated, second = await rotate_service_token(world.services, token.id, actor="root")
    assert second.reveal() != first.reveal()
    assert rotated.secret_hash == hashlib.sha256(second.reveal().encode()).hexdigest()
    assert (rotated.id, rotated.client_id, rotated.expires_at) == (token.id, token.client_id, token.expires_at)
    assert await list_service_tokens(world.services) == (rotated,)


async def test_an_expired_token_is_not_rotated(world: World) -> None:
    token, _ = await create_service_token(world.services, name="ci", duration_s=60, actor="root")
    world.now += 60
    with pytest.raises(Conflict) as refused:
        await rotate_service_token(world.services, "ci", actor="root")
    assert refused.value.reason is Reason.EXPIRED
    assert await list_service_tokens(world.services) == (token,)


async def test_of_two_rotations_at_once_one_is_told_a_secret(world: World) -> None:
    await create_service_token(world.services, name="ci", duration_s=None, actor="root")
    told = []

    async def rotate_too() -> None:
        told.append(await rotate_service_token(world.services, "ci", actor="eve"))

    world.durable_steps.after["list_service_tokens"] = rotate_too
    with pytest.raises(Conflict):
        await rotate_service_token(world.services, "ci", actor="root")
    assert await list_service_tokens(world.services) == (told[0][0],)
    assert world.actions() == ["service_token.created", "service_token.rotated"]


async def test_a_secret_that_was_replaced_is_good_for_as_long_as_was_said(world: World) -> None:
    token, first = await create_service_token(world.services, name="ci", duration_s=None, actor="root")
    _, second = await rotate_service_token(world.services, "ci", previous_expires_at=START + 60, actor="root")

    def is_proved(secret: Secret[str]) -> bool:
        presented = PresentedServiceToken(token.client_id, secret)
        return world.services.service_tokens.find(presented, now=int(world.now)) is not None

    assert [is_proved(one) for one in (first, second)] == [True, True]
    world.now += 60
    assert [is_proved(one) for one in (first, second)] == [False, True]
    await rotate_service_token(world.services, "ci", previous_expires_at=START + 60, actor="root")
    assert [is_proved(one) for one in (first, second)] == [False, False], "a grace that is over is none"
    (stored,) = await list_service_tokens(world.services)
    assert (stored.previous_secret_hash, stored.previous_expires_at) == ("", None)


async def test_a_token_is_changed_by_what_it_is_when_it_is_changed(world: World) -> None:
    await create_service_token(world.services, name="ci", duration_s=YEAR_S, actor="root")

    async def disable_too() -> None:
        await change_service_token(world.services, "ci", lambda token: replace(token, is_enabled=False), actor="eve")

    world.durable_steps.after["list_service_tokens"] = disable_too
    world.now += 10
    changed = await change_service_token(
        world.services, "ci", lambda token: replace(token, duration_s=3600), actor="root"
    )
    assert (changed.is_enabled, changed.duration_s, changed.expires_at) == (False, 3600, START + 3610)
    assert await list_service_tokens(world.services) == (changed,)
    assert world.actions() == ["service_token.created", "service_token.updated", "service_token.updated"]
    assert world.durable.events[-1].detail["before.duration_s"] == str(YEAR_S)


async def test_a_change_that_changes_nothing_leaves_no_trace(world: World) -> None:
    token, _ = await create_service_token(world.services, name="ci", duration_s=YEAR_S, actor="root")
    world.now += 10
    assert await change_service_token(world.services, "ci", lambda one: one, actor="root") == token
    assert await list_service_tokens(world.services) == (token,)
    assert world.actions() == ["service_token.created"]


async def test_a_refreshed_token_lives_its_duration_anew(world: World) -> None:
    await create_service_token(world.services, name="ci", duration_s=60, actor="root")
    world.now += 100
    assert (await refresh_service_token(world.services, "ci", actor="root")).expires_at == START + 160
    forever, _ = await create_service_token(world.services, name="old", duration_s=None, actor="root")
    assert await refresh_service_token(world.services, "old", actor="root") == forever


async def test_when_a_token_was_seen_last_is_written_once_a_minute(world: World) -> None:
    token, secret = await create_service_token(world.services, name="ci", duration_s=None, actor="root")
    presented = PresentedServiceToken(token.client_id, secret)
    seen = []
    for passed in (0, 59, 1, 0):
        world.now += passed
        world.services.service_tokens.find(presented, now=int(world.now))
        await know_service_tokens(world.services)
        seen.append((await load_service_token(world.services, "ci")).last_seen_at)
    assert seen == [START, START, START + 60, START + 60]


async def test_a_revoked_token_is_gone(world: World) -> None:
    token, _ = await create_service_token(world.services, name="ci", duration_s=None, actor="root")

    async def revoke_too() -> None:
        await revoke_service_token(world.services, "ci", actor="eve")

    world.durable_steps.after["list_service_tokens"] = revoke_too
    with pytest.raises(NotFound):
        await revoke_service_token(world.services, token.id, actor="root")
    assert await list_service_tokens(world.services) == ()
    for reference in ("ci", token.id, ""):
        with pytest.raises(NotFound):
            await load_service_token(world.services, reference)


async def test_what_rules_name_and_nobody_made_is_found_also_in_groups(world: World) -> None:
    token, _ = await create_service_token(world.services, name="ci", duration_s=None, actor="root")
    world.services.service_tokens.replace([token])
    group = Group("g", "robots", Criteria((OneServiceToken("robot"), AnyServiceToken())))
    rules = (OneServiceToken("ci"), OneServiceToken(token.id), InGroup("g"))
    policy = Policy("p", "p", PolicyAction.SERVICE_AUTH, Criteria(rules, exclude=(OneServiceToken("old"),)), 1)
    rulebook = Rulebook(Organization("Example"), {"g": group})
    access = Access("1", rulebook, (application(policies=(policy,)),), ())
    assert unknown_references(world.services, access) == {"robot", "old"}
