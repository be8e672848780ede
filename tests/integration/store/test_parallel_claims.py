"""Many at once, through two connection pools on one database: limits and single uses are exact."""

from __future__ import annotations

import asyncio

import pytest

from secondgate.errors import Conflict, Reason, TooManyAttempts
from secondgate.model.organization import Method
from secondgate.model.person import Authenticator
from secondgate.model.secret import Secret
from secondgate.store.ports import AttemptLimits, DurableStore

NOW = 1_800_000_000
Replicas = tuple[DurableStore, DurableStore]


async def make(store: DurableStore, *names: str) -> None:
    for name in names:
        await store.find_or_create_person(new_id=name, email=f"{name}@example.com", name="", now=NOW)


@pytest.mark.case(35, 36)
async def test_two_hundred_attempts_at_once_count_five(replicas: Replicas) -> None:
    await make(replicas[0], "ada")
    claims = [
        replicas[n % 2].claim_attempt(person_id="ada", address=f"192.0.2.{n}", limits=AttemptLimits(), now=NOW)
        for n in range(200)
    ]
    results = await asyncio.gather(*claims, return_exceptions=True)
    counted = [result for result in results if isinstance(result, str)]
    refused = [result for result in results if isinstance(result, TooManyAttempts)]
    assert (len(counted), len(set(counted)), len(refused)) == (5, 5, 195)


@pytest.mark.case(36)
async def test_two_hundred_attempts_at_once_from_one_address_count_ten(replicas: Replicas) -> None:
    await make(replicas[0], *(f"p{n}" for n in range(100)))
    claims = [
        replicas[n % 2].claim_attempt(person_id=f"p{n // 2}", address="192.0.2.1", limits=AttemptLimits(), now=NOW)
        for n in range(200)
    ]
    results = await asyncio.gather(*claims, return_exceptions=True)
    assert sum(isinstance(result, str) for result in results) == 10
    assert sum(isinstance(result, TooManyAttempts) for result in results) == 190


@pytest.mark.case(36)
async def test_the_stop_in_a_row_is_exact_with_many_at_once(replicas: Replicas) -> None:
    await make(replicas[0], "ada")
    limits = AttemptLimits(per_person=(), per_address=())
    claims = [replicas[n % 2].claim_attempt(person_id="ada", address="", limits=limits, now=NOW) for n in range(200)]
    results = await asyncio.gather(*claims, return_exceptions=True)
    assert sum(isinstance(result, str) for result in results) == 100


@pytest.mark.case(35)
async def test_of_two_hundred_claims_of_one_step_one_wins(replicas: Replicas) -> None:
    await make(replicas[0], "ada")
    totp = Authenticator("t1", "ada", Method.TOTP, "phone", NOW)
    await replicas[0].add_authenticator(totp, totp_seed=Secret(b"seed"), only_as_first=True)
    claims = [replicas[n % 2].claim_totp_step("t1", step=1000, now=NOW) for n in range(200)]
    assert sum(await asyncio.gather(*claims)) == 1


@pytest.mark.case(45, 48)
async def test_of_fifty_claims_of_one_counter_one_wins(replicas: Replicas) -> None:
    await make(replicas[0], "ada")
    key = Authenticator("k1", "ada", Method.SECURITY_KEY, "key", NOW, credential_id=b"k", sign_count=7)
    await replicas[0].add_authenticator(key, only_as_first=True)
    claims = [replicas[n % 2].claim_sign_count("k1", presented=8, now=NOW) for n in range(50)]
    assert sum(await asyncio.gather(*claims)) == 1


@pytest.mark.case(78)
async def test_of_many_first_enrolments_at_once_one_wins(replicas: Replicas) -> None:
    await make(replicas[0], "ada")
    enrolments = [
        replicas[n % 2].add_authenticator(
            Authenticator(f"k{n}", "ada", Method.SECURITY_KEY, "key", NOW, credential_id=b"%d" % n), only_as_first=True
        )
        for n in range(20)
    ]
    results = await asyncio.gather(*enrolments, return_exceptions=True)
    assert results.count(None) == 1
    assert {result.reason for result in results if isinstance(result, Conflict)} == {Reason.NOT_FIRST}
    assert len(await replicas[1].list_authenticators("ada")) == 1


@pytest.mark.case(40, 50)
async def test_a_totp_or_credential_enrolled_twice_at_once_is_there_once(replicas: Replicas) -> None:
    await make(replicas[0], "ada", *(f"p{n}" for n in range(10)))
    seconds = [
        replicas[n % 2].add_authenticator(
            Authenticator(f"t{n}", "ada", Method.TOTP, "phone", NOW), totp_seed=Secret(b"seed"), only_as_first=False
        )
        for n in range(10)
    ]
    shared = [
        replicas[n % 2].add_authenticator(
            Authenticator(f"k{n}", f"p{n}", Method.SECURITY_KEY, "key", NOW, credential_id=b"one"), only_as_first=True
        )
        for n in range(10)
    ]
    for enrolments, reason in ((seconds, Reason.ALREADY_ENROLLED), (shared, Reason.CREDENTIAL_TAKEN)):
        results = await asyncio.gather(*enrolments, return_exceptions=True)
        assert results.count(None) == 1
        assert [result.reason for result in results if isinstance(result, Conflict)] == [reason] * 9


async def test_many_logins_at_once_make_one_person(replicas: Replicas) -> None:
    logins = [
        replicas[n % 2].find_or_create_person(new_id=f"id{n}", email="Ada@example.com", name="", now=NOW)
        for n in range(40)
    ]
    assert len({person.id for person in await asyncio.gather(*logins)}) == 1
    assert len(await replicas[0].list_people()) == 1


@pytest.mark.case(65)
async def test_of_many_first_subjects_at_once_one_is_the_persons(replicas: Replicas) -> None:
    await make(replicas[0], "ada", "bob")
    for first in (True, False):
        subjects = [
            replicas[n % 2].add_subject(
                "ada" if first or n % 3 else "bob",
                namespace=f"n{n if first else 'one'}",
                subject="s",
                only_as_first=first,
                now=NOW,
            )
            for n in range(20)
        ]
        assert sum(await asyncio.gather(*subjects)) == 1


@pytest.mark.case(65)
async def test_a_first_subject_and_a_first_authenticator_at_once_are_not_both_first(replicas: Replicas) -> None:
    people = [f"p{n}" for n in range(10)]
    await make(replicas[0], *people)

    async def enrol(person_id: str) -> bool:
        key = Authenticator(
            f"k-{person_id}", person_id, Method.SECURITY_KEY, "key", NOW, credential_id=person_id.encode()
        )
        await replicas[1].add_authenticator(key, only_as_first=True)
        return True

    for person_id in people:
        claim = replicas[0].add_subject(person_id, namespace="n", subject=person_id, only_as_first=True, now=NOW)
        claimed, _ = await asyncio.gather(claim, enrol(person_id))
        assert claimed is (await replicas[0].load_person_by_subject("n", person_id) is not None)


@pytest.mark.case(65)
async def test_of_many_people_who_change_to_one_address_at_once_one_has_it(replicas: Replicas) -> None:
    people = [f"p{n}" for n in range(10)]
    await make(replicas[0], *people)
    changes = [replicas[n % 2].save_person_email(people[n], "new@example.com", now=NOW) for n in range(10)]
    assert sum(await asyncio.gather(*changes)) == 1
    assert len(await replicas[0].list_people()) == 10


async def test_refunds_deletions_and_attempts_at_once_do_not_lock_each_other_out(replicas: Replicas) -> None:
    await make(replicas[0], "ada")
    limits = AttemptLimits(per_person=(), per_address=(), in_a_row=1000)

    async def right_code(store: DurableStore, number: int) -> None:
        now = NOW + number * 90000  # each makes the others old, so that there is something to prune
        await store.refund_attempt(
            await store.claim_attempt(person_id="ada", address="192.0.2.1", limits=limits, now=now)
        )
        await store.claim_attempt(person_id="", address=f"192.0.2.{number}", limits=limits, now=now)

    await asyncio.gather(*(right_code(replicas[n % 2], n) for n in range(60)))
    await replicas[0].delete_person("ada")
