"""Temporary passes: issued by an administrator, used once; they open the device window alone."""

from __future__ import annotations

import asyncio

import pytest

from secondgate.errors import Conflict, Forbidden, NotFound, ProofRejected, Reason
from secondgate.flows.enrol import remove_authenticator
from secondgate.flows.passes import create_pass, revoke_pass
from secondgate.flows.proof import Purpose
from secondgate.flows.sessions import delete_authenticators, delete_person, set_person_disabled
from secondgate.flows.sign_in import sign_in
from secondgate.flows.window import load_verified_window
from secondgate.model.decision import Allow, StepUp
from secondgate.model.organization import Method
from secondgate.model.person import Identity, IdentitySource
from secondgate.model.session import Login
from secondgate.model.temporary_pass import PassState
from secondgate.protocol.opaque_token import new_token
from secondgate.store.ports import Kind
from tests.unit.flows.passes import HELPDESK, is_open, issue, reason_of, use
from tests.unit.flows.world import ANN, BEN, Person, World


async def methods(person: Person) -> list[Method]:
    found = await person.services.durable.list_authenticators((await person.login()).person_id)
    return [one.method for one in found]


async def test_with_a_pass_a_person_who_lost_everything_enrols_anew_and_goes_on(
    world: World, locked_out: Person
) -> None:
    ann = locked_out
    place = world.applications[0]
    request = ann.ask(place, new_token(world.random_bytes))
    assert isinstance(await ann.decide(request), StepUp)
    await use(ann, (await issue(ann)).lower())
    login = await ann.login()
    for one in await world.durable.list_authenticators(login.person_id):
        await remove_authenticator(ann.services, ann.browser(login), login, one.id)
    await ann.enrol_app()
    assert await methods(ann) == [Method.TOTP]
    assert isinstance(await ann.decide(request), Allow)
    await ann.enter(place)


async def test_a_pass_opens_no_application(world: World, locked_out: Person) -> None:
    await use(locked_out, await issue(locked_out))
    request = locked_out.ask(world.applications[0], new_token(world.random_bytes))
    assert isinstance(await locked_out.decide(request), StepUp)
    login = await locked_out.login()
    proofs = await world.services.sessions.list_mfa_sessions(login.person_id)
    assert login.device_id not in {proof.device_id for proof in proofs}


async def test_existing_authenticators_stay(locked_out: Person) -> None:
    before = await methods(locked_out)
    await use(locked_out, await issue(locked_out))
    assert await methods(locked_out) == before


@pytest.mark.case(79)
async def test_the_window_is_open_for_ten_minutes(world: World, locked_out: Person) -> None:
    await use(locked_out, await issue(locked_out))
    world.now += 599
    assert await is_open(locked_out)
    world.now += 1
    assert not await is_open(locked_out)


@pytest.mark.case(80)
async def test_it_opens_the_window_of_this_browser_alone(locked_out: Person) -> None:
    elsewhere = locked_out.at_another_browser()
    await elsewhere.sign_in()
    code = await issue(locked_out)
    await use(locked_out, code)
    assert not await is_open(elsewhere)
    assert await reason_of(elsewhere, code) is Reason.WRONG_PASS
    with pytest.raises(Forbidden) as refused:
        await elsewhere.enrol()
    assert refused.value.reason is Reason.WINDOW_CLOSED


@pytest.mark.case(23)
async def test_the_login_has_new_tokens_afterwards(locked_out: Person) -> None:
    before = (locked_out.login_token, locked_out.device_token)
    await use(locked_out, await issue(locked_out))
    assert locked_out.login_token != before[0]
    assert locked_out.device_token != before[1]


@pytest.mark.case(49)
async def test_a_pass_of_another_person_opens_nothing(world: World, locked_out: Person) -> None:
    ben = Person(world, email=BEN)
    await ben.sign_in()
    code = await issue(locked_out)
    assert await reason_of(ben, code) is Reason.WRONG_PASS
    assert not await is_open(ben)
    await use(locked_out, code)


async def test_a_pass_is_good_until_the_second_it_expires(world: World, locked_out: Person) -> None:
    code = await issue(locked_out, ttl_s=60)
    world.now += 60
    assert await reason_of(locked_out, code) is Reason.WRONG_PASS
    code = await issue(locked_out, ttl_s=60)
    world.now += 59
    await use(locked_out, code)


async def test_a_pass_is_used_once(locked_out: Person) -> None:
    code = await issue(locked_out)
    await use(locked_out, code)
    assert await reason_of(locked_out, code) is Reason.WRONG_PASS


@pytest.mark.case(35)
async def test_of_many_uses_at_once_one_succeeds(locked_out: Person) -> None:
    code = await issue(locked_out)
    browsers = [locked_out.at_another_browser() for _ in range(4)]
    for one in browsers:
        await one.sign_in()
    results = await asyncio.gather(*(use(one, code) for one in browsers), return_exceptions=True)
    assert sum(isinstance(result, Login) for result in results) == 1
    assert sum([await is_open(one) for one in browsers]) == 1


async def test_a_new_pass_replaces_the_old_one_and_closes_what_it_opened(locked_out: Person) -> None:
    first = await issue(locked_out)
    second = await issue(locked_out)
    assert await reason_of(locked_out, first) is Reason.WRONG_PASS
    await use(locked_out, second)
    third = await issue(locked_out)
    assert not await is_open(locked_out)
    await use(locked_out, third)
    assert await is_open(locked_out)


async def test_a_revoked_pass_opens_nothing_and_what_it_opened_closes(world: World, locked_out: Person) -> None:
    person_id = (await locked_out.login()).person_id
    code = await issue(locked_out)
    await revoke_pass(world.services, person_id, actor=HELPDESK)
    assert await reason_of(locked_out, code) is Reason.WRONG_PASS
    await use(locked_out, await issue(locked_out))
    await revoke_pass(world.services, person_id, actor=HELPDESK)
    assert not await is_open(locked_out)
    with pytest.raises(NotFound):
        await revoke_pass(world.services, person_id, actor=HELPDESK)


async def test_a_window_opened_by_an_authenticator_outlives_the_pass(world: World, enrolled: Person) -> None:
    await issue(enrolled)
    await enrolled.prove(purpose=Purpose.DEVICES)
    await revoke_pass(world.services, (await enrolled.login()).person_id, actor=HELPDESK)
    assert await is_open(enrolled)


@pytest.mark.parametrize("step", ["claim_pass", "refund_attempt"])
async def test_a_pass_that_is_revoked_while_it_is_used_leaves_no_window(
    world: World, locked_out: Person, step: str
) -> None:
    code = await issue(locked_out)
    login = await locked_out.login()

    async def revoke() -> None:
        await revoke_pass(world.services, login.person_id, actor=HELPDESK)

    world.durable_steps.after[step] = revoke
    with pytest.raises(ProofRejected) as refused:
        await use(locked_out, code)
    assert refused.value.reason is Reason.WRONG_PASS
    assert await world.live.list_owned(Kind.DEVICE_WINDOW, login.person_id) == ()


@pytest.mark.case(65)
async def test_a_pass_joins_no_other_way_of_logging_in(world: World, locked_out: Person) -> None:
    await use(locked_out, await issue(locked_out))
    login = await locked_out.login()
    assert await load_verified_window(world.services, login) is None
    other = Identity(ANN, source=IdentitySource.HEADERS)
    with pytest.raises(Forbidden) as refused:
        await sign_in(world.services, locked_out.browser(login), other)
    assert refused.value.reason is Reason.IDENTITY_NOT_JOINED


async def test_the_person_is_told_by_mail_without_the_code(world: World, locked_out: Person) -> None:
    code = await issue(locked_out)
    await world.after_answers()
    (message,) = world.mailer.sent
    assert message.to == ANN
    assert message.subject == "A temporary pass for your Example account"
    assert "2027-01-15 10:00 UTC" in message.text
    assert code.partition("-")[0] not in message.text


async def test_a_pass_is_issued_while_no_mail_goes_out(world: World, locked_out: Person) -> None:
    world.mailer.is_down = True
    code = await issue(locked_out)
    await world.after_answers()
    await use(locked_out, code)


async def test_nobody_unknown_or_disabled_gets_a_pass(world: World, locked_out: Person) -> None:
    with pytest.raises(NotFound):
        await create_pass(world.services, "nobody", ttl_s=60, actor=HELPDESK)
    person_id = (await locked_out.login()).person_id
    await set_person_disabled(world.services, person_id, disabled=True, actor=HELPDESK)
    with pytest.raises(Conflict) as refused:
        await create_pass(world.services, person_id, ttl_s=60, actor=HELPDESK)
    assert refused.value.reason is Reason.PERSON_DISABLED
    assert world.durable.passes == {}
    assert world.spawned == []


@pytest.mark.case(100)
@pytest.mark.parametrize("disabled", [True, False])
async def test_the_pass_of_a_disabled_or_deleted_person_is_gone(
    world: World, locked_out: Person, *, disabled: bool
) -> None:
    person_id = (await locked_out.login()).person_id
    await issue(locked_out)
    if disabled:
        await set_person_disabled(world.services, person_id, disabled=True, actor=HELPDESK)
    else:
        await delete_person(world.services, person_id, actor=HELPDESK)
    assert world.durable.passes == {}


async def test_a_pass_says_what_became_of_it(world: World, locked_out: Person) -> None:
    person_id = (await locked_out.login()).person_id
    issued, _ = await create_pass(world.services, person_id, ttl_s=60, actor="root@example.com")
    assert (issued.created_by, issued.state_at(int(world.now) + 59)) == ("root@example.com", PassState.VALID)
    assert issued.state_at(int(world.now) + 60) is PassState.EXPIRED
    await use(locked_out, await issue(locked_out))
    (used,) = world.durable.passes.values()
    assert used.state_at(int(world.now)) is PassState.USED


async def test_an_administrator_who_deletes_the_authenticators_closes_the_window_too(
    world: World, locked_out: Person
) -> None:
    await use(locked_out, await issue(locked_out))
    await delete_authenticators(world.services, (await locked_out.login()).person_id, actor=HELPDESK)
    assert not await is_open(locked_out)
