"""The PIN by e-mail: for whom it is sent, and how often, where and how long it counts."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from ipaddress import ip_network

import pytest

from secondgate.errors import Malformed, ProofRejected, Reason, Rejected, TooManyAttempts
from secondgate.flows.one_time_pin import load_pending_email
from secondgate.model.person import Identity, IdentitySource
from secondgate.model.policy import Criteria, Email, Everyone, Ip, PolicyAction
from tests.unit.flows.world import ANN, BEN, PIN, STAFF_POLICY, Person, World, application

STRANGER = "eve@elsewhere.example"


async def sent_pin(world: World) -> str:
    await world.after_answers()
    return world.mailer.sent[-1].pin


def wrong(pin: str) -> str:
    return f"{(int(pin) + 1) % 1_000_000:06d}"


async def reason_of(person: Person, pin: object) -> Reason:
    with pytest.raises(Rejected) as refused:
        await person.enter_pin(pin)
    return refused.value.reason


async def test_a_pin_proves_the_address_that_it_was_sent_to(world: World, ann: Person) -> None:
    await ann.ask_for_pin(" Ann@Example.COM ")
    assert await load_pending_email(world.services, ann.browser()) == ANN
    assert not world.mailer.sent, "the message goes out after the answer"
    pin = await sent_pin(world)
    (message,) = world.mailer.sent
    assert message.to == ANN
    identity = await ann.enter_pin(f" {pin[:3]} {pin[3:]} ")
    assert identity == Identity(
        ANN, auth_time=int(world.now), source=IdentitySource.ONE_TIME_PIN, identity_provider_id=PIN.id
    )
    assert not world.durable.attempts


async def test_a_pin_counts_once(world: World, ann: Person) -> None:
    await ann.ask_for_pin()
    pin = await sent_pin(world)
    await ann.enter_pin(pin)
    assert await reason_of(ann, pin) is Reason.EXPIRED
    assert await load_pending_email(world.services, ann.browser()) is None


@pytest.mark.parametrize("posts", [2, 5, 50])
async def test_parallel_posts_of_one_pin_succeed_at_most_once(world: World, ann: Person, posts: int) -> None:
    await ann.ask_for_pin()
    pin = await sent_pin(world)
    results = await asyncio.gather(*(ann.enter_pin(pin) for _ in range(posts)), return_exceptions=True)
    assert len([result for result in results if isinstance(result, Identity)]) == (posts <= 5)
    assert all(isinstance(result, Identity | Rejected) for result in results)
    assert await reason_of(ann, pin) is Reason.EXPIRED


@pytest.mark.parametrize(("age_s", "good"), [(599, True), (600, False)])
async def test_a_pin_lives_ten_minutes(world: World, ann: Person, age_s: int, *, good: bool) -> None:
    await ann.ask_for_pin()
    pin = await sent_pin(world)
    world.now += age_s
    if good:
        await ann.enter_pin(pin)
    else:
        assert await reason_of(ann, pin) is Reason.EXPIRED


async def test_a_wrong_pin_does_not_make_the_right_one_live_longer(world: World, ann: Person) -> None:
    await ann.ask_for_pin()
    pin = await sent_pin(world)
    world.now += 599
    assert await reason_of(ann, wrong(pin)) is Reason.WRONG_CODE
    world.now += 1
    assert await reason_of(ann, pin) is Reason.EXPIRED


@pytest.mark.parametrize(("wrong_tries", "good"), [(4, True), (5, False)])
async def test_a_pin_bears_five_tries(world: World, ann: Person, wrong_tries: int, *, good: bool) -> None:
    await ann.ask_for_pin()
    pin = await sent_pin(world)
    for _ in range(wrong_tries):
        assert await reason_of(ann, wrong(pin)) is Reason.WRONG_CODE
    if good:
        await ann.enter_pin(pin)
    else:
        assert await reason_of(ann, pin) is Reason.EXPIRED
        assert await load_pending_email(world.services, ann.browser()) is None
    assert world.actions().count("pin.rejected") == wrong_tries


async def test_two_hundred_wrong_pins_at_once_are_looked_at_five_times(world: World, ann: Person) -> None:
    await ann.ask_for_pin()
    pin = await sent_pin(world)
    results = await asyncio.gather(*(ann.enter_pin(wrong(pin)) for _ in range(200)), return_exceptions=True)
    reasons = [result.reason for result in results if isinstance(result, ProofRejected)]
    assert len(reasons) == 200
    assert reasons.count(Reason.WRONG_CODE) == 5
    assert await reason_of(ann, pin) is Reason.EXPIRED


async def test_an_address_bears_ten_wrong_pins_in_five_minutes(world: World, ann: Person) -> None:
    for _ in range(2):
        await ann.ask_for_pin()
        pin = await sent_pin(world)
        for _ in range(5):
            assert await reason_of(ann, wrong(pin)) is Reason.WRONG_CODE
    await ann.ask_for_pin()
    pin = await sent_pin(world)
    assert await reason_of(ann, pin) is Reason.TOO_MANY_ATTEMPTS
    world.now += 300
    await ann.enter_pin(pin)


async def test_a_pin_is_worth_nothing_in_another_browser(world: World, ann: Person) -> None:
    await ann.ask_for_pin()
    pin = await sent_pin(world)
    elsewhere = ann.at_another_browser()
    assert await reason_of(elsewhere, pin) is Reason.EXPIRED
    await elsewhere.ask_for_pin()
    other = await sent_pin(world)
    assert await reason_of(elsewhere, pin) is Reason.WRONG_CODE
    await ann.enter_pin(pin)
    await elsewhere.enter_pin(other)


async def test_asking_again_replaces_the_pin_and_its_tries(world: World, ann: Person) -> None:
    await ann.ask_for_pin()
    first = await sent_pin(world)
    for _ in range(4):
        await reason_of(ann, wrong(first))
    await ann.ask_for_pin(BEN)
    second = await sent_pin(world)
    assert first != second
    assert await reason_of(ann, first) is Reason.WRONG_CODE
    assert (await ann.enter_pin(second)).email == BEN


@pytest.mark.case(38)
@pytest.mark.parametrize("pin", ["", "12345", "1234567", "12345a", "\uff11" * 6, None, 123456])
async def test_an_odd_pin_is_refused_and_not_counted(world: World, ann: Person, pin: object) -> None:
    await ann.ask_for_pin()
    right = await sent_pin(world)
    for _ in range(20):
        with pytest.raises(Malformed):
            await ann.enter_pin(pin)
    await ann.enter_pin(right)


@pytest.mark.parametrize("email", ["", "ann", "ann@", "a@b@example.com", "ann@example.com\nBcc: x@example.com"])
async def test_what_is_no_address_is_refused(world: World, ann: Person, email: str) -> None:
    with pytest.raises(Malformed):
        await ann.ask_for_pin(email or " ")
    assert not world.live.records
    assert not world.spawned


@pytest.mark.case(98)
@pytest.mark.parametrize("email", [ANN, BEN, STRANGER])
async def test_whoever_is_asked_for_the_answers_are_the_same(world: World, ann: Person, email: str) -> None:
    await Person(world).sign_in()
    await ann.ask_for_pin(email)
    assert await load_pending_email(world.services, ann.browser()) == email
    await world.after_answers()
    answers = [str(await reason_of(ann, "000000")) for _ in range(6)]
    assert answers == [Reason.WRONG_CODE] * 5 + [Reason.EXPIRED]
    assert [message.to for message in world.mailer.sent] == [email] * (email != STRANGER)


@pytest.mark.case(98)
@pytest.mark.parametrize("email", [ANN, STRANGER])
async def test_the_limits_of_asking_are_the_same_for_all(world: World, ann: Person, email: str) -> None:
    for _ in range(5):
        await ann.ask_for_pin(email)
    with pytest.raises(TooManyAttempts) as refused:
        await ann.ask_for_pin(email)
    assert refused.value.resets_in_s == 600
    world.now += 600
    await ann.ask_for_pin(email)


async def test_one_client_asks_for_twenty_pins_in_ten_minutes(world: World, ann: Person) -> None:
    for number in range(20):
        await ann.ask_for_pin(f"person{number}@example.com")
    with pytest.raises(TooManyAttempts):
        await ann.ask_for_pin("one.more@example.com")
    await ann.at_another_browser().ask_for_pin("one.more@example.com")
    assert len(world.spawned) == 21


@pytest.mark.case(98)
async def test_a_message_goes_to_those_alone_whom_some_policy_lets_log_in(world: World, ann: Person) -> None:
    office = Criteria((Ip(ip_network("192.0.2.0/24")),))
    bypass = replace(STAFF_POLICY, id="bypass", action=PolicyAction.BYPASS, criteria=Criteria((Everyone(),)))
    deny = replace(STAFF_POLICY, id="deny", action=PolicyAction.DENY, criteria=Criteria((Everyone(),)))
    from_office = replace(STAFF_POLICY, id="office", action=PolicyAction.BYPASS, criteria=office)
    for policies, expected in (
        ((STAFF_POLICY,), {ANN}),
        ((bypass,), set()),
        ((bypass, STAFF_POLICY), {ANN}),
        ((from_office, STAFF_POLICY), {ANN}),
        ((deny, replace(STAFF_POLICY, precedence=2)), set()),
        ((), set()),
    ):
        world.applications = (application(policies=policies),)
        world.mailer.sent.clear()
        world.live.records.clear()
        for email in (ANN, STRANGER):
            await ann.ask_for_pin(email)
        await world.after_answers()
        assert {message.to for message in world.mailer.sent} == expected


@pytest.mark.case(98)
async def test_a_mail_server_out_of_reach_changes_no_answer(world: World, ann: Person) -> None:
    world.mailer.is_down = True
    await ann.ask_for_pin()
    await world.after_answers()
    assert await load_pending_email(world.services, ann.browser()) == ANN
    assert await reason_of(ann, "000000") is Reason.WRONG_CODE


async def test_the_live_store_does_not_hold_a_pin(world: World, ann: Person) -> None:
    await ann.ask_for_pin()
    pin = await sent_pin(world)
    assert not re.search(rf"(?<![0-9]){pin}(?![0-9])", repr(world.live.records))


async def test_a_pin_that_was_replaced_while_it_was_looked_at_is_refused(world: World, ann: Person) -> None:
    await ann.ask_for_pin()
    pin = await sent_pin(world)
    world.durable_steps.after["claim_attempt"] = ann.ask_for_pin
    assert await reason_of(ann, pin) is Reason.EXPIRED


@pytest.mark.case(98)
async def test_an_administrator_gets_a_pin_where_no_application_would_let_them_in(world: World, ann: Person) -> None:
    world.administrators = Criteria((Email(STRANGER),))
    for email in (STRANGER, "other@elsewhere.example"):
        await ann.ask_for_pin(email)
    await world.after_answers()
    assert [message.to for message in world.mailer.sent] == [STRANGER]


@pytest.mark.case(98)
async def test_without_a_mail_server_the_answers_are_the_same(world: World, ann: Person) -> None:
    object.__setattr__(world.services, "mailer", None)
    await ann.ask_for_pin()
    await world.after_answers()
    assert await reason_of(ann, "000000") is Reason.WRONG_CODE
