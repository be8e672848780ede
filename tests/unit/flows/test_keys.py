"""Signing keys are replaced on time and on demand; what they signed is proved as long as it may live."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import asdict

import pytest

from secondgate.errors import Conflict, Malformed, Reason
from secondgate.flows.keys import (
    DAY_S,
    DEFAULT_INTERVAL_DAYS,
    KeyTimes,
    load_key_times,
    rotate_keys,
    rotate_keys_when_due,
    save_key_interval,
)
from secondgate.model.audit import ActorKind
from secondgate.model.keys import SigningAlgorithm
from secondgate.protocol.duration import MAX_DURATION_S
from secondgate.protocol.jwt import SPREAD_S, TokenKind, new_signing_key
from tests.unit.flows.world import PORTAL, START, World


@pytest.fixture
async def keyed(world: World) -> World:
    """Give a world whose one signing key is stored."""
    key = new_signing_key(SigningAlgorithm.ES256, now=START, name="mfa.example.com", random_bytes=os.urandom)
    await world.durable.add_signing_key(key)
    world.services.keys.replace([key])
    return world


@pytest.mark.case(90)
async def test_a_new_key_is_published_at_once_beside_the_one_before(keyed: World) -> None:
    (old,) = keyed.services.keys.kids
    keyed.now += 60
    times = await rotate_keys(keyed.services, actor="root")
    assert times == KeyTimes(DEFAULT_INTERVAL_DAYS, START + 60)
    new, previous = keyed.services.keys.kids
    assert (new != old, previous) == (True, old)
    assert [one["kid"] for one in keyed.services.keys.certificates()] == [new, old]
    assert [key.algorithm for key in keyed.durable.signing_keys] == [SigningAlgorithm.ES256] * 2


@pytest.mark.case(90)
async def test_keys_that_are_made_in_one_second_have_an_order(keyed: World) -> None:
    for _ in range(3):
        await rotate_keys(keyed.services, actor="root")
    stored = await keyed.durable.list_signing_keys()
    assert [key.created_at for key in stored] == [START + 3, START + 2, START + 1, START]


@pytest.mark.case(90)
async def test_a_key_stays_until_nothing_that_it_signed_can_be_valid_and_the_previous_one_stays(keyed: World) -> None:
    (first,) = keyed.services.keys.kids
    keyed.now = START + DAY_S
    await rotate_keys(keyed.services, actor="root")
    second = keyed.services.keys.kids[0]
    signed_at = START + DAY_S + SPREAD_S - 1
    claims = {"iss": PORTAL, "aud": PORTAL, "sid": "s", "iat": signed_at, "exp": signed_at + MAX_DURATION_S}
    token = keyed.services.keys.sign(TokenKind.SESSION, claims)
    keyed.now = signed_at + MAX_DURATION_S - 1
    await rotate_keys(keyed.services, actor="root")
    keyed.services.keys.verify(TokenKind.SESSION, token, issuer=PORTAL, audience=PORTAL, now=int(keyed.now))
    assert keyed.services.keys.kids[1:] == (second, first)
    keyed.now += 2
    await rotate_keys(keyed.services, actor="root")
    assert first not in keyed.services.keys.kids
    assert second in keyed.services.keys.kids
    keyed.now += 2 * MAX_DURATION_S
    newest = keyed.services.keys.kids[0]
    await rotate_keys(keyed.services, actor="root")
    assert keyed.services.keys.kids[1:] == (newest,)


@pytest.mark.case(90)
async def test_a_key_is_replaced_by_itself_when_its_interval_is_over(keyed: World) -> None:
    await save_key_interval(keyed.services, 21, actor="root")
    keyed.now = START + 21 * DAY_S - 1
    assert not await rotate_keys_when_due(keyed.services)
    assert (await load_key_times(keyed.services)).days_left_at(int(keyed.now)) == 1
    keyed.now += 1
    assert (await load_key_times(keyed.services)).days_left_at(int(keyed.now)) == 0
    assert await rotate_keys_when_due(keyed.services)
    assert not await rotate_keys_when_due(keyed.services)
    assert (await load_key_times(keyed.services)).days_left_at(int(keyed.now)) == 21
    assert keyed.durable.events[-1].actor_kind is ActorKind.SYSTEM


@pytest.mark.case(90)
async def test_of_many_rotations_at_once_one_is_done(keyed: World) -> None:
    keyed.now += DEFAULT_INTERVAL_DAYS * DAY_S

    async def rotate_too() -> None:
        assert await rotate_keys_when_due(keyed.services)

    keyed.durable_steps.after["list_signing_keys"] = rotate_too
    with pytest.raises(Conflict) as refused:
        await rotate_keys(keyed.services, actor="root")
    assert refused.value.reason is Reason.CHANGED_MEANWHILE
    assert len(keyed.durable.signing_keys) == 2
    assert sum(await asyncio.gather(*(rotate_keys_when_due(keyed.services) for _ in range(5)))) == 0


@pytest.mark.parametrize("days", [-1, 0, 20, 366, 10**9])
async def test_an_interval_is_three_weeks_to_a_year(keyed: World, days: int) -> None:
    with pytest.raises(Malformed):
        await save_key_interval(keyed.services, days, actor="root")
    assert (await load_key_times(keyed.services)).interval_days == DEFAULT_INTERVAL_DAYS


@pytest.mark.case(76)
async def test_the_audit_log_has_who_changed_keys_without_keys(keyed: World) -> None:
    await save_key_interval(keyed.services, 30, actor="root")
    await save_key_interval(keyed.services, 30, actor="root")
    await rotate_keys(keyed.services, actor="eve")
    assert [(event.action, event.actor) for event in keyed.durable.events] == [
        ("signing_keys.updated", "root"),
        ("signing_keys.rotated", "eve"),
    ]
    assert keyed.durable.events[0].detail == {"before.interval_days": "42", "after.interval_days": "30"}
    written = json.dumps([asdict(event) for event in keyed.durable.events])
    for key in keyed.durable.signing_keys:
        assert key.private_key.reveal().hex() not in written
