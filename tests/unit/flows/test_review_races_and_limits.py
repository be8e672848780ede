from __future__ import annotations

import asyncio
import os
from dataclasses import replace

import pytest

from secondgate.errors import Forbidden, NotFound, Reason, TooManyAttempts
from secondgate.flows.enrol import remove_authenticator
from secondgate.flows.one_time_pin import REQUESTS_PER_ADDRESS, REQUESTS_PER_EMAIL, REQUESTS_PER_EMAIL_AND_DAY
from secondgate.flows.proof import Purpose
from secondgate.flows.sessions import delete_authenticators, end_own_session
from secondgate.flows.window import load_window
from secondgate.model.organization import Method, MfaOverride
from secondgate.protocol.opaque_token import new_token
from tests.unit.flows.world import START, Person, World, application, claims_of, why


async def authenticator_id(person: Person, method: Method) -> str:
    login = await person.login()
    devices = await person.services.durable.list_authenticators(login.person_id)
    return next(device.id for device in devices if device.method is method)


@pytest.mark.case(80)
async def test_removing_a_key_closes_the_window_that_it_opened_in_another_browser(enrolled: Person) -> None:
    thief = enrolled.at_another_browser()
    await thief.sign_in()
    await thief.prove(Method.SECURITY_KEY, Purpose.DEVICES)
    await enrolled.prove_code(purpose=Purpose.DEVICES)
    login = await enrolled.login()
    key_id = await authenticator_id(enrolled, Method.SECURITY_KEY)
    await remove_authenticator(enrolled.services, enrolled.browser(login), login, key_id)
    assert await load_window(thief.services, await thief.login()) is None
    with pytest.raises(Forbidden):
        await thief.enrol(Method.SECURITY_KEY)
    assert await load_window(enrolled.services, login) is not None


@pytest.mark.case(28)
async def test_a_key_that_is_deleted_while_its_proof_ends_opens_no_window(world: World, enrolled: Person) -> None:
    login = await enrolled.login()
    key_id = await authenticator_id(enrolled, Method.SECURITY_KEY)

    async def delete() -> None:
        await delete_authenticators(enrolled.services, login.person_id, actor="root", authenticator_id=key_id)

    world.durable_steps.after["save_last_method"] = delete
    with pytest.raises(NotFound):
        await enrolled.prove(Method.SECURITY_KEY, Purpose.DEVICES)
    assert not [key for kind, key in world.live.records if kind == "window"]


@pytest.mark.case(24)
async def test_a_session_that_ends_while_another_application_is_entered_is_not_brought_back(
    world: World, ready: Person
) -> None:
    wiki = application()
    notes = application("notes", "wiki.example.com/notes", mfa=MfaOverride(session_duration_s=0))
    world.applications = (wiki, notes)
    await ready.enter(wiki)
    nonce = new_token(os.urandom)
    request = ready.ask(notes, nonce)
    world.now += 30
    await ready.prove_code()
    world.applications = (notes,)
    code = await ready.hand_over(request)
    world.applications = (wiki, notes)
    old = await ready.session()
    assert old is not None

    async def end() -> None:
        await end_own_session(ready.services, await ready.login(), old.id)

    world.live_steps.after["claim"] = end
    await ready.redeem(code, "wiki.example.com", nonce)
    session = await ready.session()
    assert session is not None
    assert {grant.application_id for grant in session.grants} == {"notes"}


@pytest.mark.case(27)
async def test_an_old_proof_is_no_part_of_a_login_that_asked_for_none(world: World, ready: Person) -> None:
    menu = application("menu", "menu.example.com", mfa=MfaOverride(mfa_disabled=True))
    world.applications = (menu,)
    world.now += 1800
    await ready.enter(menu)
    session = await ready.session("menu.example.com")
    assert session is not None
    assert session.grants[0].mfa == ()
    assert "mfa" not in claims_of(session.grants[0].assertion)["amr"]
    world.applications = (replace(menu, mfa=None),)
    assert type(await ready.visit(menu)).__name__ == "StepUp"


async def test_addresses_of_one_ipv6_network_count_as_one(world: World) -> None:
    most, _ = REQUESTS_PER_ADDRESS
    for number in range(most):
        person = Person(world, email=f"p{number}@example.com", address=f"2001:db8:1:2::{number:x}")
        await person.ask_for_pin()
    with pytest.raises(TooManyAttempts):
        await Person(world, email="more@example.com", address="2001:db8:1:2:ffff::1").ask_for_pin()
    await Person(world, email="more@example.com", address="2001:db8:1:3::1").ask_for_pin()


async def test_strangers_who_ask_for_pins_lock_nobody_out_of_a_browser_in_which_mfa_was_proved(
    world: World, ready: Person
) -> None:
    most, _ = REQUESTS_PER_EMAIL
    for number in range(most):
        await Person(world, email=ready.email, address=f"198.51.100.{number}").ask_for_pin()
    with pytest.raises(TooManyAttempts):
        await Person(world, email=ready.email, address="198.51.100.99").ask_for_pin()
    for _ in range(most):
        await ready.ask_for_pin()
    with pytest.raises(TooManyAttempts):
        await ready.ask_for_pin()


async def test_pins_for_one_address_are_few_a_day_from_however_many_places(world: World) -> None:
    sent = 0
    for number in range(80):
        try:
            await Person(world, address=f"198.51.100.{number}").ask_for_pin()
            sent += 1
        except TooManyAttempts:
            world.now += REQUESTS_PER_EMAIL[1]
    assert sent == REQUESTS_PER_EMAIL_AND_DAY[0]
    assert world.now - START < 86400


@pytest.mark.case(27)
async def test_where_every_login_asks_for_mfa_one_proof_is_good_for_one_login(world: World, ready: Person) -> None:
    strict = application("strict", "strict.example.com", mfa=MfaOverride(session_duration_s=0))
    vault = application("vault", "vault.example.com", mfa=MfaOverride(session_duration_s=0))
    menu = application("menu", "menu.example.com")
    world.applications = (strict, vault, menu)
    world.now += 60
    first, second, third = (new_token(os.urandom) for _ in range(3))
    to_strict, to_vault, to_menu = ready.ask(strict, first), ready.ask(vault, second), ready.ask(menu, third)
    await ready.prove_code()
    await ready.redeem(await ready.hand_over(to_strict), "strict.example.com", first)
    assert why(await ready.decide(to_vault)) is Reason.MFA_AGE
    assert why(await ready.decide(ready.ask(strict, first))) is Reason.MFA_AGE
    await ready.redeem(await ready.hand_over(to_menu), "menu.example.com", third)
    world.now += 30
    await ready.prove_code()
    await ready.redeem(await ready.hand_over(to_vault), "vault.example.com", second)


@pytest.mark.case(27)
async def test_of_two_logins_at_once_one_uses_the_proof(world: World, ready: Person) -> None:
    strict = application("strict", "strict.example.com", mfa=MfaOverride(session_duration_s=0))
    world.applications = (strict,)
    world.now += 60
    requests = [ready.ask(strict, new_token(os.urandom)) for _ in range(2)]
    await ready.prove_code()
    done = await asyncio.gather(*map(ready.hand_over, requests), return_exceptions=True)
    assert sorted(type(one).__name__ for one in done) == ["Rejected", "str"]
