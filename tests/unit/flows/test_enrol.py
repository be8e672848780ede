"""Enrolling, naming and removing authenticators: the first freely, each further one inside the window alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pyotp
import pytest

from secondgate.errors import Conflict, Forbidden, Malformed, NotFound, ProofRejected, Reason, Rejected, TooManyAttempts
from secondgate.flows.enrol import (
    begin_registration,
    begin_totp_enrolment,
    complete_registration,
    load_totp_setup,
    parse_name,
    parse_new_name,
    remove_authenticator,
    rename_authenticator,
)
from secondgate.flows.proof import Purpose
from secondgate.flows.window import load_window
from secondgate.model.organization import Method
from secondgate.store.ports import Kind
from tests.fakes.authenticator import Lies
from tests.unit.flows.world import BEN, Person, World, hidden_in


async def authenticators(person: Person) -> dict[Method, str]:
    login = await person.login()
    return {one.method: one.id for one in await person.services.durable.list_authenticators(login.person_id)}


@pytest.mark.case(34, 40)
async def test_an_app_is_enrolled_by_its_code_and_named(world: World, ann: Person) -> None:
    login = await ann.sign_in()
    await ann.set_up_app()
    await ann.confirm_app(name="  Ann's phone ")
    (one,) = await world.durable.list_authenticators(login.person_id)
    assert (one.method, one.name, one.created_at) == (Method.TOTP, "Ann's phone", world.now)
    assert world.actions()[-1] == "authenticator.added"
    assert await world.live.load(Kind.PENDING_TOTP, login.id) is None


@pytest.mark.case(40)
async def test_a_setup_holds_the_uri_and_the_key_of_one_seed(ann: Person) -> None:
    login = await ann.sign_in()
    await begin_totp_enrolment(ann.services, ann.browser(), login)
    setup = await load_totp_setup(ann.services, ann.browser(), login)
    again = await load_totp_setup(ann.services, ann.browser(), login)
    assert setup is not None
    assert setup == again
    parsed = pyotp.parse_uri(setup.uri.reveal())
    assert (parsed.secret, parsed.name, parsed.issuer) == (
        setup.key.reveal().replace(" ", ""),
        "ann@example.com",
        "Example",
    )
    assert "***" in repr(setup)
    assert parsed.secret not in repr(setup)


@pytest.mark.case(40)
async def test_a_second_app_is_refused_at_the_beginning_and_at_the_end(world: World, ann: Person) -> None:
    await ann.sign_in()
    elsewhere = ann.at_another_browser()
    await elsewhere.sign_in()
    await elsewhere.set_up_app()
    await ann.enrol_app()
    world.now += 30
    await ann.prove_code(purpose=Purpose.DEVICES)
    elsewhere.world.now += 30
    login = await ann.login()
    begun = begin_totp_enrolment(ann.services, ann.browser(), login)
    for attempt in (begun, load_totp_setup(ann.services, ann.browser(), login), ann.confirm_app()):
        with pytest.raises(Conflict) as refused:
            await attempt
        assert refused.value.reason is Reason.ALREADY_ENROLLED
    with pytest.raises(Forbidden):
        await elsewhere.confirm_app()


@pytest.mark.case(40)
async def test_a_setup_never_shows_an_enrolled_seed(world: World, ann: Person) -> None:
    await ann.sign_in()
    await ann.enrol_app()
    world.now += 30
    with pytest.raises(Forbidden):
        await load_totp_setup(ann.services, ann.browser(), await ann.login())
    await ann.prove_code(purpose=Purpose.DEVICES)
    await remove_authenticator(ann.services, ann.browser(), await ann.login(), (await authenticators(ann))[Method.TOTP])
    assert await load_totp_setup(ann.services, ann.browser(), await ann.login()) is None


@pytest.mark.case(40)
@pytest.mark.parametrize(("age_s", "good"), [(599, True), (600, False)])
async def test_a_pending_seed_lives_ten_minutes(world: World, ann: Person, age_s: int, *, good: bool) -> None:
    login = await ann.sign_in()
    await ann.set_up_app()
    world.now += age_s
    if good:
        await ann.confirm_app()
        return
    assert await load_totp_setup(ann.services, ann.browser(), login) is None
    with pytest.raises(ProofRejected) as refused:
        await ann.confirm_app()
    assert refused.value.reason is Reason.EXPIRED


@pytest.mark.case(40)
async def test_looking_at_a_setup_does_not_make_it_last_longer(world: World, ann: Person) -> None:
    login = await ann.sign_in()
    await ann.set_up_app()
    world.now += 599
    assert await load_totp_setup(ann.services, ann.browser(), login) is not None
    world.now += 1
    assert await load_totp_setup(ann.services, ann.browser(), login) is None


@pytest.mark.case(40)
async def test_a_pending_seed_belongs_to_one_session(ann: Person) -> None:
    await ann.sign_in()
    await ann.set_up_app()
    elsewhere = ann.at_another_browser()
    await elsewhere.sign_in()
    assert await load_totp_setup(ann.services, ann.browser(), await elsewhere.login()) is None
    with pytest.raises(ProofRejected) as refused:
        await elsewhere.confirm_app()
    assert refused.value.reason is Reason.EXPIRED
    await ann.sign_in()
    assert await load_totp_setup(ann.services, ann.browser(), await ann.login()) is None


@pytest.mark.case(41)
async def test_a_pending_seed_is_sealed_in_the_live_store(world: World, ann: Person) -> None:
    login = await ann.sign_in()
    await ann.set_up_app()
    assert ann.app is not None
    seed = ann.app.byte_secret()
    everything = repr(world.live.records) + repr(world.durable.events)
    assert seed in world.random
    assert not hidden_in(everything, seed)
    ben = Person(world, email=BEN)
    other = await ben.sign_in()
    sealed = await world.live.load(Kind.PENDING_TOTP, login.id)
    assert sealed is not None
    await world.live.save(Kind.PENDING_TOTP, other.id, sealed, ttl_s=600)
    with pytest.raises(Exception, match="does not open"):
        await load_totp_setup(world.services, ben.browser(), other)


@pytest.mark.case(36)
async def test_wrong_codes_count_at_the_enrolment_too(world: World, ann: Person) -> None:
    await ann.sign_in()
    await ann.set_up_app()
    for _ in range(5):
        with pytest.raises(ProofRejected) as refused:
            await ann.confirm_app(ann.wrong_code())
        assert refused.value.reason is Reason.WRONG_CODE
    with pytest.raises(TooManyAttempts):
        await ann.confirm_app()
    assert not await authenticators(ann)
    world.now += 300
    await ann.confirm_app()


@pytest.mark.case(38)
@pytest.mark.parametrize("code", ["", "12345", "1234567", None, 123456, ["123456"]])
async def test_an_odd_code_leaves_the_setup_as_it_is(world: World, ann: Person, code: object) -> None:
    await ann.sign_in()
    await ann.set_up_app()
    with pytest.raises(Malformed):
        await ann.confirm_app(code if code is not None else b"")
    assert not world.durable.attempts
    await ann.confirm_app()


@pytest.mark.case(78)
@pytest.mark.parametrize("second", [Method.TOTP, Method.SECURITY_KEY])
async def test_of_two_first_enrolments_at_once_one_wins(world: World, ann: Person, second: Method) -> None:
    login = await ann.sign_in()
    eve = Person(world, address="203.0.113.66")
    await eve.sign_in()
    await ann.set_up_app()
    if second is Method.TOTP:
        await eve.set_up_app()
        attempt = eve.confirm_app()
    else:
        attempt = eve.enrol(second)
    results = await asyncio.gather(ann.confirm_app(), attempt, return_exceptions=True)
    lost = [result for result in results if isinstance(result, Rejected)]
    assert len(lost) == 1
    assert len([result for result in results if not isinstance(result, BaseException)]) == 1
    assert len(await world.durable.list_authenticators(login.person_id)) == 1


@pytest.mark.case(78)
async def test_an_enrolment_that_another_one_overtakes_is_not_the_first(world: World, ann: Person) -> None:
    login = await ann.sign_in()
    eve = Person(world, address="203.0.113.66")
    await eve.sign_in()
    await ann.set_up_app()
    world.live_steps.after["claim"] = eve.enrol
    with pytest.raises(Conflict) as refused:
        await ann.confirm_app()
    assert refused.value.reason is Reason.NOT_FIRST
    (one,) = await world.durable.list_authenticators(login.person_id)
    assert one.method is Method.SECURITY_KEY


@pytest.mark.case(78)
async def test_a_first_enrolment_begun_before_the_first_one_was_finished_is_refused(world: World, ann: Person) -> None:
    await ann.sign_in()
    eve = Person(world, address="203.0.113.66")
    login = await eve.sign_in()
    options, ceremony = await begin_registration(world.services, eve.browser(), login, method=Method.SECURITY_KEY)
    await ann.enrol_app()
    with pytest.raises(Forbidden) as refused:
        await complete_registration(
            world.services,
            eve.browser(login),
            login,
            ceremony=ceremony,
            response=eve.key.register(options),
            name="Eve's",
        )
    assert refused.value.reason is Reason.WINDOW_CLOSED


@pytest.mark.parametrize("method", [Method.TOTP, Method.SECURITY_KEY, Method.BIOMETRICS])
async def test_a_method_that_the_organization_does_not_allow_is_not_enrolled(
    world: World, ann: Person, method: Method
) -> None:
    login = await ann.sign_in()
    await ann.set_up_app()
    _, ceremony = await begin_registration(world.services, ann.browser(), login, method=Method.SECURITY_KEY)
    world.set_mfa(*[other for other in Method if other is not method])
    attempts: list[Callable[[], Awaitable[object]]] = [
        lambda: begin_totp_enrolment(world.services, ann.browser(), login),
        ann.confirm_app,
    ]
    if method is not Method.TOTP:
        attempts = [lambda: begin_registration(world.services, ann.browser(), login, method=method)]
    if method is Method.SECURITY_KEY:
        attempts.append(
            lambda: complete_registration(
                world.services, ann.browser(login), login, ceremony=ceremony, response={}, name="Key"
            )
        )
    for attempt in attempts:
        with pytest.raises(Forbidden) as refused:
            await attempt()
        assert refused.value.reason is Reason.METHOD_NOT_ALLOWED


@pytest.mark.case(50)
async def test_a_credential_id_that_anyone_has_is_not_registered_again(world: World, ann: Person) -> None:
    await ann.sign_in()
    await ann.enrol()
    (taken,) = ann.key.passkeys
    ben = Person(world, email=BEN)
    login = await ben.sign_in()
    with pytest.raises(Conflict) as refused:
        await register(ben, Lies(credential_id=taken))
    assert refused.value.reason is Reason.CREDENTIAL_TAKEN
    assert not await world.durable.list_authenticators(login.person_id)
    await ann.prove(purpose=Purpose.DEVICES)
    with pytest.raises(Conflict):
        await register(ann, Lies(credential_id=taken))


@pytest.mark.case(50)
@pytest.mark.parametrize("credential_id", [b"", b"x" * 1024])
async def test_an_empty_or_overlong_credential_id_is_not_registered(ann: Person, credential_id: bytes) -> None:
    await ann.sign_in()
    with pytest.raises(ProofRejected) as refused:
        await register(ann, Lies(credential_id=credential_id))
    assert refused.value.reason is Reason.CREDENTIAL_ID
    assert ann.world.actions()[-1] == "authenticator.rejected"


async def register(person: Person, lies: Lies) -> None:
    login = await person.login()
    options, ceremony = await begin_registration(person.services, person.browser(), login, method=Method.SECURITY_KEY)
    response = person.key.register(options, lies)
    await complete_registration(
        person.services, person.browser(login), login, ceremony=ceremony, response=response, name="Key"
    )


@pytest.mark.case(44)
async def test_a_registration_of_another_method_than_was_begun_is_refused(ann: Person) -> None:
    login = await ann.sign_in()
    options, ceremony = await begin_registration(ann.services, ann.browser(), login, method=Method.SECURITY_KEY)
    with pytest.raises(ProofRejected) as refused:
        await complete_registration(
            ann.services,
            ann.browser(login),
            login,
            ceremony=ceremony,
            response=ann.reader.register(options),
            name="Key",
        )
    assert refused.value.reason is Reason.ATTACHMENT


@pytest.mark.parametrize("name", ["x" * 65, "a\nb", "a\0b", "a\u2028b", "\ud800", 7, ["x"], "", " ", None])
def test_an_odd_name_is_refused(name: object) -> None:
    with pytest.raises(Malformed):
        parse_name(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (None, "Security key"),
        ("", "Security key"),
        ("  ", "Security key"),
        (" <b>x</b> ", "<b>x</b>"),
        ("e\u0301", "é"),
    ],
)
def test_a_name_is_kept_as_it_was_typed_and_has_a_default(name: object, expected: str) -> None:
    assert parse_new_name(name, Method.SECURITY_KEY) == expected


async def test_authenticators_are_renamed_and_removed_inside_the_window(world: World, enrolled: Person) -> None:
    await enrolled.prove(purpose=Purpose.DEVICES)
    login = await enrolled.login()
    ids = await authenticators(enrolled)
    await rename_authenticator(world.services, login, ids[Method.TOTP], name="Old phone")
    one = await world.durable.load_authenticator(login.person_id, ids[Method.TOTP])
    assert one is not None
    assert one.name == "Old phone"
    await remove_authenticator(world.services, enrolled.browser(login), login, ids[Method.TOTP])
    assert Method.TOTP not in await authenticators(enrolled)
    assert world.actions()[-1] == "authenticator.removed"


async def test_nobody_changes_another_persons_authenticator(world: World, enrolled: Person) -> None:
    (theirs,) = {(await authenticators(enrolled))[Method.TOTP]}
    ben = Person(world, email=BEN)
    await ben.sign_in()
    await ben.enrol()
    await ben.prove(purpose=Purpose.DEVICES)
    login = await ben.login()
    changes: list[Callable[[str], Awaitable[None]]] = [
        lambda one: rename_authenticator(world.services, login, one, name="mine"),
        lambda one: remove_authenticator(world.services, ben.browser(login), login, one),
    ]
    for change in changes:
        for one in (theirs, "made-up", ""):
            with pytest.raises(NotFound):
                await change(one)
    assert theirs in (await authenticators(enrolled)).values()
    assert await load_window(world.services, login) is not None


async def test_of_two_confirmations_of_one_setup_at_once_one_wins(world: World, ann: Person) -> None:
    login = await ann.sign_in()
    await ann.set_up_app()
    results = await asyncio.gather(*(ann.confirm_app() for _ in range(5)), return_exceptions=True)
    assert len([result for result in results if isinstance(result, Rejected)]) == 4
    assert len(await world.durable.list_authenticators(login.person_id)) == 1


@pytest.mark.parametrize("removes", [False, True])
async def test_an_authenticator_deleted_meanwhile_is_not_found(
    world: World, enrolled: Person, *, removes: bool
) -> None:
    await enrolled.prove(purpose=Purpose.DEVICES)
    login = await enrolled.login()
    one = (await authenticators(enrolled))[Method.TOTP]
    last_look = "load_authenticator" if removes else "list_authenticators"
    world.durable_steps.after[last_look] = lambda: world.durable.delete_authenticator(login.person_id, one)
    changes: dict[bool, Callable[[], Awaitable[None]]] = {
        False: lambda: rename_authenticator(world.services, login, one, name="Old phone"),
        True: lambda: remove_authenticator(world.services, enrolled.browser(login), login, one),
    }
    with pytest.raises(NotFound):
        await changes[removes]()
