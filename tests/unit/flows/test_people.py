"""What administrators do with people, and what they are told of logins."""

from __future__ import annotations

import pytest

from secondgate.errors import Conflict, NotFound, ProofRejected, Reason
from secondgate.flows.people import change_person, create_person, list_failed_logins, load_last_login
from secondgate.flows.sessions import end_session, list_sessions
from secondgate.model.person import Person as Somebody
from tests.unit.flows.world import ANN, BEN, Person, World


async def somebody(world: World, email: str = ANN) -> Somebody:
    found = await world.services.durable.load_person_by_email(email)
    assert found is not None
    return found


async def test_who_was_made_waits_for_the_first_login(world: World, ann: Person) -> None:
    made = await create_person(world.services, email="ANN@example.com", name="Ann", actor="root")
    assert (made.email, made.last_login_at, made.disabled) == (ANN, None, False)
    with pytest.raises(Conflict) as refused:
        await create_person(world.services, email=ANN, name="Eve", actor="root")
    assert refused.value.reason is Reason.NAME_TAKEN
    login = await ann.sign_in()
    assert login.person_id == made.id
    assert (await somebody(world)).name == "Ann"


async def test_a_change_is_written_down_only_where_something_changed(world: World, ready: Person) -> None:
    before = await somebody(world)
    del ready
    same = await change_person(world.services, before.id, name=before.name, disabled=False, actor="root")
    assert same == before == await somebody(world)
    renamed = await change_person(world.services, before.id, name="Ann", actor="root")
    assert renamed == await somebody(world)
    assert (renamed.name, renamed.updated_at) == ("Ann", world.now)
    actions = [event.action for event in await world.services.durable.list_events()]
    assert [one for one in actions if one.startswith("person.")] == ["person.renamed"]
    with pytest.raises(NotFound):
        await change_person(world.services, "made-up", name="x", actor="root")


@pytest.mark.case(28)
async def test_disabling_ends_what_is_live_and_again_what_was_left(world: World, ready: Person) -> None:
    await ready.enter()
    person = await somebody(world)
    await change_person(world.services, person.id, name="Ann", disabled=True, actor="root")
    assert await list_sessions(world.services, person.id) == ((), ())
    login = await ready.find_login()
    assert login is None
    left = Person(world, email=BEN)
    await left.sign_in()
    other = await somebody(world, BEN)
    await world.services.durable.change_person(other.id, disabled=True, now=int(world.now))
    assert await left.find_login() is not None, "whoever disabled first did not come to the end"
    await change_person(world.services, other.id, disabled=True, actor="root")
    assert await left.find_login() is None


async def test_one_session_ends_alone_and_only_the_persons_own(world: World, ready: Person) -> None:
    await ready.enter()
    ben = Person(world, email=BEN)
    await ben.sign_in()
    anns, bens = await somebody(world), await somebody(world, BEN)
    session = await ready.session()
    assert session is not None
    for whose, which in ((bens.id, session.id), (anns.id, "made-up"), (anns.id, "")):
        with pytest.raises(NotFound):
            await end_session(world.services, whose, which, actor="root")
    await end_session(world.services, anns.id, session.id, actor="root")
    assert await ready.session() is None
    login = await ready.login()
    await end_session(world.services, anns.id, login.id, actor="root")
    assert await ready.find_login() is None
    assert await ben.find_login() is not None


async def test_failed_logins_are_the_persons_own_by_id_or_by_the_address_of_a_wrong_pin(
    world: World, ready: Person
) -> None:
    ben = Person(world, email=BEN)
    await ben.sign_in()
    world.now += 60
    with pytest.raises(ProofRejected):
        await ready.prove_code(ready.wrong_code())
    world.now += 60
    await ready.at_another_browser().ask_for_pin(BEN)
    guess = ready.at_another_browser()
    await guess.ask_for_pin(ANN)
    with pytest.raises(ProofRejected):
        await guess.enter_pin("000000")
    found = await list_failed_logins(world.services, await somebody(world))
    assert [event.action for event in found] == ["pin.rejected", "totp.rejected"]
    assert await list_failed_logins(world.services, await somebody(world, BEN)) == ()


async def test_the_last_login_says_from_where_and_by_which_provider(world: World, ann: Person) -> None:
    made = await create_person(world.services, email=ANN, name="", actor="root")
    assert await load_last_login(world.services, made) is None
    await ann.sign_in()
    world.now += 60
    other = ann.at_another_browser()
    await other.sign_in()
    last = await load_last_login(world.services, made)
    assert last is not None
    assert (last.at, last.address) == (world.now, str(other.browser().address))
    assert last.detail["source"] == "onetimepin"
