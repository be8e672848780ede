"""What every durable store promises of looking for people, page by page, and of changing them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from secondgate.errors import Malformed
from secondgate.model.organization import Method
from secondgate.model.person import Authenticator
from secondgate.store.ports import DurableStore, PeopleFilter

NOW = 1_800_000_000
PEOPLE = (
    ("_@example.com", "Underscore"),
    ("ada@example.com", "Ada Lovelace"),
    ("bob@example.org", "Bob %_\\"),
    ("élodie@example.com", "Élodie ADA"),
)


async def make(durable: DurableStore) -> None:
    for number in (2, 0, 3, 1):
        email, name = PEOPLE[number]
        await durable.find_or_create_person(new_id=f"p{number}", email=email, name=name, now=NOW)


async def found(durable: DurableStore, wanted: PeopleFilter, *, offset: int = 0, limit: int = 10) -> list[str]:
    return [one.id for one in (await durable.page_people(wanted, offset=offset, limit=limit)).people]


async def test_pages_are_in_the_order_of_addresses_and_say_how_many_there_are(durable: DurableStore) -> None:
    empty = await durable.page_people(PeopleFilter(), offset=0, limit=10)
    assert (empty.people, empty.total) == ((), 0)
    await make(durable)
    everyone = PeopleFilter()
    assert await found(durable, everyone) == ["p0", "p1", "p2", "p3"]
    assert await found(durable, everyone, offset=1, limit=2) == ["p1", "p2"]
    assert (await durable.page_people(everyone, offset=1, limit=2)).total == 4
    past = await durable.page_people(everyone, offset=10**9, limit=2)
    assert (past.people, past.total) == ((), 4)
    assert (await durable.page_people(everyone, offset=0, limit=10)).people == await durable.list_people()


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (PeopleFilter(email="ADA@Example.com "), ["p1"]),
        (PeopleFilter(email="ada@example"), []),
        (PeopleFilter(email="ÉLODIE@example.com"), ["p3"]),
        (PeopleFilter(name="ada lovelace"), ["p1"]),
        (PeopleFilter(name="ada"), []),
        (PeopleFilter(search="ADA"), ["p1", "p3"]),
        (PeopleFilter(search="Élodie"), ["p3"]),
        (PeopleFilter(search="example.org"), ["p2"]),
        (PeopleFilter(search="%"), ["p2"]),
        (PeopleFilter(search="_"), ["p0", "p2"]),
        (PeopleFilter(search="\\"), ["p2"]),
        (PeopleFilter(search="' OR 1=1 --"), []),
        (PeopleFilter(search="x" * 60_000), []),
        (PeopleFilter(search="ada", email="élodie@example.com"), ["p3"]),
        (PeopleFilter(search="ada", name="bob"), []),
    ],
)
async def test_filters_find_the_same_people_in_every_store(
    durable: DurableStore, wanted: PeopleFilter, ids: list[str]
) -> None:
    await make(durable)
    assert await found(durable, wanted) == ids
    assert (await durable.page_people(wanted, offset=0, limit=1)).total == len(ids)


@pytest.mark.parametrize("text", ["\0", "\ud800"])
async def test_filters_take_no_text_that_one_database_would_refuse(durable: DurableStore, text: str) -> None:
    for wanted in (PeopleFilter(email=text), PeopleFilter(name=text), PeopleFilter(search=text)):
        with pytest.raises(Malformed):
            await durable.page_people(wanted, offset=0, limit=1)
    with pytest.raises(Malformed):
        await durable.change_person("p1", name=text, now=NOW)


async def test_a_change_writes_what_is_given_and_when(durable: DurableStore) -> None:
    await make(durable)
    before = await durable.load_person("p1")
    assert before is not None
    assert before.updated_at is None
    assert await durable.change_person("p1", name="Ada", now=NOW + 1)
    assert await durable.load_person("p1") == replace(before, name="Ada", updated_at=NOW + 1)
    assert await durable.change_person("p1", name="", disabled=True, now=NOW + 2)
    assert await durable.load_person("p1") == replace(before, name="", disabled=True, updated_at=NOW + 2)
    assert await durable.change_person("p1", disabled=False, now=NOW + 3)
    assert await durable.load_person("p1") == replace(before, name="", updated_at=NOW + 3)
    assert not await durable.change_person("nobody", name="x", disabled=True, now=NOW)


async def test_a_login_is_an_update_when_the_name_is_new_and_another_address_always_is(durable: DurableStore) -> None:
    await make(durable)

    async def updated_at() -> int | None:
        person = await durable.load_person("p1")
        assert person is not None
        return person.updated_at

    for name in ("", "Ada Lovelace"):
        await durable.save_last_login("p1", name=name, now=NOW + 1)
        assert await updated_at() is None
    await durable.save_last_login("p1", name="Ada King", now=NOW + 2)
    assert await updated_at() == NOW + 2
    await durable.save_last_login("p1", name="Ada King", now=NOW + 3)
    assert await updated_at() == NOW + 2
    assert await durable.save_person_email("p1", "king@example.com", now=NOW + 4)
    assert await updated_at() == NOW + 4


async def test_authenticators_are_counted_by_person(durable: DurableStore) -> None:
    await make(durable)
    for number, person_id in enumerate(("p1", "p1", "p2")):
        key = Authenticator(f"k{number}", person_id, Method.SECURITY_KEY, "key", NOW, credential_id=bytes([number]))
        await durable.add_authenticator(key, only_as_first=False)
    counted = await durable.count_authenticators(["p0", "p1", "nobody"])
    assert {person_id: count for person_id, count in counted.items() if count} == {"p1": 2}
    assert not await durable.count_authenticators([])
