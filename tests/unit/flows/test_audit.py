"""Who did what, from where and with which factor: what the flows write to the audit log, and when it is shortened."""

from __future__ import annotations

import pytest

from secondgate.errors import Malformed, ProofRejected, Unavailable
from secondgate.flows.audit_retention import PRUNED_EVERY_S, prune_audit_log
from secondgate.flows.browser import factor_in_use
from secondgate.flows.enrol import remove_authenticator
from secondgate.flows.proof import Purpose
from secondgate.flows.services import MAX_DETAIL_CHARS
from secondgate.flows.sessions import end_sessions, log_out
from secondgate.model.audit import Actor, ActorKind, AuditEvent, Effect, Factor, Outcome
from secondgate.model.organization import Method
from tests.unit.flows.world import Person, World

TOKEN = Actor(ActorKind.TOKEN, "ci", "t-1", "203.0.113.9", "DELETE /client/v4/x")
DAY_S = 86400


async def last(world: World, action: str) -> AuditEvent:
    return next(one for one in await world.durable.list_events() if one.action == action)


async def id_of(world: World, person: Person, method: Method) -> str:
    login = await person.login()
    return next(a.id for a in await world.durable.list_authenticators(login.person_id) if a.method is method)


@pytest.mark.parametrize(
    ("action", "outcome", "effect"),
    [
        ("login.succeeded", Outcome.SUCCESS, Effect.VIEW),
        ("totp.rejected", Outcome.FAILURE, Effect.VIEW),
        ("applications.created", Outcome.SUCCESS, Effect.CREATE),
        ("person.email_changed", Outcome.SUCCESS, Effect.UPDATE),
        ("authenticator.removed", Outcome.SUCCESS, Effect.DELETE),
    ],
)
def test_how_it_ended_and_what_it_changed_follow_from_the_action(action: str, outcome: Outcome, effect: Effect) -> None:
    event = AuditEvent(1, action, "")
    assert (event.outcome, event.effect) == (outcome, effect)


async def test_an_event_says_who_it_was_and_what_kind_of_actor(world: World, ready: Person) -> None:
    person_id = (await ready.login()).person_id
    world.now += 30
    await ready.prove_code()
    event = await last(world, "mfa.succeeded")
    assert (event.actor, event.actor_kind, event.actor_id) == ("ann@example.com", ActorKind.PERSON, person_id)
    assert event.factor == Factor("totp", await id_of(world, ready, Method.TOTP))
    assert event.id
    await end_sessions(world.services, person_id, actor=TOKEN)
    ended = await last(world, "sessions.ended")
    assert (ended.actor, ended.actor_kind, ended.actor_id) == ("ci", ActorKind.TOKEN, "t-1")
    assert (ended.address, ended.detail["call"]) == ("203.0.113.9", "DELETE /client/v4/x")
    assert (ended.person_id, ended.factor) == (person_id, Factor())


async def test_nobody_who_can_be_named_is_unknown(world: World) -> None:
    await world.services.audit("api.refused", actor="", address="203.0.113.9")
    event = await last(world, "api.refused")
    assert (event.actor, event.actor_kind, event.actor_id) == ("", ActorKind.UNKNOWN, "")


async def test_two_events_have_two_ids(world: World) -> None:
    for _ in range(2):
        await world.services.audit("api.refused", actor="")
    one, other = await world.durable.list_events()
    assert one.id != other.id


async def test_a_wrong_code_names_the_method_that_was_tried(world: World, ready: Person) -> None:
    with pytest.raises(ProofRejected):
        await ready.prove_code("000000")
    assert (await last(world, "totp.rejected")).factor == Factor("totp")


async def test_removing_an_authenticator_names_the_one_that_opened_the_window_even_if_it_is_the_one_that_goes(
    world: World, enrolled: Person
) -> None:
    totp = await id_of(world, enrolled, Method.TOTP)
    await enrolled.prove_code(purpose=Purpose.DEVICES)
    login = await enrolled.login()
    await remove_authenticator(world.services, enrolled.browser(login), login, totp)
    event = await last(world, "authenticator.removed")
    assert (event.detail["id"], event.factor) == (totp, Factor("totp", totp))


async def test_an_outage_of_the_sessions_leaves_the_factor_out_and_nothing_else(world: World, ready: Person) -> None:
    login = await ready.login()
    assert (await factor_in_use(world.services, login)).method == "totp"

    async def fail() -> None:
        raise Unavailable("redis")

    world.live_steps.after["list_owned"] = fail
    assert await factor_in_use(world.services, login) == Factor()


async def test_a_logout_says_with_what_the_browser_was_verified_although_it_is_forgotten(
    world: World, ready: Person
) -> None:
    totp = await id_of(world, ready, Method.TOTP)
    login = await ready.login()
    await log_out(world.services, login, everywhere=False, forget_device=True, address="192.0.2.1")
    assert (await last(world, "logout.succeeded")).factor == Factor("totp", totp)


async def test_what_others_say_is_cut_and_no_text_makes_an_event_impossible(world: World) -> None:
    await world.services.audit("login.failed", actor="", detail="x" * 100_000, reason="a\0b\ud800")
    event = await last(world, "login.failed")
    assert len(event.detail["detail"]) < MAX_DETAIL_CHARS + 40
    assert event.detail["detail"].endswith("(100000 characters)")
    with pytest.raises(Malformed):
        await world.services.audit("login.failed", actor="a\0")


async def fill(world: World, *ages_s: int) -> None:
    for age_s in ages_s:
        event = AuditEvent(int(world.now) - age_s, "login.succeeded", "ann@example.com", id=f"e{age_s}")
        await world.durable.append_event(event)


async def test_what_is_older_than_it_is_kept_goes_and_nothing_younger(world: World) -> None:
    await fill(world, 5 * DAY_S, DAY_S + 1, DAY_S, DAY_S - 1, 0)
    assert await prune_audit_log(world.services, retention_s=DAY_S) == 2
    kept = await world.durable.list_events(oldest_first=True)
    assert [one.action for one in kept] == ["login.succeeded"] * 3 + ["audit.pruned"]
    assert [one.id for one in kept[:3]] == [f"e{DAY_S}", f"e{DAY_S - 1}", "e0"]
    told = kept[3]
    assert (told.actor, told.actor_kind, told.detail["count"]) == ("audit-retention", ActorKind.SYSTEM, "2")


async def test_it_goes_batch_by_batch_and_each_is_written_down(world: World) -> None:
    await fill(world, *(2 * DAY_S + number for number in range(7)))
    assert await prune_audit_log(world.services, retention_s=DAY_S, batch=3) == 7
    assert [one.detail["count"] for one in await world.durable.list_events(oldest_first=True)] == ["3", "3", "1"]


async def test_of_several_replicas_one_does_it_in_an_hour(world: World) -> None:
    await fill(world, 2 * DAY_S)
    assert await prune_audit_log(world.services, retention_s=DAY_S) == 1
    await fill(world, 2 * DAY_S)
    assert await prune_audit_log(world.services, retention_s=DAY_S) == 0
    world.now += PRUNED_EVERY_S
    assert await prune_audit_log(world.services, retention_s=DAY_S) == 1


async def test_nothing_is_written_down_where_nothing_was_old(world: World) -> None:
    await fill(world, DAY_S)
    assert await prune_audit_log(world.services, retention_s=DAY_S) == 0
    assert len(await world.durable.list_events()) == 1
