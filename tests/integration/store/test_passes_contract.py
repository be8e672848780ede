"""What every durable store promises of temporary passes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from secondgate.errors import Malformed, NotFound, TooManyAttempts
from secondgate.model.temporary_pass import TemporaryPass
from secondgate.store.ports import AttemptLimits, DurableStore

NOW = 1_800_000_000


def a_pass(person_id: str = "ada", **facts: Any) -> TemporaryPass:  # noqa: ANN401 - any field
    made = TemporaryPass(f"id-{person_id}", person_id, f"mac-{person_id}", NOW, "helpdesk", NOW + 60)
    return replace(made, **facts)


async def make(store: DurableStore, *names: str) -> None:
    for name in names:
        await store.find_or_create_person(new_id=name, email=f"{name}@example.com", name="", now=NOW)


async def test_passes_are_read_back_as_written(durable: DurableStore) -> None:
    await make(durable, "ada", "ben", "cyd")
    assert (await durable.list_passes(), await durable.load_pass("ada")) == ((), None)
    passes = [a_pass("ada", created_at=NOW + 1), a_pass("ben"), a_pass("cyd", used_at=NOW + 5)]
    for one in passes:
        await durable.save_pass(one)
    assert await durable.list_passes() == (passes[1], passes[2], passes[0])
    assert [await durable.load_pass(name) for name in ("ada", "ben", "cyd")] == passes


async def test_a_new_pass_takes_the_place_of_the_old_one(durable: DurableStore) -> None:
    await make(durable, "ada")
    await durable.save_pass(a_pass())
    new = a_pass(id="id-2", code_mac="mac-2", created_by="root", expires_at=NOW + 90)
    await durable.save_pass(new)
    assert await durable.list_passes() == (new,)
    assert await durable.claim_pass("ada", code_mac="mac-ada", now=NOW) is None
    assert await durable.claim_pass("ada", code_mac="mac-2", now=NOW) == replace(new, used_at=NOW)


async def test_nobody_unknown_has_a_pass(durable: DurableStore) -> None:
    with pytest.raises(NotFound):
        await durable.save_pass(a_pass())
    assert await durable.list_passes() == ()


@pytest.mark.parametrize(
    ("claim", "facts"),
    [
        ({"code_mac": "mac-ben"}, {}),
        ({"code_mac": ""}, {}),
        ({"code_mac": "MAC-ADA"}, {}),
        ({"person_id": "ben"}, {}),
        ({"now": NOW + 60}, {}),
        ({}, {"used_at": NOW - 1}),
    ],
)
async def test_another_code_another_person_a_used_and_an_expired_pass_are_not_claimed(
    durable: DurableStore, claim: dict[str, Any], facts: dict[str, Any]
) -> None:
    await make(durable, "ada", "ben")
    await durable.save_pass(a_pass(**facts))
    asked = {"person_id": "ada", "code_mac": "mac-ada", "now": NOW, **claim}
    assert await durable.claim_pass(asked.pop("person_id"), **asked) is None
    assert await durable.load_pass("ada") == a_pass(**facts)


async def test_a_pass_is_claimed_until_its_last_second_and_stays_as_used(durable: DurableStore) -> None:
    await make(durable, "ada")
    await durable.save_pass(a_pass())
    used = a_pass(used_at=NOW + 59)
    assert await durable.claim_pass("ada", code_mac="mac-ada", now=NOW + 59) == used
    assert await durable.claim_pass("ada", code_mac="mac-ada", now=NOW + 59) is None
    assert await durable.load_pass("ada") == used


async def test_a_deleted_pass_is_gone(durable: DurableStore) -> None:
    await make(durable, "ada")
    await durable.save_pass(a_pass())
    assert await durable.delete_pass("ada") == a_pass()
    assert await durable.delete_pass("ada") is None
    assert await durable.claim_pass("ada", code_mac="mac-ada", now=NOW) is None


@pytest.mark.case(100)
async def test_a_pass_goes_with_its_person(durable: DurableStore) -> None:
    await make(durable, "ada", "ben")
    await durable.save_pass(a_pass())
    await durable.save_pass(a_pass("ben"))
    assert await durable.delete_person("ada")
    assert await durable.list_passes() == (a_pass("ben"),)


@pytest.mark.case(36)
async def test_issuing_one_ends_the_row_of_wrong_codes_and_no_other_limit(durable: DurableStore) -> None:
    await make(durable, "ada")
    stop = AttemptLimits(per_person=(), per_address=(), in_a_row=3)

    async def attempt(limits: AttemptLimits) -> None:
        await durable.claim_attempt(person_id="ada", address="", limits=limits, now=NOW)

    for _ in range(3):
        await attempt(stop)
    with pytest.raises(TooManyAttempts):
        await attempt(stop)
    await durable.save_pass(a_pass())
    await attempt(stop)
    with pytest.raises(TooManyAttempts):
        await attempt(AttemptLimits(per_person=((4, 300),)))


@pytest.mark.case(21)
@pytest.mark.parametrize("text", ["a\0b", "lone \ud800"])
async def test_text_that_one_database_refuses_is_refused_by_all(durable: DurableStore, text: str) -> None:
    await make(durable, "ada")
    for refused in (
        durable.save_pass(a_pass(created_by=text)),
        durable.load_pass(text),
        durable.claim_pass("ada", code_mac=text, now=NOW),
        durable.delete_pass(text),
    ):
        with pytest.raises(Malformed):
            await refused
    assert await durable.list_passes() == ()


@pytest.mark.case(35)
async def test_of_two_hundred_claims_on_two_replicas_one_wins(replicas: tuple[DurableStore, DurableStore]) -> None:
    await make(replicas[0], "ada")
    await replicas[0].save_pass(a_pass())
    claims = [replicas[n % 2].claim_pass("ada", code_mac="mac-ada", now=NOW) for n in range(200)]
    assert [one for one in await asyncio.gather(*claims) if one is not None] == [a_pass(used_at=NOW)]


async def test_of_many_issued_at_once_one_is_left(replicas: tuple[DurableStore, DurableStore]) -> None:
    await make(replicas[0], "ada")
    await asyncio.gather(*(replicas[n % 2].save_pass(a_pass(id=f"id-{n}", code_mac=f"mac-{n}")) for n in range(50)))
    (left,) = await replicas[0].list_passes()
    assert await replicas[1].claim_pass("ada", code_mac=left.code_mac, now=NOW) == replace(left, used_at=NOW)
