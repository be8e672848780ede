"""What every durable store promises of wrong-code counters."""

from __future__ import annotations

import pytest

from secondgate.errors import NotFound, TooManyAttempts
from secondgate.model.organization import Method
from secondgate.model.person import Authenticator
from secondgate.model.secret import Secret
from secondgate.store.ports import AttemptLimits, DurableStore

NOW = 1_800_000_000
LIMITS = AttemptLimits()
FREE = AttemptLimits(per_person=(), per_address=(), in_a_row=100)

pytestmark = [pytest.mark.case(36)]


async def make(durable: DurableStore, *names: str) -> None:
    for name in names:
        await durable.find_or_create_person(new_id=name, email=f"{name}@example.com", name="", now=NOW)


async def attempt(
    durable: DurableStore, now: int, person_id: str = "ada", address: str = "", limits: AttemptLimits = LIMITS
) -> str:
    return await durable.claim_attempt(person_id=person_id, address=address, limits=limits, now=now)


async def refusal(
    durable: DurableStore, now: int, person_id: str = "ada", address: str = "", limits: AttemptLimits = LIMITS
) -> int | None:
    with pytest.raises(TooManyAttempts) as refused:
        await attempt(durable, now, person_id, address, limits)
    return refused.value.resets_in_s


async def test_five_in_five_minutes_and_then_one_more_when_the_first_is_over(durable: DurableStore) -> None:
    await make(durable, "ada")
    for second in range(5):
        await attempt(durable, NOW + second)
    assert await refusal(durable, NOW + 5) == 295
    assert await refusal(durable, NOW + 299) == 1
    await attempt(durable, NOW + 300)
    assert await refusal(durable, NOW + 300) == 1
    await attempt(durable, NOW + 301)


async def test_twenty_in_an_hour_and_fifty_in_a_day(durable: DurableStore) -> None:
    await make(durable, "ada")
    for number in range(20):
        await attempt(durable, NOW + number * 61)
    assert await refusal(durable, NOW + 20 * 61) == 3600 - 20 * 61
    for number in range(20, 50):
        await attempt(durable, NOW + number * 200)
    assert await refusal(durable, NOW + 50 * 200) == 86400 - 50 * 200
    await attempt(durable, NOW + 86400)


async def test_a_refused_attempt_is_not_counted(durable: DurableStore) -> None:
    await make(durable, "ada")
    for _ in range(5):
        await attempt(durable, NOW)
    for _ in range(30):
        await refusal(durable, NOW + 10)
    await attempt(durable, NOW + 300)


async def test_a_right_code_is_forgotten(durable: DurableStore) -> None:
    await make(durable, "ada")
    for number in range(20):
        attempt_id = await attempt(durable, NOW + number, address="192.0.2.1")
        await durable.refund_attempt(attempt_id)
        await durable.refund_attempt(attempt_id)
    await durable.refund_attempt("unknown")
    assert await attempt(durable, NOW)


async def test_addresses_are_counted_over_all_people(durable: DurableStore) -> None:
    await make(durable, "ada", "bob", "eve")
    for number in range(5):
        await attempt(durable, NOW + number, "ada", "2001:db8::1")
        await attempt(durable, NOW + number, "bob", "2001:db8::1")
    assert await refusal(durable, NOW + 5, "eve", "2001:db8::1") == 295
    assert await refusal(durable, NOW + 5, "", "2001:db8::1") == 295
    await attempt(durable, NOW + 5, "eve", "2001:db8::2")
    await attempt(durable, NOW + 5, "eve", "")


async def test_an_attempt_by_nobody_counts_for_its_address_alone(durable: DurableStore) -> None:
    for number in range(10):
        await attempt(durable, NOW + number, "", "192.0.2.1")
    assert await refusal(durable, NOW + 10, "", "192.0.2.1") == 290
    await attempt(durable, NOW + 10, "", "")


async def test_an_address_may_not_stop_another_person_elsewhere(durable: DurableStore) -> None:
    await make(durable, "ada", "bob")
    for _ in range(5):
        await attempt(durable, NOW, "ada", "192.0.2.1")
    await refusal(durable, NOW, "ada", "192.0.2.2")
    await attempt(durable, NOW, "bob", "192.0.2.1")


async def test_a_hundred_in_a_row_end_it_until_an_administrator_acts(durable: DurableStore) -> None:
    await make(durable, "ada")
    for _ in range(100):
        await attempt(durable, NOW, limits=FREE)
    assert await refusal(durable, NOW, limits=FREE) is None
    assert await refusal(durable, NOW + 365 * 86400, limits=FREE) is None
    assert await refusal(durable, NOW, limits=LIMITS) is None


async def test_a_right_code_ends_the_row(durable: DurableStore) -> None:
    await make(durable, "ada")
    for _ in range(99):
        await attempt(durable, NOW, limits=FREE)
    await durable.refund_attempt(await attempt(durable, NOW, limits=FREE))
    for _ in range(100):
        await attempt(durable, NOW, limits=FREE)
    assert await refusal(durable, NOW, limits=FREE) is None


async def test_resetting_totp_ends_the_row(durable: DurableStore) -> None:
    await make(durable, "ada")
    totp = Authenticator("t1", "ada", Method.TOTP, "phone", NOW)
    await durable.add_authenticator(totp, totp_seed=Secret(b"seed"), only_as_first=True)
    for _ in range(100):
        await attempt(durable, NOW, limits=FREE)
    await durable.delete_authenticator("ada", "t1")
    assert await attempt(durable, NOW, limits=FREE)


async def test_deleting_a_security_key_does_not_end_the_row(durable: DurableStore) -> None:
    await make(durable, "ada")
    key = Authenticator("k1", "ada", Method.SECURITY_KEY, "key", NOW, credential_id=b"k")
    await durable.add_authenticator(key, only_as_first=True)
    for _ in range(100):
        await attempt(durable, NOW, limits=FREE)
    await durable.delete_authenticator("ada", "k1")
    assert await refusal(durable, NOW, limits=FREE) is None


async def test_nobody_can_be_counted_for_who_does_not_exist(durable: DurableStore) -> None:
    with pytest.raises(NotFound):
        await attempt(durable, NOW, "nobody", "192.0.2.1")


@pytest.mark.case(39)
async def test_a_clock_set_back_opens_nothing(durable: DurableStore) -> None:
    await make(durable, "ada")
    for _ in range(5):
        await attempt(durable, NOW)
    assert await refusal(durable, NOW - 3600) == 3900
