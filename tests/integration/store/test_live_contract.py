"""What every live store promises, asked of the one in memory, the embedded ones and Redis."""

from __future__ import annotations

import asyncio

import pytest

from secondgate.store.ports import Kind, LiveRecord
from tests.integration.conftest import LiveBench

BINARY = bytes(range(256))


async def test_a_record_is_read_back_until_it_expires(live: LiveBench) -> None:
    await live.store.save(Kind.LOGIN, "k", BINARY, ttl_s=60)
    assert await live.other.load(Kind.LOGIN, "k") == BINARY
    await live.move(55)
    assert await live.store.load(Kind.LOGIN, "k") == BINARY
    await live.move(5)
    assert await live.store.load(Kind.LOGIN, "k") is None


async def test_an_empty_value_is_a_record_like_any_other(live: LiveBench) -> None:
    await live.store.save(Kind.LOGIN, "k", b"", ttl_s=60, owner="ada")
    assert await live.store.load(Kind.LOGIN, "k") == b""
    assert await live.store.list_owned(Kind.LOGIN, "ada") == (LiveRecord("k", b""),)
    assert await live.store.claim(Kind.LOGIN, "k") == b""


async def test_what_was_never_written_is_not_there(live: LiveBench) -> None:
    assert await live.store.load(Kind.LOGIN, "k") is None
    assert await live.store.claim(Kind.LOGIN, "k") is None
    assert not await live.store.delete(Kind.LOGIN, "k")
    assert await live.store.list_owned(Kind.LOGIN, "ada") == ()


async def test_each_kind_is_a_key_space_of_its_own(live: LiveBench) -> None:
    await live.store.save(Kind.LOGIN, "k", b"login", ttl_s=60)
    await live.store.save(Kind.CHALLENGE, "k", b"challenge", ttl_s=60)
    assert await live.store.claim(Kind.CHALLENGE, "k") == b"challenge"
    assert await live.store.load(Kind.LOGIN, "k") == b"login"


async def test_writing_again_replaces_value_life_and_owner(live: LiveBench) -> None:
    await live.store.save(Kind.LOGIN, "k", b"one", ttl_s=10, owner="ada")
    await live.store.save(Kind.LOGIN, "k", b"two", ttl_s=60, owner="bob")
    await live.move(30)
    assert await live.store.load(Kind.LOGIN, "k") == b"two"
    assert await live.store.list_owned(Kind.LOGIN, "ada") == ()
    assert await live.store.list_owned(Kind.LOGIN, "bob") == (LiveRecord("k", b"two"),)
    assert await live.store.delete_owned("ada", kinds=(Kind.LOGIN,)) == 0
    assert await live.store.load(Kind.LOGIN, "k") == b"two"


async def test_of_many_keys_those_without_a_record_are_named(live: LiveBench) -> None:
    keys = [f"k{n}" for n in range(1000)]
    assert await live.store.missing(Kind.APPLICATION_SESSION, keys) == set(keys)
    for key in keys[:5]:
        await live.store.save(Kind.APPLICATION_SESSION, key, b"", ttl_s=60, owner="ada")
    await live.store.save(Kind.APPLICATION_SESSION, "brief", b"", ttl_s=5)
    await live.store.save(Kind.LOGIN, "another kind", b"", ttl_s=60)
    assert await live.other.missing(Kind.APPLICATION_SESSION, [*keys[:5], "brief"]) == set()
    await live.move(5)
    wanted = [*keys[:7], "brief", "another kind"]
    assert await live.other.missing(Kind.APPLICATION_SESSION, wanted) == {"k5", "k6", "brief", "another kind"}
    assert await live.store.missing(Kind.APPLICATION_SESSION, []) == frozenset()


@pytest.mark.case(44)
async def test_a_claimed_record_is_gone(live: LiveBench) -> None:
    await live.store.save(Kind.CHALLENGE, "k", b"v", ttl_s=60, owner="ada")
    assert await live.store.claim(Kind.CHALLENGE, "k") == b"v"
    assert await live.store.claim(Kind.CHALLENGE, "k") is None
    assert await live.store.list_owned(Kind.CHALLENGE, "ada") == ()


@pytest.mark.case(44)
async def test_an_expired_record_cannot_be_claimed(live: LiveBench) -> None:
    await live.store.save(Kind.CHALLENGE, "k", b"v", ttl_s=300)
    await live.move(300)
    assert await live.store.claim(Kind.CHALLENGE, "k") is None
    assert not await live.store.delete(Kind.CHALLENGE, "k")


@pytest.mark.case(45)
async def test_of_fifty_claims_at_once_one_gets_the_record(live: LiveBench) -> None:
    await live.store.save(Kind.CHALLENGE, "k", b"v", ttl_s=60)
    claims = [(live.store, live.other)[n % 2].claim(Kind.CHALLENGE, "k") for n in range(50)]
    got = await asyncio.gather(*claims)
    assert sorted(got, key=bool) == [None] * 49 + [b"v"]


async def test_of_fifty_marks_at_once_one_is_the_first(live: LiveBench) -> None:
    marks = [(live.store, live.other)[n % 2].claim_once(Kind.USED, "k", ttl_s=60) for n in range(50)]
    assert sum(await asyncio.gather(*marks)) == 1
    await live.move(60)
    assert await live.store.claim_once(Kind.USED, "k", ttl_s=60)


async def test_a_counter_counts_each_call_and_lives_from_its_first(live: LiveBench) -> None:
    counts = [(live.store, live.other)[n % 2].increment(Kind.COUNTER, "k", ttl_s=60) for n in range(50)]
    assert sorted(await asyncio.gather(*counts)) == list(range(1, 51))
    await live.move(50)
    assert await live.store.increment(Kind.COUNTER, "k", ttl_s=60) == 51
    assert await live.store.load(Kind.COUNTER, "k") == b"51"
    await live.move(10)
    assert await live.store.load(Kind.COUNTER, "k") is None
    assert await live.store.increment(Kind.COUNTER, "k", ttl_s=60) == 1


async def test_a_deleted_counter_begins_anew(live: LiveBench) -> None:
    await live.store.increment(Kind.COUNTER, "k", ttl_s=60)
    await live.store.increment(Kind.COUNTER, "k", ttl_s=60)
    assert await live.store.claim(Kind.COUNTER, "k") == b"2"
    assert await live.store.increment(Kind.COUNTER, "k", ttl_s=60) == 1
    assert await live.store.delete(Kind.COUNTER, "k")


async def test_a_deleted_record_is_gone_from_its_owner(live: LiveBench) -> None:
    await live.store.save(Kind.LOGIN, "k", b"v", ttl_s=60, owner="ada")
    assert await live.store.delete(Kind.LOGIN, "k")
    assert not await live.store.delete(Kind.LOGIN, "k")
    assert await live.store.list_owned(Kind.LOGIN, "ada") == ()


async def test_an_owner_lists_what_lives_and_nothing_of_others(live: LiveBench) -> None:
    await live.store.save(Kind.LOGIN, "short", b"1", ttl_s=10, owner="ada")
    await live.store.save(Kind.LOGIN, "long", b"2", ttl_s=60, owner="ada")
    await live.store.save(Kind.LOGIN, "shorter", b"3", ttl_s=5, owner="ada")
    await live.store.save(Kind.MFA_SESSION, "kind", b"4", ttl_s=60, owner="ada")
    await live.store.save(Kind.LOGIN, "theirs", b"5", ttl_s=60, owner="adam")
    await live.store.save(Kind.LOGIN, "nobody", b"6", ttl_s=60)
    records = await live.other.list_owned(Kind.LOGIN, "ada")
    assert {(record.key, record.value) for record in records} == {("short", b"1"), ("long", b"2"), ("shorter", b"3")}
    await live.move(10)
    assert await live.store.list_owned(Kind.LOGIN, "ada") == (LiveRecord("long", b"2"),)
    await live.move(50)
    assert await live.store.list_owned(Kind.LOGIN, "ada") == ()
    assert await live.store.list_owned(Kind.LOGIN, "") == ()


@pytest.mark.case(24, 28)
async def test_deleting_an_owners_records_leaves_other_kinds_and_people(live: LiveBench) -> None:
    await live.store.save(Kind.LOGIN, "a", b"", ttl_s=60, owner="ada")
    await live.store.save(Kind.LOGIN, "over", b"", ttl_s=5, owner="ada")
    await live.store.save(Kind.APPLICATION_SESSION, "b", b"", ttl_s=60, owner="ada")
    await live.store.save(Kind.APPLICATION_SESSION, "c", b"", ttl_s=60, owner="ada")
    await live.store.save(Kind.DEVICE_WINDOW, "d", b"", ttl_s=60, owner="ada")
    await live.store.save(Kind.LOGIN, "e", b"", ttl_s=60, owner="bob")
    await live.move(5)
    assert await live.other.delete_owned("ada", kinds=(Kind.LOGIN, Kind.APPLICATION_SESSION)) == 3
    assert await live.store.load(Kind.LOGIN, "a") is None
    assert await live.store.load(Kind.APPLICATION_SESSION, "c") is None
    assert await live.store.load(Kind.DEVICE_WINDOW, "d") == b""
    assert await live.store.load(Kind.LOGIN, "e") == b""
    assert await live.store.delete_owned("ada", kinds=(Kind.LOGIN, Kind.APPLICATION_SESSION)) == 0
    assert await live.store.delete_owned("ada", kinds=()) == 0
    assert await live.store.delete_owned("", kinds=(Kind.LOGIN,)) == 0


async def test_keys_and_owners_with_odd_characters_stay_apart(live: LiveBench) -> None:
    names = ["a:b", "a", "*", "{x}", "é", "a b", "'; DROP TABLE live; --", "%", "a\nb"]
    for name in names:
        await live.store.save(Kind.LOGIN, name, name.encode(), ttl_s=60, owner=name)
    for name in names:
        assert await live.store.load(Kind.LOGIN, name) == name.encode()
        assert await live.store.list_owned(Kind.LOGIN, name) == (LiveRecord(name, name.encode()),)


async def test_a_ping_is_answered(live: LiveBench) -> None:
    await live.store.ping()
