"""Managed objects change one call at a time: whole or not at all, judged as a whole, each applied once."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from secondgate.access.shapes import AccessShapes
from secondgate.administration.documents import ORGANIZATION_ID, Documents
from secondgate.administration.managed import ATTEMPTS, Change, InvalidChange, ManagedAccess
from secondgate.errors import Conflict, InvalidConfiguration, NotFound, Reason, Unavailable
from secondgate.model.access_object import AccessObject, ObjectKind, StoredAccess
from tests.fakes.stores import MemoryDurableStore

ACCOUNT = "0123456789abcdef0123456789abcdef"
NOW = 1_800_000_000
AT_ONCE = 50


def id_of(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))


def group(name: str, **document: Any) -> AccessObject:  # noqa: ANN401 - any JSON
    return AccessObject(
        ObjectKind.GROUP, id_of(name), {"name": name, "include": [{"everyone": {}}], **document}, NOW, NOW
    )


def saving(one: AccessObject) -> Callable[[Documents], Change]:
    return lambda _: Change(one.kind, one.id, one)


def names(managed: ManagedAccess) -> list[str]:
    """Give the names of the groups that are judged by."""
    return [one.name for one in managed().rulebook.groups.values()]


class SlowStore(MemoryDurableStore):
    """A store that lets others go first each time; `meanwhile` happens before something is written."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], None] = lambda: None
        self.readings = 0

    async def load_access_version(self) -> int:
        await asyncio.sleep(0)
        return await super().load_access_version()

    async def load_access_objects(self) -> StoredAccess:
        self.readings += 1
        stored = await super().load_access_objects()
        await asyncio.sleep(0)
        return stored

    async def replace_access_objects(self, **facts: Any) -> bool:  # noqa: ANN401 - the port's
        await asyncio.sleep(0)
        self.meanwhile()
        is_written = await super().replace_access_objects(**facts)
        await asyncio.sleep(0)
        return is_written


@pytest.fixture
def store() -> SlowStore:
    return SlowStore()


async def managed_by(store: SlowStore) -> ManagedAccess:
    managed = ManagedAccess(account_id=ACCOUNT)
    await managed.manage_by_store(store)
    return managed


def test_before_anything_is_managed_there_is_nothing_to_enter() -> None:
    managed = ManagedAccess(account_id=ACCOUNT)
    assert managed().applications == ()
    assert managed().identity_providers == ()


async def test_before_anything_is_managed_nothing_is_changed() -> None:
    with pytest.raises(Conflict):
        await ManagedAccess(account_id=ACCOUNT).change(saving(group("a")))


async def test_a_change_counts_at_once_and_tells_what_was_before(store: SlowStore) -> None:
    managed = await managed_by(store)
    made = await managed.change(saving(group("a")))
    assert (made.before, made.documents.version, names(managed)) == (None, 1, ["a"])
    changed = await managed.change(saving(replace(group("a"), document={**group("a").document, "name": "b"})))
    assert (changed.before, names(managed)) == (group("a"), ["b"])
    gone = await managed.change(lambda _: Change(ObjectKind.GROUP, id_of("a"), None))
    assert (gone.documents.objects, names(managed)) == ((), [])
    assert managed.documents == gone.documents
    assert await store.load_access_objects() == StoredAccess(3)


async def test_the_gate_answers_while_a_change_of_a_thousand_applications_is_judged(store: SlowStore) -> None:
    managed, goes_on = await managed_by(store), threading.Event()

    def decide(_: Documents) -> Change:
        assert goes_on.wait(10), "nothing else happened meanwhile"
        return Change(ObjectKind.GROUP, id_of("a"), group("a"))

    changing = asyncio.create_task(managed.change(decide))
    await asyncio.sleep(0.05)
    goes_on.set()
    assert names(managed) == []
    await changing
    assert names(managed) == ["a"]


async def test_a_change_is_decided_on_what_is_stored_not_on_what_was_known(store: SlowStore) -> None:
    managed, other = await managed_by(store), await managed_by(store)
    await other.change(saving(group("a")))

    def decide(documents: Documents) -> Change:
        assert [one.document["name"] for one in documents.of(ObjectKind.GROUP)] == ["a"]
        return Change(ObjectKind.GROUP, id_of("b"), group("b"))

    await managed.change(decide)
    assert names(managed) == ["a", "b"]


SENSELESS = {
    "access.groups[0].include[0]": Change(ObjectKind.GROUP, id_of("a"), None),
    "access.groups[2].include[0]": Change(
        ObjectKind.GROUP, id_of("c"), group("c", include=[{"group": {"id": id_of("none")}}])
    ),
    "access.groups[2].name": Change(ObjectKind.GROUP, id_of("c"), replace(group("a"), id=id_of("c"))),
    "access.groups[2].unknown": Change(ObjectKind.GROUP, id_of("c"), group("c", unknown=1)),
    "access.organization.session_duration": Change(
        ObjectKind.ORGANIZATION,
        ORGANIZATION_ID,
        AccessObject(ObjectKind.ORGANIZATION, ORGANIZATION_ID, {"session_duration": "-1m"}, NOW, NOW),
    ),
}


@pytest.mark.case(74)
@pytest.mark.parametrize(("place", "change"), SENSELESS.items(), ids=SENSELESS.keys())
async def test_a_change_after_which_something_would_make_no_sense_changes_nothing(
    store: SlowStore, place: str, change: Change
) -> None:
    managed = await managed_by(store)
    await managed.change(saving(group("a")))
    await managed.change(saving(group("b", include=[{"group": {"id": id_of("a")}}])))
    before, stored = managed(), await store.load_access_objects()
    with pytest.raises(InvalidChange) as refused:
        await managed.change(lambda _: change)
    assert any(problem.path.startswith(place.replace("[0].include", "")) for problem in refused.value.problems)
    assert refused.value.change is change
    assert managed() is before
    assert await store.load_access_objects() == stored


async def test_what_decides_may_refuse_and_nothing_is_written(store: SlowStore) -> None:
    managed = await managed_by(store)

    def refuse(_: Documents) -> Change:
        raise NotFound(Reason.NOT_FOUND, "there is none")

    with pytest.raises(NotFound):
        await managed.change(refuse)
    await managed.change(saving(group("a")))
    assert names(managed) == ["a"]


async def test_an_outage_while_writing_changes_nothing_here(store: SlowStore) -> None:
    managed = await managed_by(store)

    def fail() -> None:
        raise Unavailable("gone")

    store.meanwhile = fail
    with pytest.raises(Unavailable):
        await managed.change(saving(group("a")))
    assert names(managed) == []
    store.meanwhile = lambda: None
    await managed.change(saving(group("a")))
    assert names(managed) == ["a"]


async def test_fifty_at_once_on_two_replicas_are_each_applied_once_in_some_order(store: SlowStore) -> None:
    replicas = await managed_by(store), await managed_by(store)
    await replicas[0].change(saving(group("a")))

    def adding(number: int) -> Callable[[Documents], Change]:
        def decide(documents: Documents) -> Change:
            old = documents.find(ObjectKind.GROUP, id_of("a"))
            assert old is not None
            rules = [*list_of(old.document["include"]), {"email": {"email": f"{number}@example.com"}}]
            return Change(old.kind, old.id, replace(old, document={**old.document, "include": rules}))

        return decide

    changed = await asyncio.gather(*(replicas[number % 2].change(adding(number)) for number in range(AT_ONCE)))
    assert sorted(one.documents.version for one in changed) == list(range(2, AT_ONCE + 2))
    (stored,) = (await store.load_access_objects()).objects
    addresses = [rule["email"]["email"] for rule in list_of(stored.document["include"])[1:]]
    assert sorted(addresses) == sorted(f"{number}@example.com" for number in range(AT_ONCE))
    for managed in replicas:
        await managed.refresh()
        assert managed.documents.objects == (stored,)
    assert replicas[0]() == replicas[1]()


def list_of(value: object) -> list[Any]:
    assert isinstance(value, list)
    return value


async def test_when_others_are_faster_all_the_time_it_says_so_after_a_few_attempts(store: SlowStore) -> None:
    managed = await managed_by(store)

    def be_faster() -> None:
        store.access_version += 1

    store.meanwhile = be_faster
    with pytest.raises(Conflict) as refused:
        await managed.change(saving(group("a")))
    assert refused.value.reason is Reason.CHANGED_MEANWHILE
    assert store.readings == ATTEMPTS + 1
    assert names(managed) == []


async def test_another_replicas_change_is_found_by_its_version_and_read_once(store: SlowStore) -> None:
    managed, other = await managed_by(store), await managed_by(store)
    readings = store.readings
    assert not await managed.refresh()
    assert store.readings == readings
    await other.change(saving(group("a")))
    assert await managed.refresh()
    assert not await managed.refresh()
    assert managed.documents == other.documents
    assert managed() == other()


async def test_reading_again_while_something_is_changed_never_brings_back_what_was_before(store: SlowStore) -> None:
    managed, other = await managed_by(store), await managed_by(store)

    async def refresh() -> None:
        for _ in range(AT_ONCE):
            await managed.refresh()

    async def change(of: ManagedAccess, prefix: str) -> None:
        for number in range(10):
            await of.change(saving(group(f"{prefix}{number}")))
            if of is managed:
                assert f"{prefix}{number}" in names(managed)

    versions = []

    async def watch() -> None:
        for _ in range(20 * AT_ONCE):
            versions.append(managed.documents.version)
            await asyncio.sleep(0)

    await asyncio.gather(refresh(), refresh(), change(managed, "a"), change(other, "b"), watch())
    assert versions == sorted(versions)
    await managed.refresh()
    assert len(names(managed)) == 20


async def test_a_database_that_was_restored_to_an_earlier_state_is_read(store: SlowStore) -> None:
    managed = await managed_by(store)
    before = await store.load_access_objects()
    await managed.change(saving(group("a")))
    store.access_version, store.access_objects = before.version, {}
    assert await managed.refresh()
    assert names(managed) == []


async def test_what_this_version_cannot_read_changes_nothing_and_is_told_once(store: SlowStore) -> None:
    managed = await managed_by(store)
    await managed.change(saving(group("a")))
    before, documents = managed(), managed.documents
    newer = group("b", include=[{"of_another_version": {}}])
    await store.replace_access_objects(expected_version=1, saved=[newer])
    with capture_logs() as logs:
        for _ in range(3):
            assert not await managed.refresh()
    (line,) = logs
    assert line["event"] == "access.unreadable"
    assert "of_another_version" in "".join(line["problems"])
    assert managed() == before
    assert managed.documents is documents
    await store.replace_access_objects(expected_version=2, deleted=[(ObjectKind.GROUP, newer.id)])
    assert await managed.refresh()
    assert names(managed) == ["a"]


async def test_what_cannot_be_read_at_the_start_is_told_to_who_starts(store: SlowStore) -> None:
    await store.replace_access_objects(expected_version=0, saved=[group("b", include=[{"of_another_version": {}}])])
    with pytest.raises(InvalidConfiguration):
        await managed_by(store)


SHAPES = AccessShapes.model_validate({"groups": [{"name": "of the file", "include": [{"everyone": {}}]}]})


async def test_what_a_file_manages_is_not_changed_nor_read_from_the_store(store: SlowStore) -> None:
    await store.replace_access_objects(expected_version=0, saved=[group("stored")])
    managed = ManagedAccess(account_id=ACCOUNT)
    managed.manage_by_file(SHAPES, file="/etc/secondgate.yaml", now=NOW)
    await managed.manage_by_store(store)
    before = managed()
    with pytest.raises(Conflict) as refused:
        await managed.change(saving(group("new")))
    assert refused.value.reason is Reason.MANAGED_BY_FILE
    assert "/etc/secondgate.yaml" in refused.value.detail
    await store.replace_access_objects(expected_version=1, saved=[group("more")])
    await managed.refresh()
    assert (managed(), names(managed)) == (before, ["of the file"])


@pytest.mark.case(92)
async def test_a_file_that_makes_no_sense_leaves_everything_as_it_was() -> None:
    managed = ManagedAccess(account_id=ACCOUNT)
    managed.manage_by_file(SHAPES, file="first.yaml", now=NOW)
    before, documents = managed(), managed.documents
    wrong = AccessShapes.model_validate({"groups": [{"name": "a", "include": [{"group": {"id": "none"}}]}]})
    with pytest.raises(InvalidConfiguration):
        managed.manage_by_file(wrong, file="second.yaml", now=NOW + 1)
    assert (managed(), managed.documents, managed.file) == (before, documents, "first.yaml")
