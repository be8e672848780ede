"""What every durable store promises of the managed objects."""

from __future__ import annotations

import asyncio

import pytest

from secondgate.errors import Malformed
from secondgate.model.access_object import AccessObject, ObjectKind, StoredAccess
from secondgate.store.ports import DurableStore

NOW = 1_800_000_000
AT_ONCE = 50


def group(id_: str = "a", **document: object) -> AccessObject:
    return AccessObject(ObjectKind.GROUP, id_, {"name": id_, **document}, NOW, NOW)


async def test_nothing_is_managed_at_first(durable: DurableStore) -> None:
    assert await durable.load_access_version() == 0
    assert await durable.load_access_objects() == StoredAccess(0)


async def test_objects_are_read_back_as_written_in_the_order_in_which_they_were_made(durable: DurableStore) -> None:
    objects = [
        group("z", include=[{"everyone": {}}], deep={"a": [1, 2.5, None, True, "é\u2028"]}),
        AccessObject(ObjectKind.ORGANIZATION, "organization", {}, NOW, NOW + 1),
        AccessObject(ObjectKind.LIST, "z", {"name": "another of this id"}, NOW + 2, NOW + 3),
        AccessObject(ObjectKind.IDENTITY_PROVIDER, "p", {"config": {"client_secret": "s"}}, NOW, NOW),
        group("a"),
    ]
    assert await durable.replace_access_objects(expected_version=0, saved=objects[:3])
    assert await durable.replace_access_objects(expected_version=1, saved=objects[3:])
    assert await durable.load_access_version() == 2
    assert await durable.load_access_objects() == StoredAccess(2, tuple(objects))


async def test_an_object_that_is_replaced_stays_where_it_was_and_as_old_as_it_was(durable: DurableStore) -> None:
    await durable.replace_access_objects(expected_version=0, saved=[group("a"), group("b"), group("c")])
    new = AccessObject(ObjectKind.GROUP, "b", {"name": "new", "is_new": True}, NOW + 9, NOW + 9)
    assert await durable.replace_access_objects(expected_version=1, saved=[new])
    kept = AccessObject(ObjectKind.GROUP, "b", new.document, NOW, NOW + 9)
    assert (await durable.load_access_objects()).objects == (group("a"), kept, group("c"))


async def test_a_deleted_object_is_gone_and_comes_last_when_it_is_made_again(durable: DurableStore) -> None:
    await durable.replace_access_objects(expected_version=0, saved=[group("a"), group("b"), group("c")])
    assert await durable.replace_access_objects(expected_version=1, deleted=[(ObjectKind.GROUP, "a")])
    assert (await durable.load_access_objects()).objects == (group("b"), group("c"))
    await durable.replace_access_objects(expected_version=2, saved=[group("a")])
    assert (await durable.load_access_objects()).objects == (group("b"), group("c"), group("a"))


async def test_deleting_what_is_not_there_or_of_another_kind_deletes_nothing(durable: DurableStore) -> None:
    await durable.replace_access_objects(expected_version=0, saved=[group()])
    gone = [(ObjectKind.LIST, "a"), (ObjectKind.GROUP, "A"), (ObjectKind.GROUP, "none")]
    assert await durable.replace_access_objects(expected_version=1, deleted=gone)
    assert await durable.load_access_objects() == StoredAccess(2, (group(),))


@pytest.mark.parametrize("expected_version", [-1, 0, 2, 2**40])
async def test_whoever_decided_by_another_version_changes_nothing(durable: DurableStore, expected_version: int) -> None:
    await durable.replace_access_objects(expected_version=0, saved=[group()])
    assert not await durable.replace_access_objects(
        expected_version=expected_version, saved=[group("b")], deleted=[(ObjectKind.GROUP, "a")]
    )
    assert await durable.load_access_objects() == StoredAccess(1, (group(),))


@pytest.mark.case(21)
@pytest.mark.parametrize("id_", ["a\0b", "lone \ud800"])
async def test_an_id_that_one_database_refuses_is_refused_by_all_and_nothing_is_written(
    durable: DurableStore, id_: str
) -> None:
    for saved, deleted in (([group("b"), group(id_)], []), ([group("b")], [(ObjectKind.GROUP, id_)])):
        with pytest.raises(Malformed):
            await durable.replace_access_objects(expected_version=0, saved=saved, deleted=deleted)
    assert await durable.load_access_objects() == StoredAccess(0)


async def test_of_many_at_once_on_one_version_one_is_written(replicas: tuple[DurableStore, DurableStore]) -> None:
    done = await asyncio.gather(
        *(
            replicas[number % 2].replace_access_objects(
                expected_version=0, saved=[group("one", by=number), group("two", by=number)]
            )
            for number in range(AT_ONCE)
        )
    )
    (winner,) = [number for number, is_done in enumerate(done) if is_done]
    for store in replicas:
        assert await store.load_access_objects() == StoredAccess(1, (group("one", by=winner), group("two", by=winner)))


async def test_fifty_at_once_are_each_applied_once_in_some_order_and_never_mix(
    replicas: tuple[DurableStore, DurableStore],
) -> None:
    async def add(number: int) -> int:
        """Add a number to both lists, as often as it takes; give the version that it made."""
        store = replicas[number % 2]
        while True:
            stored = await store.load_access_objects()
            texts = [one.document["numbers"] for one in stored.objects] or ["", ""]
            assert texts[0] == texts[1]
            saved = [group(id_, numbers=f"{texts[0]},{number}") for id_ in ("one", "two")]
            if await store.replace_access_objects(expected_version=stored.version, saved=saved):
                return stored.version + 1

    versions = await asyncio.gather(*map(add, range(AT_ONCE)))
    stored = await replicas[0].load_access_objects()
    assert sorted(versions) == list(range(1, AT_ONCE + 1))
    assert stored.version == AT_ONCE
    in_order = "".join(f",{number}" for _, number in sorted(zip(versions, range(AT_ONCE), strict=True)))
    assert [one.document["numbers"] for one in stored.objects] == [in_order, in_order]


async def test_what_is_read_is_of_one_moment_while_others_write(replicas: tuple[DurableStore, DurableStore]) -> None:
    await replicas[0].replace_access_objects(expected_version=0, saved=[group("one", by=1), group("two", by=1)])
    ended = asyncio.Event()

    async def write() -> None:
        for version in range(1, AT_ONCE):
            saved = [group(id_, by=version + 1) for id_ in ("one", "two")]
            assert await replicas[0].replace_access_objects(expected_version=version, saved=saved)
        ended.set()

    async def read() -> int:
        readings = 0
        while not ended.is_set():
            stored = await replicas[1].load_access_objects()
            assert [one.document["by"] for one in stored.objects] == [stored.version, stored.version]
            readings += 1
        return readings

    _, readings = await asyncio.gather(write(), read())
    assert readings


async def test_revocations_are_counted_by_application_and_are_a_change(durable: DurableStore) -> None:
    await durable.replace_access_objects(expected_version=0, saved=[group()])
    for application_id in ("wiki", "shop", "wiki"):
        await durable.revoke_application(application_id)
    assert await durable.load_access_version() == 4
    assert await durable.load_access_objects() == StoredAccess(4, (group(),), {"wiki": 2, "shop": 1})
    assert not await durable.replace_access_objects(expected_version=1, deleted=[(ObjectKind.GROUP, "a")])


async def test_of_many_revocations_and_changes_at_once_none_is_lost(
    replicas: tuple[DurableStore, DurableStore],
) -> None:
    async def change(number: int) -> None:
        store = replicas[number % 2]
        while not await store.replace_access_objects(
            expected_version=await store.load_access_version(), saved=[group(str(number))]
        ):
            pass

    await asyncio.gather(
        *(replicas[number % 2].revoke_application("wiki") for number in range(20)), *map(change, range(10))
    )
    stored = await replicas[1].load_access_objects()
    assert (stored.version, stored.revocations) == (30, {"wiki": 20})
    assert len(stored.objects) == 10
