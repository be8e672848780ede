"""Logging in at the portal: new tokens each time, and nobody in who may not be."""

from __future__ import annotations

from contextlib import suppress

import pytest

from secondgate.errors import Forbidden, Reason
from secondgate.flows.browser import load_login
from secondgate.flows.sessions import delete_person, end_sessions, set_person_disabled
from secondgate.flows.sign_in import renew_login
from secondgate.model.person import Identity
from secondgate.protocol.opaque_token import token_hash
from secondgate.store.ports import Kind
from tests.unit.flows.world import ANN, BEN, Person, World


async def find(world: World, login_token: str, device_token: str) -> bool:
    device = token_hash(device_token)
    return await load_login(world.services, login_token=login_token, device_token_id=device) is not None


@pytest.mark.case(23)
async def test_a_login_brings_new_tokens_and_the_old_ones_open_nothing(world: World, ann: Person) -> None:
    first = await ann.sign_in()
    old = ann.login_token, ann.device_token
    second = await ann.sign_in()
    assert not set(old) & {ann.login_token, ann.device_token}
    assert (first.id, first.device_id) != (second.id, second.device_id)
    assert first.device_id == second.device_id, "the browser is the same"
    for login_token in (old[0], ann.login_token):
        for device_token in (old[1], ann.device_token):
            expected = (login_token, device_token) == (ann.login_token, ann.device_token)
            assert await find(world, login_token, device_token) is expected


@pytest.mark.case(23)
async def test_a_planted_device_token_is_worth_nothing_after_the_login(world: World, ann: Person) -> None:
    eve = Person(world, email="eve@example.com")
    await eve.sign_in()
    planted = eve.device_token
    ann.device_token = planted
    await ann.sign_in()
    assert ann.device_token != planted
    assert await world.live.load(Kind.DEVICE, token_hash(planted)) is None
    assert not await find(world, ann.login_token, planted)
    assert await eve.find_login() is None


@pytest.mark.case(23)
@pytest.mark.parametrize("planted", ["made-up", "A" * 43])
async def test_a_device_token_of_no_browser_is_not_taken_over(ann: Person, planted: str) -> None:
    ann.device_token = planted
    login = await ann.sign_in()
    assert ann.device_token != planted
    assert planted not in login.device_id


@pytest.mark.case(23)
async def test_each_proof_brings_new_tokens_and_the_old_ones_open_nothing(world: World, ann: Person) -> None:
    await ann.sign_in()
    await ann.enrol_app()
    device_id = (await ann.login()).device_id
    old = ann.login_token, ann.device_token
    world.now += 30
    await ann.prove_code()
    assert not set(old) & {ann.login_token, ann.device_token}
    assert not await find(world, *old)
    assert not await find(world, old[0], ann.device_token)
    assert not await find(world, ann.login_token, old[1])
    assert (await ann.login()).device_id == device_id


@pytest.mark.case(23)
async def test_enrolling_brings_new_tokens_too(world: World, ann: Person) -> None:
    await ann.sign_in()
    old = ann.login_token, ann.device_token
    await ann.enrol()
    assert not set(old) & {ann.login_token, ann.device_token}
    assert not await find(world, *old)


@pytest.mark.case(23)
async def test_a_login_cookie_in_another_browser_is_nobody(world: World, ann: Person) -> None:
    await ann.sign_in()
    ben = Person(world, email=BEN)
    await ben.sign_in()
    assert not await find(world, ann.login_token, ben.device_token)
    assert not await find(world, ann.login_token, "")


async def test_of_two_renewals_at_once_one_wins_and_the_browser_stays_the_same(world: World, ann: Person) -> None:
    login = await ann.sign_in()
    browser = ann.browser(login)
    renewed = await renew_login(world.services, browser, login)
    with pytest.raises(Forbidden) as refused:
        await renew_login(world.services, browser, login)
    assert refused.value.reason is Reason.SESSION_ENDED
    ann.take(renewed)
    assert (await ann.login()).device_id == login.device_id
    assert len(await world.services.sessions.list_logins(login.person_id)) == 1


async def test_a_login_lasts_as_long_as_the_organization_says(world: World, ann: Person) -> None:
    await ann.sign_in()
    world.now += world.organization.session_duration_s - 1
    assert await ann.find_login() is not None
    world.now += 1
    assert await ann.find_login() is None


async def test_a_login_ends_by_the_clock_even_where_the_store_keeps_it(world: World, ann: Person) -> None:
    login = await ann.sign_in()
    world.now = login.expires_at
    await world.services.sessions.save_login(login, now=login.expires_at - 100)
    assert await ann.find_login() is None


async def test_proving_does_not_make_a_login_last_longer(world: World, ann: Person) -> None:
    first = await ann.sign_in()
    world.now += 3600
    assert (await ann.enrol()).expires_at == first.expires_at


async def test_logging_in_as_another_person_ends_the_login_of_the_first(world: World, ann: Person) -> None:
    login = await ann.sign_in()
    ann.email = BEN
    await ann.sign_in()
    assert await world.services.sessions.load_login(login.id) is None


@pytest.mark.case(28)
async def test_a_disabled_person_does_not_get_in(world: World, ann: Person) -> None:
    login = await ann.sign_in()
    await set_person_disabled(world.services, login.person_id, disabled=True, actor="root")
    assert await ann.find_login() is None
    with pytest.raises(Forbidden) as refused:
        await ann.sign_in()
    assert refused.value.reason is Reason.PERSON_DISABLED
    assert world.actions()[-1] == "login.refused"
    await set_person_disabled(world.services, login.person_id, disabled=False, actor="root")
    await ann.sign_in()


@pytest.mark.case(28)
@pytest.mark.parametrize("deletes", [False, True])
@pytest.mark.parametrize("step", ["find_or_create_person", "add_subject", "save_last_login"])
async def test_a_person_disabled_or_deleted_during_the_login_does_not_get_in(
    world: World, ann: Person, step: str, *, deletes: bool
) -> None:
    async def interrupt() -> None:
        (person,) = await world.durable.list_people()
        if deletes:
            await delete_person(world.services, person.id, actor="root")
        else:
            await set_person_disabled(world.services, person.id, disabled=True, actor="root")

    world.durable_steps.after[step] = interrupt
    with pytest.raises(Forbidden) as refused:
        await ann.sign_in()
    assert refused.value.reason is Reason.PERSON_DISABLED
    assert not [key for key in world.live.records if key[0] is Kind.LOGIN]


@pytest.mark.case(28)
@pytest.mark.parametrize("step", ["save", "claim"])
async def test_a_login_ended_during_its_renewal_is_not_renewed(world: World, ann: Person, step: str) -> None:
    login = await ann.sign_in()
    world.live_steps.after[step] = lambda: end_sessions(world.services, login.person_id, actor="root")
    with suppress(Forbidden):
        await renew_login(world.services, ann.browser(login), login)
    assert not [key for key in world.live.records if key[0] is Kind.LOGIN]


@pytest.mark.case(28)
async def test_a_login_that_ended_is_not_renewed(world: World, ann: Person) -> None:
    login = await ann.sign_in()
    await delete_person(world.services, login.person_id, actor="root")
    with pytest.raises(Forbidden) as refused:
        await renew_login(world.services, ann.browser(login), login)
    assert refused.value.reason is Reason.SESSION_ENDED
    assert not [key for key in world.live.records if key[0] is Kind.LOGIN]


async def test_a_person_is_made_once_whatever_the_spelling(world: World) -> None:
    assert Identity(ANN).email == ANN
    ids = {(await Person(world, email=email).sign_in()).person_id for email in (ANN, ANN.upper(), ANN)}
    assert len(ids) == 1
