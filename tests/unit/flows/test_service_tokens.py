"""Service tokens are made, rotated and revoked; the secret is kept nowhere, and the audit log has who did it."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict

import pytest

from secondgate.errors import Conflict, Malformed, NotFound, Reason
from secondgate.flows.service_tokens import (
    create_service_token,
    list_service_tokens,
    load_service_token,
    revoke_service_token,
    rotate_service_token,
    unknown_references,
)
from secondgate.model.access import Access
from secondgate.model.decision import Rulebook
from secondgate.model.organization import Organization
from secondgate.model.policy import AnyServiceToken, Criteria, Group, InGroup, OneServiceToken, Policy, PolicyAction
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
