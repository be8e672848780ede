"""Who somebody is: by subject and namespace, whatever source vouches for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from secondgate.errors import Forbidden, Reason
from secondgate.flows.proof import Purpose
from secondgate.flows.sessions import set_person_disabled
from secondgate.flows.sign_in import find_person, sign_in
from secondgate.model.person import Identity, IdentitySource
from tests.unit.flows.world import ANN, BEN, PIN, Person, World

CORP, CLUB = "https://corp.example", "https://club.example"
pytestmark = pytest.mark.case(65)


def oidc(email: str = ANN, subject: str = "s-1", issuer: str = CORP, provider_id: str = "corp") -> Identity:
    return Identity(email, source=IdentitySource.OIDC, identity_provider_id=provider_id, subject=subject, issuer=issuer)


def pin(email: str = ANN) -> Identity:
    return Identity(email, identity_provider_id=PIN.id)


def headers(email: str = ANN) -> Identity:
    return Identity(email, source=IdentitySource.HEADERS)


def club(email: str = ANN) -> Identity:
    return oidc(email, "s-9", CLUB, "club")


SOURCES = (pin, headers, oidc, club)


async def log_in(person: Person, identity: Identity) -> str:
    """Log in by an identity in this person's browser; gives the person's id."""
    login = await person.find_login()
    return person.take(await sign_in(person.services, person.browser(login), identity)).person_id


async def refused(person: Person, identity: Identity) -> Reason:
    with pytest.raises(Forbidden) as error:
        await log_in(person, identity)
    return error.value.reason


@pytest.mark.parametrize("first", SOURCES)
@pytest.mark.parametrize("second", SOURCES)
async def test_each_source_joins_another_only_in_the_browser_where_an_authenticator_was_verified(
    world: World, ann: Person, first: Callable[[], Identity], second: Callable[[], Identity]
) -> None:
    person_id = await log_in(ann, first())
    other = ann.at_another_browser()
    if first is second:
        assert await log_in(other, second()) == person_id
        return
    assert await refused(other, second()) is Reason.IDENTITY_NOT_JOINED
    assert await refused(ann, second()) is Reason.IDENTITY_NOT_JOINED
    await ann.enrol_app()
    assert await refused(ann, second()) is Reason.IDENTITY_NOT_JOINED, "enrolling verifies nothing that was there"
    world.now += 30
    await ann.prove_code()
    assert await refused(ann, second()) is Reason.IDENTITY_NOT_JOINED, "a proof for an application opens no window"
    world.now += 30
    await ann.prove_code(purpose=Purpose.DEVICES)
    assert await refused(other, second()) is Reason.IDENTITY_NOT_JOINED
    assert await log_in(ann, second()) == person_id
    assert world.actions().count("identity.joined") == 1
    for source in (first, second):
        assert await log_in(ann.at_another_browser(), source()) == person_id


async def test_an_open_window_joins_nobody_elses_address(world: World, ann: Person) -> None:
    ben = Person(world, email=BEN)
    await log_in(ben, pin(BEN))
    await log_in(ann, pin())
    await ann.enrol_app()
    world.now += 30
    await ann.prove_code(purpose=Purpose.DEVICES)
    assert await refused(ann, oidc(BEN)) is Reason.IDENTITY_NOT_JOINED


async def test_a_refused_login_changes_nothing_of_the_person(world: World, ann: Person) -> None:
    await log_in(ann, pin())
    before = await world.durable.list_people()
    world.now += 100
    await refused(ann.at_another_browser(), replace(oidc(), name="Eve"))
    assert await world.durable.list_people() == before


async def test_a_subject_of_one_issuer_is_another_persons_at_another(world: World, ann: Person) -> None:
    first = await log_in(ann, oidc())
    second = await log_in(ann, oidc(BEN, issuer=CLUB))
    assert first != second
    assert len(await world.durable.list_people()) == 2


async def test_a_provider_under_another_id_knows_the_same_people(ann: Person) -> None:
    assert await log_in(ann, oidc()) == await log_in(ann, oidc(provider_id="renamed"))


async def test_another_subject_with_the_same_address_is_somebody_else(ann: Person) -> None:
    await log_in(ann, oidc())
    assert await refused(ann.at_another_browser(), oidc(subject="s-2")) is Reason.IDENTITY_NOT_JOINED


@pytest.mark.parametrize("source", SOURCES)
async def test_somebody_who_was_made_and_has_nothing_is_whoever_comes_first(
    world: World, ann: Person, source: Callable[[], Identity]
) -> None:
    await world.durable.find_or_create_person(new_id="made", email=ANN, name="", now=int(world.now))
    assert await log_in(ann, source()) == "made"


async def test_somebody_with_an_authenticator_and_no_subject_is_nobodys_to_claim(world: World, ann: Person) -> None:
    await log_in(ann, pin())
    await ann.enrol_app()
    world.durable.subjects.clear()
    for source in SOURCES:
        assert await refused(ann.at_another_browser(), source()) is Reason.IDENTITY_NOT_JOINED


async def test_somebody_who_was_made_and_disabled_is_claimed_by_nobody(world: World, ann: Person) -> None:
    await world.durable.find_or_create_person(new_id="made", email=ANN, name="", now=int(world.now))
    await set_person_disabled(world.services, "made", disabled=True, actor="root")
    assert await refused(ann, oidc()) is Reason.PERSON_DISABLED
    assert world.durable.subjects == {}


async def test_first_logins_at_once_make_one_person_who_is_one_sources(world: World) -> None:
    people = [Person(world) for _ in range(10)]
    same = await asyncio.gather(*(find_person(world.services, one.browser(), oidc()) for one in people))
    assert len({person.id for person in same}) == 1
    world.durable.people.clear()
    world.durable.subjects.clear()
    results = await asyncio.gather(
        *(find_person(world.services, people[n].browser(), SOURCES[n % 4]()) for n in range(8)), return_exceptions=True
    )
    (person,) = await world.durable.list_people()
    assert len(world.durable.subjects) == 1
    errors = [result for result in results if isinstance(result, Forbidden)]
    assert len(errors) == 6
    assert {error.reason for error in errors} == {Reason.IDENTITY_NOT_JOINED}
    assert {result.id for result in results if not isinstance(result, BaseException)} == {person.id}


async def test_a_new_address_of_a_known_subject_becomes_the_persons(world: World, ann: Person) -> None:
    person_id = await log_in(ann, oidc())
    old = await ann.login()
    assert await log_in(ann.at_another_browser(), oidc("Ann.Lee@Example.com")) == person_id
    (person,) = await world.durable.list_people()
    assert person.email == "ann.lee@example.com"
    event = next(event for event in world.durable.events if event.action == "person.email_changed")
    assert (event.person_id, event.detail["before"], event.detail["after"]) == (person_id, ANN, "ann.lee@example.com")
    assert await world.services.sessions.load_login(old.id) is None
    assert len(await world.services.sessions.list_logins(person_id)) == 1


async def test_the_old_address_opens_nothing_of_the_person_any_more(world: World, ann: Person) -> None:
    person_id = await log_in(ann, pin())
    await ann.enrol_app()
    world.now += 30
    await ann.prove_code(purpose=Purpose.DEVICES)
    await log_in(ann, oidc())
    await log_in(ann, oidc("ann.lee@example.com"))
    somebody = Person(world)
    assert await log_in(somebody, pin()) != person_id
    assert await refused(somebody, oidc()) is Reason.IDENTITY_MISMATCH
    assert await refused(somebody, pin("ann.lee@example.com")) is Reason.IDENTITY_NOT_JOINED


async def test_an_address_of_somebody_else_is_not_taken_over(world: World, ann: Person) -> None:
    await log_in(Person(world, email=BEN), pin(BEN))
    await log_in(ann, oidc())
    before = await world.durable.list_people()
    assert await refused(ann, oidc(BEN)) is Reason.IDENTITY_MISMATCH
    assert await world.durable.list_people() == before
    assert "person.email_changed" not in world.actions()


async def test_a_source_of_addresses_never_changes_one(world: World, ann: Person) -> None:
    person_id = await log_in(ann, oidc())
    await world.durable.add_subject(person_id, namespace="headers", subject=BEN, only_as_first=False, now=0)
    assert await refused(ann, headers(BEN)) is Reason.IDENTITY_MISMATCH


async def test_a_subject_that_is_joined_elsewhere_meanwhile_is_refused(world: World, ann: Person) -> None:
    await log_in(ann, pin())
    await ann.enrol_app()
    world.now += 30
    await ann.prove_code(purpose=Purpose.DEVICES)
    ben = await world.durable.find_or_create_person(new_id="ben", email=BEN, name="", now=0)

    async def join_elsewhere() -> None:
        await world.durable.add_subject(ben.id, namespace=CORP, subject="s-1", only_as_first=True, now=0)

    login = await ann.login()
    world.live_steps.after["load"] = join_elsewhere  # the window was looked at
    with pytest.raises(Forbidden) as error:
        await sign_in(ann.services, ann.browser(login), oidc())
    assert error.value.reason is Reason.IDENTITY_NOT_JOINED
    assert world.durable.subjects[CORP, "s-1"] == "ben"
