"""Temporary passes are counted as codes are, refused alike, and nowhere in clear."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from secondgate.errors import Malformed, ProofRejected, Reason, TooManyAttempts
from secondgate.flows.passes import parse_pass_ttl, revoke_pass
from tests.unit.flows.passes import HELPDESK, WRONG, issue, reason_of, use
from tests.unit.flows.world import ANN, Person, World


@pytest.mark.case(36)
async def test_wrong_passes_count_with_wrong_codes_and_stop_the_right_one_too(world: World, enrolled: Person) -> None:
    code = await issue(enrolled)
    for _ in range(3):
        assert await reason_of(enrolled, WRONG) is Reason.WRONG_PASS
    for _ in range(2):
        with pytest.raises(ProofRejected):
            await enrolled.prove_code(enrolled.wrong_code())
    answers = []
    for presented in (WRONG, code):
        with pytest.raises(TooManyAttempts) as refused:
            await use(enrolled, presented)
        answers.append((str(refused.value), refused.value.resets_in_s))
    assert answers[0] == answers[1]
    with pytest.raises(TooManyAttempts):
        await enrolled.prove_code()
    world.now += 300
    await use(enrolled, code)


@pytest.mark.case(36, 37)
async def test_wrong_passes_count_over_browsers_addresses_and_emptied_live_stores(
    world: World, locked_out: Person
) -> None:
    code = await issue(locked_out)
    for number in range(5):
        elsewhere = locked_out.at_another_browser()
        elsewhere.address = type(elsewhere.address)(f"203.0.113.{number}")
        await elsewhere.sign_in()
        assert await reason_of(elsewhere, WRONG) is Reason.WRONG_PASS
        world.live.records.clear()
    await locked_out.sign_in()
    assert await reason_of(locked_out, code) is Reason.TOO_MANY_ATTEMPTS


@pytest.mark.case(36)
async def test_two_hundred_wrong_passes_at_once_are_looked_at_five_times(locked_out: Person) -> None:
    await issue(locked_out)
    results = await asyncio.gather(*(use(locked_out, WRONG) for _ in range(200)), return_exceptions=True)
    assert sum(isinstance(error, ProofRejected) for error in results) == 5
    assert sum(isinstance(error, TooManyAttempts) for error in results) == 195


@pytest.mark.case(36)
async def test_an_administrator_who_issues_a_pass_ends_the_stop_of_a_hundred_in_a_row(
    world: World, locked_out: Person
) -> None:
    code = await issue(locked_out)
    for _ in range(100):
        assert await reason_of(locked_out, WRONG) is Reason.WRONG_PASS
        world.now += 3600
        await locked_out.sign_in()
    with pytest.raises(TooManyAttempts) as refused:
        await use(locked_out, code)
    assert refused.value.resets_in_s is None
    await use(locked_out, await issue(locked_out))


@pytest.mark.case(38)
async def test_what_has_not_the_form_of_a_pass_is_not_counted(world: World, locked_out: Person) -> None:
    code = await issue(locked_out)
    for odd in (None, "", "123456", "\uff2b7QM-2F9X-TR4B", 7):
        for _ in range(3):
            with pytest.raises(Malformed):
                await use(locked_out, odd)
    assert world.durable.attempts == []
    await use(locked_out, code)


@pytest.mark.case(98)
async def test_no_pass_a_wrong_one_a_used_one_and_an_expired_one_get_the_same_answer(
    world: World, locked_out: Person
) -> None:
    answers = set()

    async def refused(code: str) -> None:
        with pytest.raises(ProofRejected) as error:
            await use(locked_out, code)
        answers.add((type(error.value), str(error.value)))

    await refused(WRONG)
    code = await issue(locked_out, ttl_s=60)
    await refused(WRONG)
    world.now += 60
    await refused(code)
    code = await issue(locked_out)
    await use(locked_out, code)
    await refused(code)
    assert len(answers) == 1
    reasons = [event.detail["reason"] for event in world.durable.events if event.action == "pass.rejected"]
    assert reasons == ["wrong_pass", "wrong_pass", "expired", "unknown_or_used"]


@pytest.mark.case(76)
async def test_the_audit_log_has_who_issued_used_and_revoked_it_without_the_code(
    world: World, locked_out: Person
) -> None:
    person_id = (await locked_out.login()).person_id
    code = await issue(locked_out)
    await reason_of(locked_out, WRONG)
    await use(locked_out, code)
    await revoke_pass(world.services, person_id, actor=HELPDESK)
    events = [event for event in world.durable.events if event.action.startswith("pass.")]
    assert [(event.action, event.actor, event.address) for event in events] == [
        ("pass.created", "helpdesk", "192.0.2.200"),
        ("pass.rejected", ANN, "198.51.100.4"),
        ("pass.used", ANN, "198.51.100.4"),
        ("pass.revoked", "helpdesk", "192.0.2.200"),
    ]
    assert {event.person_id for event in events} == {person_id}
    assert events[2].detail["created_by"] == "helpdesk"


@pytest.mark.case(41, 97)
async def test_a_code_is_nowhere_in_clear(world: World, locked_out: Person, capsys: pytest.CaptureFixture[str]) -> None:
    code = await issue(locked_out)
    stored = repr(world.durable.passes) + repr([one.code_mac for one in world.durable.passes.values()])
    await use(locked_out, code)
    await world.after_answers()
    everything = stored + repr(world.durable.events) + repr(world.live.records) + repr(world.mailer.sent)
    everything += "".join(capsys.readouterr())
    for spelling in (code, code.replace("-", ""), code.lower()):
        assert spelling not in everything


async def test_a_code_is_kept_under_a_key_that_is_not_in_the_database(world: World, locked_out: Person) -> None:
    other = World(now=world.now)
    other.durable.people, other.durable.passes = world.durable.people, world.durable.passes
    code = await issue(locked_out)
    thief = Person(other, email=ANN)
    await thief.sign_in()
    assert await reason_of(thief, code) is Reason.WRONG_PASS


@dataclass(frozen=True, slots=True)
class Duration:
    """What was written, and what it means in seconds."""

    text: object
    seconds: int | None


@pytest.mark.parametrize(
    "case",
    [
        Duration("1m", 60),
        Duration("1h", 3600),
        Duration("1h30m", 5400),
        Duration("72h", 72 * 3600),
        Duration("0m", None),
        Duration("72h1m", None),
        Duration("-1h", None),
        Duration("1d", None),
        Duration(3600, None),
        Duration("", None),
    ],
    ids=lambda case: str(case.text),
)
def test_a_pass_lasts_from_a_minute_to_three_days(case: Duration) -> None:
    if case.seconds is not None:
        assert parse_pass_ttl(case.text, field="ttl") == case.seconds
        return
    with pytest.raises(Malformed, match="from 1m to 72h"):
        parse_pass_ttl(case.text, field="ttl")
