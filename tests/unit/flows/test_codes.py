"""Proving the authenticator app: each code once, and only so many wrong ones."""

from __future__ import annotations

import asyncio

import pytest

from secondgate.errors import Forbidden, Malformed, NotFound, ProofRejected, Reason, Rejected, TooManyAttempts
from secondgate.flows.challenge import complete_totp
from secondgate.flows.proof import Purpose
from secondgate.flows.sessions import delete_authenticators, end_sessions, log_out
from tests.unit.flows.world import BEN, Person, World

FULL_WIDTH = "".join(chr(0xFF10 + digit) for digit in range(1, 7))
DEVANAGARI = "".join(chr(0x966 + digit) for digit in range(1, 7))


async def reason_of(person: Person, code: object) -> Reason:
    with pytest.raises(Rejected) as refused:
        await person.prove_code(code)
    return refused.value.reason


@pytest.mark.case(34)
async def test_a_code_is_accepted_once_and_nowhere_again(world: World, enrolled: Person) -> None:
    elsewhere = enrolled.at_another_browser()
    await elsewhere.sign_in()
    code = enrolled.code()
    await enrolled.prove_code(code)
    assert await reason_of(enrolled, code) is Reason.CODE_USED
    assert await reason_of(elsewhere, code) is Reason.CODE_USED
    assert await reason_of(elsewhere, f" {code[:3]} {code[3:]} ") is Reason.CODE_USED
    assert world.actions().count("totp.rejected") == 3


@pytest.mark.case(34)
async def test_an_older_code_than_the_last_is_refused(enrolled: Person) -> None:
    await enrolled.prove_code(enrolled.code(1))
    assert await reason_of(enrolled, enrolled.code()) is Reason.CODE_USED
    assert await reason_of(enrolled, enrolled.code(-1)) is Reason.CODE_USED


@pytest.mark.case(34)
async def test_a_used_code_stays_used_when_the_live_store_was_emptied(world: World, enrolled: Person) -> None:
    code = enrolled.code()
    await enrolled.prove_code(code)
    world.live.records.clear()
    await enrolled.sign_in()
    assert await reason_of(enrolled, code) is Reason.CODE_USED


@pytest.mark.case(34)
async def test_the_code_that_confirmed_the_enrolment_proves_nothing_more(ann: Person) -> None:
    await ann.sign_in()
    await ann.enrol_app()
    assert await reason_of(ann, ann.code()) is Reason.CODE_USED


@pytest.mark.case(39)
async def test_a_clock_that_jumps_back_gives_no_code_a_second_life(world: World, enrolled: Person) -> None:
    code = enrolled.code()
    await enrolled.prove_code(code)
    world.now += 300
    await enrolled.prove_code()
    world.now -= 300
    assert await reason_of(enrolled, code) is Reason.CODE_USED
    assert await reason_of(enrolled, enrolled.code(1)) is Reason.CODE_USED


@pytest.mark.case(35)
async def test_of_two_hundred_parallel_posts_of_one_code_one_succeeds(world: World, enrolled: Person) -> None:
    people = [enrolled.at_another_browser() for _ in range(200)]
    for number, person in enumerate(people):
        person.address = type(person.address)(f"198.51.100.{number}")
        await person.sign_in()
    code = enrolled.code()
    results = await asyncio.gather(*(person.prove_code(code) for person in people), return_exceptions=True)
    assert len([result for result in results if not isinstance(result, BaseException)]) == 1
    refused = [result for result in results if isinstance(result, BaseException)]
    assert all(isinstance(result, ProofRejected | TooManyAttempts) for result in refused)
    assert len(await world.services.sessions.list_mfa_sessions((await enrolled.login()).person_id)) <= 4


@pytest.mark.case(36)
async def test_five_wrong_codes_stop_the_right_one_too_with_the_same_answer(world: World, enrolled: Person) -> None:
    for _ in range(5):
        assert await reason_of(enrolled, enrolled.wrong_code()) is Reason.WRONG_CODE
    answers = []
    for code in (enrolled.wrong_code(), enrolled.code()):
        with pytest.raises(TooManyAttempts) as refused:
            await enrolled.prove_code(code)
        answers.append((str(refused.value), refused.value.resets_in_s))
    assert answers[0] == answers[1]
    world.now += 300
    await enrolled.prove_code()


@pytest.mark.case(36)
async def test_wrong_codes_count_over_browsers_addresses_and_emptied_live_stores(
    world: World, enrolled: Person
) -> None:
    for number in range(5):
        elsewhere = enrolled.at_another_browser()
        elsewhere.address = type(elsewhere.address)(f"203.0.113.{number}")
        elsewhere.email = "ANN@example.com"
        await elsewhere.sign_in()
        assert await reason_of(elsewhere, elsewhere.wrong_code()) is Reason.WRONG_CODE
        world.live.records.clear()
    await enrolled.sign_in()
    assert await reason_of(enrolled, enrolled.code()) is Reason.TOO_MANY_ATTEMPTS


@pytest.mark.case(36)
async def test_two_hundred_wrong_codes_at_once_are_looked_at_no_more_often_than_the_limit_says(
    enrolled: Person,
) -> None:
    wrong = enrolled.wrong_code()
    results = await asyncio.gather(*(enrolled.prove_code(wrong) for _ in range(200)), return_exceptions=True)
    looked_at = [error for error in results if isinstance(error, ProofRejected)]
    assert len(looked_at) == 5
    assert len([error for error in results if isinstance(error, TooManyAttempts)]) == 195


@pytest.mark.case(36)
async def test_security_keys_go_on_working_while_codes_are_stopped(enrolled: Person) -> None:
    for _ in range(5):
        await reason_of(enrolled, enrolled.wrong_code())
    assert await reason_of(enrolled, enrolled.code()) is Reason.TOO_MANY_ATTEMPTS
    await enrolled.prove()


@pytest.mark.case(36)
async def test_a_hundred_wrong_codes_in_a_row_stop_for_good(world: World, enrolled: Person) -> None:
    reasons: list[Reason] = []
    while reasons.count(Reason.WRONG_CODE) < 100 and len(reasons) < 400:
        reasons.append(await reason_of(enrolled, enrolled.wrong_code()))
        if reasons[-1] is Reason.TOO_MANY_ATTEMPTS:
            world.now += 3600
            await enrolled.sign_in()
    assert reasons.count(Reason.WRONG_CODE) == 100
    world.now += 30 * 86400
    await enrolled.sign_in()
    with pytest.raises(TooManyAttempts) as stopped:
        await enrolled.prove_code()
    assert stopped.value.resets_in_s is None
    await enrolled.prove()


@pytest.mark.case(36)
async def test_right_codes_are_not_counted(world: World, enrolled: Person) -> None:
    for _ in range(8):
        world.now += 30
        await enrolled.prove_code()


@pytest.mark.case(38)
@pytest.mark.parametrize(
    "code",
    ["", "12345", "1234567", "12345a", FULL_WIDTH, DEVANAGARI, "123456\n7", "1" * 10_000, None, 123456, ["123456"]],
)
async def test_odd_codes_are_refused_before_anything_is_counted(world: World, enrolled: Person, code: object) -> None:
    events = len(world.durable.events)
    for _ in range(20):
        login = await enrolled.login()
        with pytest.raises(Malformed):
            await complete_totp(world.services, enrolled.browser(login), login, code=code, purpose=Purpose.APPLICATION)
    assert not world.durable.attempts
    assert len(world.durable.events) == events
    await enrolled.prove_code()


@pytest.mark.case(98)
async def test_somebody_without_an_app_gets_the_answer_of_a_wrong_code(world: World, enrolled: Person) -> None:
    ben = Person(world, email=BEN)
    await ben.sign_in()
    answers = []
    for person in (enrolled, ben):
        with pytest.raises(ProofRejected) as refused:
            await person.prove_code(enrolled.wrong_code())
        answers.append((refused.value.reason, str(refused.value)))
    assert answers[0] == answers[1]


@pytest.mark.case(28)
async def test_a_proof_by_an_authenticator_deleted_meanwhile_counts_for_nothing(world: World, enrolled: Person) -> None:
    login = await enrolled.login()
    world.durable_steps.after["claim_totp_step"] = lambda: delete_authenticators(
        world.services, login.person_id, actor="root"
    )
    with pytest.raises(NotFound):
        await enrolled.prove_code()
    assert not await world.services.sessions.list_mfa_sessions(login.person_id)


@pytest.mark.case(28)
@pytest.mark.parametrize("step", ["claim_totp_step", "refund_attempt"])
async def test_a_proof_in_a_login_that_ended_meanwhile_counts_for_nothing(
    world: World, enrolled: Person, step: str
) -> None:
    login = await enrolled.login()
    world.durable_steps.after[step] = lambda: end_sessions(world.services, login.person_id, actor="root")
    with pytest.raises(Forbidden) as refused:
        await enrolled.prove_code()
    assert refused.value.reason is Reason.SESSION_ENDED
    assert not await world.services.sessions.list_mfa_sessions(login.person_id)
    assert not await world.services.sessions.list_logins(login.person_id)


@pytest.mark.case(28)
async def test_an_mfa_session_is_not_written_behind_the_end_of_all_sessions(world: World, enrolled: Person) -> None:
    login = await enrolled.login()

    async def end_at_the_next_write() -> None:
        world.live_steps.after["delete"] = lambda: end_sessions(world.services, login.person_id, actor="root")

    world.durable_steps.after["refund_attempt"] = end_at_the_next_write
    with pytest.raises(Forbidden):
        await enrolled.prove_code()
    assert not await world.services.sessions.list_mfa_sessions(login.person_id)


@pytest.mark.case(24)
async def test_a_proof_that_races_with_the_logout_leaves_nobody_logged_in(world: World, enrolled: Person) -> None:
    login = await enrolled.login()
    world.live_steps.after["claim"] = lambda: log_out(
        world.services, login, everywhere=False, forget_device=False, address="192.0.2.7"
    )
    with pytest.raises(Forbidden):
        await enrolled.prove_code()
    assert not await world.services.sessions.list_logins(login.person_id)
