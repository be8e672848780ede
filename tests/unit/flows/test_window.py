"""The device window: opened by a proof made for it, for ten minutes, in one browser."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from secondgate.errors import Forbidden, ProofRejected, Reason, Rejected
from secondgate.flows.challenge import begin_assertion, claim_ceremony
from secondgate.flows.enrol import (
    begin_registration,
    begin_totp_enrolment,
    complete_registration,
    complete_totp_enrolment,
    load_totp_setup,
    remove_authenticator,
    rename_authenticator,
)
from secondgate.flows.proof import Purpose
from secondgate.flows.sessions import delete_authenticators, end_sessions, log_out
from secondgate.flows.sign_in import sign_in
from secondgate.flows.window import load_window
from secondgate.model.organization import Method
from secondgate.model.person import Identity
from secondgate.store.ports import Kind
from tests.fakes.authenticator import Lies
from tests.unit.flows.world import ANN, BEN, Person, World

Change = Callable[[Person], Awaitable[object]]


@pytest.fixture
async def keyed(world: World, ann: Person) -> Person:
    """Ann with a security key and no app, so that each further enrolment is possible inside a window alone."""
    await ann.sign_in()
    await ann.enrol()
    world.now += 3600
    return ann


async def own_id(person: Person) -> str:
    login = await person.login()
    return (await person.services.durable.list_authenticators(login.person_id))[0].id


async def rename(person: Person) -> None:
    await rename_authenticator(person.services, await person.login(), await own_id(person), name="Mine now")


async def remove(person: Person) -> None:
    login = await person.login()
    await remove_authenticator(person.services, person.browser(login), login, await own_id(person))


async def begin_app(person: Person) -> None:
    await begin_totp_enrolment(person.services, person.browser(), await person.login())


async def show_app(person: Person) -> object:
    return await load_totp_setup(person.services, person.browser(), await person.login())


async def finish_app(person: Person) -> object:
    login = await person.login()
    return await complete_totp_enrolment(person.services, person.browser(login), login, code="123456", name="App")


async def begin_key(person: Person) -> object:
    return await begin_registration(person.services, person.browser(), await person.login(), method=Method.SECURITY_KEY)


async def begin_reader(person: Person) -> object:
    return await begin_registration(person.services, person.browser(), await person.login(), method=Method.BIOMETRICS)


CHANGES: dict[str, Change] = {
    change.__name__: change for change in (rename, remove, begin_app, show_app, finish_app, begin_key, begin_reader)
}
each_change = pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())


async def is_closed(person: Person, change: Change) -> None:
    durable = person.world.durable
    before = dict(durable.authenticators)
    with pytest.raises(Forbidden) as refused:
        await change(person)
    assert refused.value.reason is Reason.WINDOW_CLOSED
    assert durable.authenticators == before


@pytest.mark.case(77)
@each_change
async def test_a_login_alone_changes_no_authenticators(keyed: Person, change: Change) -> None:
    await keyed.sign_in()
    await is_closed(keyed, change)


@pytest.mark.case(77)
@each_change
async def test_neither_amr_nor_a_young_mfa_session_opens_the_window(keyed: Person, change: Change) -> None:
    identity = Identity(ANN, amr=("hwk", "mfa", "otp"), auth_time=int(keyed.world.now))
    keyed.take(await sign_in(keyed.services, keyed.browser(await keyed.find_login()), identity))
    await is_closed(keyed, change)
    await keyed.prove(purpose=Purpose.APPLICATION)
    await is_closed(keyed, change)


@pytest.mark.case(77)
@each_change
async def test_enrolling_the_first_authenticator_opens_no_window(ann: Person, change: Change) -> None:
    await ann.sign_in()
    await ann.enrol()
    await is_closed(ann, change)


@pytest.mark.case(77)
async def test_a_registration_begun_inside_the_window_is_not_finished_outside(world: World, keyed: Person) -> None:
    await keyed.prove(purpose=Purpose.DEVICES)
    login = await keyed.login()
    options, ceremony = await begin_registration(world.services, keyed.browser(), login, method=Method.BIOMETRICS)
    response = keyed.reader.register(options)

    async def finish(person: Person) -> object:
        return await complete_registration(
            world.services, person.browser(login), login, ceremony=ceremony, response=response, name="Reader"
        )

    await world.live.delete(Kind.DEVICE_WINDOW, login.id)
    await is_closed(keyed, finish)


@pytest.mark.case(77)
async def test_a_seed_that_waits_from_inside_the_window_is_not_confirmed_outside(world: World, keyed: Person) -> None:
    await keyed.prove(purpose=Purpose.DEVICES)
    world.now += 599
    await keyed.set_up_app()
    world.now += 1
    await is_closed(keyed, Person.confirm_app)
    await is_closed(keyed, show_app)


@pytest.mark.case(77)
async def test_a_replayed_begin_of_a_finished_registration_is_refused(world: World, ann: Person) -> None:
    login = await ann.sign_in()
    options, ceremony = await begin_registration(world.services, ann.browser(), login, method=Method.SECURITY_KEY)
    response = ann.key.register(options)

    async def finish() -> None:
        now = await ann.login()
        ann.take(
            await complete_registration(
                world.services, ann.browser(now), now, ceremony=ceremony, response=response, name="Key"
            )
        )

    await finish()
    with pytest.raises(ProofRejected) as refused:
        await finish()
    assert refused.value.reason is Reason.UNKNOWN_OR_USED


@pytest.mark.case(44, 77)
@pytest.mark.parametrize("begun_for", list(Purpose))
async def test_a_challenge_for_logging_in_registers_nothing(world: World, keyed: Person, begun_for: Purpose) -> None:
    await keyed.prove(purpose=Purpose.DEVICES)
    login = await keyed.login()
    options, _ = await begin_registration(world.services, keyed.browser(), login, method=Method.BIOMETRICS)
    request, ceremony = await begin_assertion(world.services, login, method=Method.SECURITY_KEY, purpose=begun_for)
    response = keyed.reader.register({**options, "challenge": request["challenge"]})
    with pytest.raises(ProofRejected) as refused:
        await complete_registration(
            world.services, keyed.browser(login), login, ceremony=ceremony, response=response, name="Reader"
        )
    assert refused.value.reason is Reason.WRONG_CEREMONY


@pytest.mark.case(79)
@each_change
@pytest.mark.parametrize(("age_s", "is_open"), [(9 * 60 + 59, True), (10 * 60, False)])
async def test_the_window_is_open_for_ten_minutes(
    world: World, keyed: Person, change: Change, age_s: int, *, is_open: bool
) -> None:
    await keyed.prove(purpose=Purpose.DEVICES)
    world.now += age_s
    if not is_open:
        await is_closed(keyed, change)
    elif change is finish_app:
        with pytest.raises(ProofRejected) as refused:
            await change(keyed)
        assert refused.value.reason is Reason.EXPIRED, "no seed waits, but the window is open"
    else:
        await change(keyed)


@pytest.mark.case(79)
async def test_activity_does_not_hold_the_window_open(world: World, keyed: Person) -> None:
    await keyed.prove(purpose=Purpose.DEVICES)
    opened = await load_window(world.services, await keyed.login())
    assert opened is not None
    assert opened.closes_at == world.now + 600
    world.now += 300
    await rename(keyed)
    await keyed.enrol_app()
    world.now += 150
    await keyed.enrol(Method.BIOMETRICS)
    await keyed.prove(Method.BIOMETRICS)
    world.now += 149
    assert await load_window(world.services, await keyed.login()) == opened
    await rename(keyed)
    world.now += 1
    await is_closed(keyed, rename)


@pytest.mark.case(79)
async def test_the_window_closes_by_the_clock_even_where_the_store_keeps_it(world: World, keyed: Person) -> None:
    login = await keyed.prove(purpose=Purpose.DEVICES)
    value = await world.live.load(Kind.DEVICE_WINDOW, login.id)
    assert value is not None
    world.now += 600
    await world.live.save(Kind.DEVICE_WINDOW, login.id, value, ttl_s=600, owner=login.person_id)
    await is_closed(keyed, rename)


@pytest.mark.case(79)
async def test_verifying_again_opens_the_window_anew(world: World, keyed: Person) -> None:
    await keyed.prove(purpose=Purpose.DEVICES)
    world.now += 600
    await keyed.prove(purpose=Purpose.DEVICES)
    await rename(keyed)


@pytest.mark.case(80)
@each_change
async def test_the_window_is_closed_in_another_browser(keyed: Person, change: Change) -> None:
    elsewhere = keyed.at_another_browser()
    await elsewhere.sign_in()
    await keyed.prove(purpose=Purpose.DEVICES)
    await is_closed(elsewhere, change)


@pytest.mark.case(80)
async def test_the_login_cookie_of_an_open_window_is_nobody_in_another_browser(keyed: Person) -> None:
    elsewhere = keyed.at_another_browser()
    await elsewhere.sign_in()
    await keyed.prove(purpose=Purpose.DEVICES)
    elsewhere.login_token = keyed.login_token
    assert await elsewhere.find_login() is None


@pytest.mark.case(80)
async def test_the_window_of_one_person_serves_no_other_in_the_same_browser(world: World, keyed: Person) -> None:
    ben = Person(world, email=BEN)
    await ben.sign_in()
    await ben.enrol()
    await keyed.prove(purpose=Purpose.DEVICES)
    ben.device_token = keyed.device_token
    login = await ben.sign_in()
    await is_closed(ben, rename)
    planted = await world.live.list_owned(Kind.DEVICE_WINDOW, login.person_id)
    assert not planted


@pytest.mark.case(80)
@pytest.mark.parametrize("changed", ["person", "device"])
async def test_a_window_record_of_another_person_or_browser_opens_nothing(
    world: World, keyed: Person, changed: str
) -> None:
    login = await keyed.prove(purpose=Purpose.DEVICES)
    other = replace(login, person_id="x") if changed == "person" else replace(login, device_id="x")
    assert await load_window(world.services, login) is not None
    assert await load_window(world.services, other) is None


@pytest.mark.case(80)
async def test_a_new_login_in_the_same_browser_finds_the_window_closed(keyed: Person) -> None:
    await keyed.prove(purpose=Purpose.DEVICES)
    await keyed.sign_in()
    await is_closed(keyed, rename)


@pytest.mark.case(81)
async def test_a_registration_finished_by_another_person_is_refused(world: World, ann: Person) -> None:
    login = await ann.sign_in()
    options, ceremony = await begin_registration(world.services, ann.browser(), login, method=Method.SECURITY_KEY)
    response = ann.key.register(options)
    ben = Person(world, email=BEN)
    theirs = await ben.sign_in()
    with pytest.raises(ProofRejected) as refused:
        await complete_registration(
            world.services, ben.browser(theirs), theirs, ceremony=ceremony, response=response, name="Key"
        )
    assert refused.value.reason is Reason.WRONG_CEREMONY
    assert not world.durable.authenticators
    with pytest.raises(ProofRejected) as used:
        await claim_ceremony(world.services, login, "create", ceremony, purpose=Purpose.DEVICES, application_id="")
    assert used.value.reason is Reason.UNKNOWN_OR_USED


@pytest.mark.case(81)
async def test_a_key_that_was_made_with_another_persons_handle_proves_nothing_with_it(
    world: World, ann: Person
) -> None:
    ben = Person(world, email=BEN)
    theirs = (await ben.sign_in()).person_id
    login = await ann.sign_in()
    options, ceremony = await begin_registration(world.services, ann.browser(), login, method=Method.SECURITY_KEY)
    response = ann.key.register(options)
    enrolled = await complete_registration(
        world.services, ann.browser(login), login, ceremony=ceremony, response=response, name="Key"
    )
    login = ann.take(enrolled)
    request, ceremony = await begin_assertion(
        world.services, login, method=Method.SECURITY_KEY, purpose=Purpose.APPLICATION
    )
    response = ann.key.authenticate(request, Lies(user_handle=theirs.encode()))
    with pytest.raises(Rejected) as refused:
        await ann.answer(ceremony, response)
    assert refused.value.reason is Reason.USER_HANDLE


@pytest.mark.case(28)
async def test_an_administrator_who_deletes_an_authenticator_closes_the_windows(world: World, enrolled: Person) -> None:
    login = await enrolled.prove(purpose=Purpose.DEVICES)
    key = next(one for one in await world.durable.list_authenticators(login.person_id) if one.credential_id)
    await delete_authenticators(world.services, login.person_id, actor="root", authenticator_id=key.id)
    await is_closed(enrolled, rename)


async def test_logging_out_closes_the_window(world: World, keyed: Person) -> None:
    for everywhere in (False, True):
        login = await keyed.prove(purpose=Purpose.DEVICES)
        await log_out(world.services, login, everywhere=everywhere, forget_device=False, address="192.0.2.7")
        assert await load_window(world.services, login) is None
        await keyed.sign_in()
    login = await keyed.prove(purpose=Purpose.DEVICES)
    await end_sessions(world.services, login.person_id, actor="root")
    assert await load_window(world.services, login) is None
