"""Where the organization guards first enrolments, a login alone never enrols anything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from secondgate.errors import Conflict, Forbidden, Reason
from secondgate.flows.enrol import begin_registration, complete_registration, load_totp_setup, remove_authenticator
from secondgate.flows.sessions import delete_authenticators
from secondgate.model.amr import identity_provider_mfa
from secondgate.model.decision import Allow
from secondgate.model.organization import FirstEnrollment, Method
from secondgate.protocol.opaque_token import new_token
from tests.unit.flows.passes import HELPDESK, is_open, issue, use
from tests.unit.flows.world import Person, World

OFFICE = ("192.0.2.0/24", "2001:db8::/32")


def guard(world: World, by: FirstEnrollment, *networks: str) -> None:
    world.organization = replace(
        world.organization, first_enrollment=by, first_enrollment_networks=tuple(map(ip_network, networks))
    )


async def show_app(person: Person) -> object:
    return await load_totp_setup(person.services, person.browser(), await person.login())


STEPS: tuple[Callable[[Person], Awaitable[object]], ...] = (
    Person.set_up_app,
    show_app,
    lambda person: person.confirm_app("123456"),
    Person.enrol,
    lambda person: person.enrol(Method.BIOMETRICS),
)
every_step = pytest.mark.parametrize("step", STEPS, ids=["set up", "show", "confirm", "key", "biometrics"])


async def is_guarded(person: Person, step: Callable[[Person], Awaitable[object]]) -> None:
    with pytest.raises(Forbidden) as refused:
        await step(person)
    assert refused.value.reason is Reason.PASS_NEEDED
    login = await person.login()
    assert await person.services.durable.list_authenticators(login.person_id) == ()


@every_step
@pytest.mark.case(77)
async def test_a_login_alone_enrols_nothing_where_a_pass_is_needed(
    world: World, ann: Person, step: Callable[[Person], Awaitable[object]]
) -> None:
    guard(world, FirstEnrollment.PASS)
    await ann.sign_in()
    await is_guarded(ann, step)


@pytest.mark.case(77)
async def test_mfa_at_the_identity_provider_enrols_nothing_either(world: World, ann: Person) -> None:
    guard(world, FirstEnrollment.PASS)
    login = replace(await ann.sign_in(), identity=replace((await ann.login()).identity, amr=("otp", "hwk")))
    await world.services.sessions.save_login(login, now=int(world.now))
    assert identity_provider_mfa(await ann.login())
    await is_guarded(ann, Person.enrol)


@pytest.mark.parametrize("by", [FirstEnrollment.PASS, FirstEnrollment.NETWORK])
async def test_with_a_pass_the_first_authenticator_is_enrolled_and_opens_the_application(
    world: World, ann: Person, by: FirstEnrollment
) -> None:
    guard(world, by, *(("203.0.113.0/24",) if by is FirstEnrollment.NETWORK else ()))
    await ann.sign_in()
    await is_guarded(ann, Person.enrol)
    await use(ann, await issue(ann))
    await ann.enrol()
    assert isinstance(await ann.decide(ann.ask(world.applications[0], new_token(world.random_bytes))), Allow)


@pytest.mark.case(80)
async def test_the_pass_counts_in_the_browser_that_used_it(world: World, ann: Person) -> None:
    guard(world, FirstEnrollment.PASS)
    await ann.sign_in()
    elsewhere = ann.at_another_browser()
    await elsewhere.sign_in()
    await use(ann, await issue(ann))
    await is_guarded(elsewhere, Person.enrol)
    await ann.enrol()


@pytest.mark.case(79)
async def test_the_pass_counts_for_ten_minutes(world: World, ann: Person) -> None:
    guard(world, FirstEnrollment.PASS)
    await ann.sign_in()
    await use(ann, await issue(ann))
    login = await ann.login()
    options, ceremony = await begin_registration(world.services, ann.browser(login), login, method=Method.SECURITY_KEY)
    response = ann.key.register(options)
    world.now += 600
    assert not await is_open(ann)

    async def finish(person: Person) -> None:
        await complete_registration(
            world.services, person.browser(login), login, ceremony=ceremony, response=response, name=None
        )

    with pytest.raises(Forbidden) as refused:
        await begin_registration(world.services, ann.browser(login), login, method=Method.SECURITY_KEY)
    assert refused.value.reason is Reason.PASS_NEEDED
    await ann.sign_in()
    await is_guarded(ann, Person.enrol)


async def test_what_was_begun_before_the_guard_was_set_is_not_finished(world: World, ann: Person) -> None:
    login = await ann.sign_in()
    options, ceremony = await begin_registration(world.services, ann.browser(), login, method=Method.SECURITY_KEY)
    await ann.set_up_app()
    response = ann.key.register(options)
    guard(world, FirstEnrollment.PASS)
    await is_guarded(ann, lambda person: person.confirm_app())
    await is_guarded(
        ann,
        lambda person: complete_registration(
            world.services, person.browser(login), login, ceremony=ceremony, response=response, name=None
        ),
    )


@pytest.mark.case(78)
async def test_of_two_first_enrolments_in_the_window_of_a_pass_one_wins(world: World, ann: Person) -> None:
    guard(world, FirstEnrollment.PASS)
    await ann.sign_in()
    await use(ann, await issue(ann))
    await ann.set_up_app()
    world.durable_steps.after["load_totp"] = ann.enrol
    with pytest.raises(Conflict) as refused:
        await ann.confirm_app()
    assert refused.value.reason is Reason.NOT_FIRST


@pytest.mark.parametrize(
    ("address", "is_inside"),
    [("192.0.2.7", True), ("192.0.3.7", False), ("2001:db8::7", True), ("2001:db9::7", False)],
)
async def test_from_a_named_network_a_login_is_enough(
    world: World, ann: Person, address: str, *, is_inside: bool
) -> None:
    guard(world, FirstEnrollment.NETWORK, *OFFICE)
    ann.address = ip_address(address)
    await ann.sign_in()
    if is_inside:
        await ann.enrol_app()
        return
    for step in STEPS:
        await is_guarded(ann, step)


async def test_it_is_the_address_at_the_end_that_counts_too(world: World, ann: Person) -> None:
    guard(world, FirstEnrollment.NETWORK, *OFFICE)
    await ann.sign_in()
    await ann.set_up_app()
    ann.address = ip_address("198.51.100.1")
    await is_guarded(ann, lambda person: person.confirm_app())


async def test_whoever_has_an_authenticator_verifies_with_it_as_ever(world: World, enrolled: Person) -> None:
    guard(world, FirstEnrollment.NETWORK, "203.0.113.0/24")
    with pytest.raises(Forbidden) as refused:
        await enrolled.enrol()
    assert refused.value.reason is Reason.WINDOW_CLOSED


@pytest.mark.case(82)
async def test_whose_last_authenticator_an_administrator_deleted_needs_a_pass_again(
    world: World, ready: Person
) -> None:
    guard(world, FirstEnrollment.PASS)
    await delete_authenticators(world.services, (await ready.login()).person_id, actor=HELPDESK)
    await is_guarded(ready, Person.enrol)


@pytest.mark.case(82)
async def test_who_removes_the_last_one_in_an_open_window_may_enrol_another_while_it_lasts(
    world: World, ready: Person
) -> None:
    guard(world, FirstEnrollment.PASS)
    await use(ready, await issue(ready))
    login = await ready.login()
    (last,) = await world.durable.list_authenticators(login.person_id)
    await remove_authenticator(world.services, ready.browser(login), login, last.id)
    await ready.enrol()
