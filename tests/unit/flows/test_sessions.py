"""Ending sessions: one's own, everybody's, and those that rest on something that is gone."""

from __future__ import annotations

import pytest

from secondgate.errors import Forbidden, NotFound, Reason
from secondgate.flows.enrol import remove_authenticator
from secondgate.flows.proof import Purpose
from secondgate.flows.sessions import (
    delete_authenticators,
    delete_person,
    end_own_session,
    end_sessions,
    list_sessions,
    log_out,
    set_person_disabled,
)
from secondgate.model.decision import Allow, SignIn, StepUp
from secondgate.model.organization import Method
from secondgate.store.ports import Kind
from tests.unit.flows.world import BEN, Person, World, application, key_only, why

NOTES = application("notes", "notes.example.com")


@pytest.fixture
async def busy(world: World, ready: Person) -> Person:
    """Ann in two applications on two hosts, with one MFA."""
    world.applications = (*world.applications, NOTES)
    await ready.enter()
    await ready.enter(NOTES)
    return ready


async def in_another_browser(person: Person) -> Person:
    other = person.at_another_browser()
    await other.sign_in()
    other.world.now += 30
    await other.prove_code()
    await other.enter()
    return other


async def quit_here(person: Person, *, everywhere: bool = False, forget_device: bool = False) -> None:
    login = await person.login()
    await log_out(person.services, login, everywhere=everywhere, forget_device=forget_device, address="192.0.2.7")


def left_of(world: World, person_id: str) -> set[Kind]:
    return {kind for (kind, _), record in world.live.records.items() if record.owner == person_id}


@pytest.mark.case(24)
async def test_logging_out_ends_this_browsers_sessions_at_all_hosts_and_no_others(busy: Person) -> None:
    other = await in_another_browser(busy)
    await quit_here(busy)
    assert await busy.find_login() is None
    for host in ("wiki.example.com", "notes.example.com"):
        assert await busy.session(host) is None
    assert isinstance(await other.visit(), Allow)
    assert await other.find_login() is not None


@pytest.mark.case(24)
async def test_logging_out_everywhere_ends_all(world: World, busy: Person) -> None:
    other = await in_another_browser(busy)
    person_id = (await busy.login()).person_id
    await quit_here(busy, everywhere=True)
    for person in (busy, other):
        assert await person.find_login() is None
        assert isinstance(await person.visit(), SignIn)
    assert left_of(world, person_id) == {Kind.MFA_SESSION}


@pytest.mark.case(24)
async def test_logging_out_ends_what_is_being_handed_over(world: World, ready: Person) -> None:
    code = await ready.hand_over(ready.ask(world.applications[0], "nonce"))
    await quit_here(ready)
    with pytest.raises(Forbidden) as refused:
        await ready.redeem(code, "wiki.example.com", "nonce")
    assert refused.value.reason is Reason.UNKNOWN_OR_USED


async def test_after_logging_out_a_young_mfa_counts_at_the_next_login(world: World, ready: Person) -> None:
    await quit_here(ready)
    await ready.sign_in()
    assert isinstance(await ready.decide(ready.ask(world.applications[0], "nonce")), Allow)


@pytest.mark.parametrize("everywhere", [False, True])
async def test_forgetting_the_device_asks_for_mfa_at_the_next_login(
    world: World, ready: Person, *, everywhere: bool
) -> None:
    other = await in_another_browser(ready)
    await quit_here(ready, forget_device=True, everywhere=everywhere)
    for person, asked in ((ready, True), (other, everywhere)):
        await person.sign_in()
        decision = await person.decide(person.ask(world.applications[0], "nonce"))
        assert isinstance(decision, StepUp) is asked


async def test_logging_out_of_one_person_leaves_others_alone(world: World, ready: Person) -> None:
    ben = Person(world, email=BEN)
    await ben.sign_in()
    await ben.enrol()
    await ben.enter()
    await quit_here(ready, everywhere=True, forget_device=True)
    assert isinstance(await ben.visit(), Allow)


@pytest.mark.case(28)
async def test_ending_a_persons_sessions_leaves_nothing_of_theirs_alive(world: World, busy: Person) -> None:
    await in_another_browser(busy)
    login = await busy.login()
    ended = await end_sessions(world.services, login.person_id, actor="root")
    assert ended >= 7
    assert not left_of(world, login.person_id)
    event = world.durable.events[-1]
    assert (event.action, event.actor, event.detail["count"]) == ("sessions.ended", "root", str(ended))


async def test_a_person_sees_and_ends_single_sessions_of_their_own(world: World, busy: Person) -> None:
    other = await in_another_browser(busy)
    login = await busy.login()
    logins, sessions = await list_sessions(world.services, login.person_id)
    assert len(logins) == 2
    assert len(sessions) == 3
    theirs = await other.session()
    assert theirs is not None
    await end_own_session(world.services, login, theirs.id)
    assert await other.session() is None
    await end_own_session(world.services, login, (await other.login()).id)
    assert await other.find_login() is None
    assert await busy.find_login() is not None
    with pytest.raises(NotFound):
        await end_own_session(world.services, login, theirs.id)


async def test_nobody_ends_the_session_of_another_person(world: World, busy: Person) -> None:
    ben = Person(world, email=BEN)
    login = await ben.sign_in()
    session = await busy.session()
    assert session is not None
    for one in (session.id, (await busy.login()).id, "", "made-up"):
        with pytest.raises(NotFound):
            await end_own_session(world.services, login, one)
    assert isinstance(await busy.visit(), Allow)
    assert await busy.find_login() is not None


@pytest.mark.case(28)
async def test_deleting_an_authenticator_ends_what_it_carried_and_no_more(world: World, enrolled: Person) -> None:
    vault = application("vault", "vault.example.com", mfa=key_only())
    world.applications = (*world.applications, vault)
    await enrolled.prove_code()
    await enrolled.enter()
    await enrolled.prove()
    await enrolled.enter(vault)
    login = await enrolled.login()
    key = next(
        one for one in await world.durable.list_authenticators(login.person_id) if one.method is Method.SECURITY_KEY
    )
    assert await delete_authenticators(world.services, login.person_id, actor="root", authenticator_id=key.id) == 1
    assert isinstance(await enrolled.visit(vault), SignIn)
    assert isinstance(await enrolled.visit(), Allow)
    mfa = await world.services.sessions.list_mfa_sessions(login.person_id)
    assert {session.method for session in mfa} == {Method.TOTP, Method.BIOMETRICS}
    assert isinstance(await enrolled.decide(enrolled.ask(vault, "nonce")), StepUp)


@pytest.mark.case(28)
async def test_an_mfa_session_does_not_count_without_its_authenticator(world: World, ready: Person) -> None:
    login = await ready.login()
    (one,) = await world.durable.list_authenticators(login.person_id)
    await world.durable.delete_authenticator(login.person_id, one.id)
    assert await world.services.sessions.list_mfa_sessions(login.person_id)
    assert why(await ready.decide(ready.ask(world.applications[0], "nonce"))) is Reason.MFA_MISSING


@pytest.mark.case(82)
@pytest.mark.parametrize("by_administrator", [False, True])
async def test_with_the_last_factor_removed_sessions_end_and_enrolment_works(
    world: World, busy: Person, *, by_administrator: bool
) -> None:
    free = application("free", "free.example.com")
    world.applications = (*world.applications, free)
    await busy.enter(free)
    other = await in_another_browser(busy)
    world.now += 30
    await busy.prove_code(purpose=Purpose.DEVICES)
    login = await busy.login()
    (one,) = await world.durable.list_authenticators(login.person_id)
    if by_administrator:
        assert await delete_authenticators(world.services, login.person_id, actor="root") == 1
    else:
        await remove_authenticator(world.services, busy.browser(login), login, one.id)
    assert not await world.services.sessions.list_application_sessions(login.person_id)
    assert not await world.services.sessions.list_mfa_sessions(login.person_id)
    assert isinstance(await other.visit(), SignIn)
    assert why(await busy.decide(busy.ask(world.applications[0], "nonce"))) is Reason.MFA_MISSING
    await busy.enrol_app()
    await busy.enter()
    assert isinstance(await busy.visit(), Allow)


@pytest.mark.case(82)
async def test_a_session_without_mfa_ends_with_the_last_factor_too(world: World, ready: Person) -> None:
    world.organization = type(world.organization)("Example", world.organization.mfa)
    elsewhere = ready.at_another_browser()
    await elsewhere.sign_in()
    await elsewhere.enter()
    code = await elsewhere.hand_over(elsewhere.ask(world.applications[0], "nonce"))
    await delete_authenticators(world.services, (await ready.login()).person_id, actor="root")
    assert isinstance(await elsewhere.visit(), SignIn)
    with pytest.raises(Forbidden):
        await elsewhere.redeem(code, "wiki.example.com", "nonce")


async def test_deleting_what_is_not_there_is_not_found(world: World, ready: Person) -> None:
    ben = Person(world, email=BEN)
    login = await ben.sign_in()
    (one,) = await world.durable.list_authenticators((await ready.login()).person_id)
    for identifier in (one.id, "made-up", ""):
        with pytest.raises(NotFound):
            await delete_authenticators(world.services, login.person_id, actor="root", authenticator_id=identifier)
    assert await delete_authenticators(world.services, login.person_id, actor="root") == 0
    with pytest.raises(NotFound):
        await delete_person(world.services, "made-up", actor="root")
    with pytest.raises(NotFound):
        await set_person_disabled(world.services, "made-up", disabled=True, actor="root")
    assert await world.durable.list_authenticators((await ready.login()).person_id) == (one,)


@pytest.mark.case(28)
async def test_a_disabled_person_has_nothing_alive_and_gets_back_in_by_a_new_login(world: World, busy: Person) -> None:
    person_id = (await busy.login()).person_id
    await set_person_disabled(world.services, person_id, disabled=True, actor="root")
    assert not left_of(world, person_id)
    assert world.actions()[-2:] == ["person.disabled", "sessions.ended"]
    await set_person_disabled(world.services, person_id, disabled=False, actor="root")
    assert isinstance(await busy.visit(), SignIn)
    await busy.sign_in()
    assert why(await busy.decide(busy.ask(world.applications[0], "nonce"))) is Reason.MFA_MISSING


@pytest.mark.case(100)
async def test_deleting_a_person_removes_factors_and_sessions(world: World, busy: Person) -> None:
    person_id = (await busy.login()).person_id
    await delete_person(world.services, person_id, actor="root")
    assert not left_of(world, person_id)
    assert not world.durable.authenticators
    assert not world.durable.seeds
    assert (await busy.sign_in()).person_id != person_id
