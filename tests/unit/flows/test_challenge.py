"""Proving a WebAuthn authenticator: once, by its owner, in this browser, for this purpose, here."""

from __future__ import annotations

import asyncio

import pytest

from secondgate.errors import ProofRejected, Reason, Rejected
from secondgate.flows.challenge import begin_assertion, offered_methods
from secondgate.flows.proof import Purpose
from secondgate.flows.window import load_window
from secondgate.model.organization import Method
from tests.fakes.authenticator import Lies, b64
from tests.unit.flows.world import ALL_METHODS, BEN, Person, World


async def begun(
    person: Person, method: Method = Method.SECURITY_KEY, *, lies: Lies | None = None, application_id: str = ""
) -> tuple[str, dict[str, object]]:
    """Begin an assertion for applications and have the authenticator sign it."""
    options, ceremony = await begin_assertion(
        person.services,
        await person.login(),
        method=method,
        purpose=Purpose.APPLICATION,
        application_id=application_id,
    )
    return ceremony, person.device(method).authenticate(options, lies or Lies())


async def refusal(
    person: Person,
    ceremony: object,
    response: object,
    *,
    purpose: Purpose = Purpose.APPLICATION,
    application_id: str = "",
) -> Rejected:
    """Present an assertion that must be refused, and change nothing."""
    login = await person.login()
    before = await person.services.sessions.list_mfa_sessions(login.person_id)
    with pytest.raises(Rejected) as refused:
        await person.answer(ceremony, response, purpose=purpose, application_id=application_id)
    assert await person.services.sessions.list_mfa_sessions(login.person_id) == before
    assert await person.find_login() == login
    return refused.value


@pytest.mark.case(44)
async def test_a_challenge_is_good_for_one_success(enrolled: Person) -> None:
    ceremony, response = await begun(enrolled)
    await enrolled.answer(ceremony, response)
    assert (await refusal(enrolled, ceremony, response)).reason is Reason.UNKNOWN_OR_USED


@pytest.mark.case(44)
async def test_a_challenge_is_used_up_by_a_failure_too(enrolled: Person) -> None:
    ceremony, response = await begun(enrolled)
    assert (await refusal(enrolled, ceremony, {})).reason is not Reason.UNKNOWN_OR_USED
    assert (await refusal(enrolled, ceremony, response)).reason is Reason.UNKNOWN_OR_USED


@pytest.mark.case(44)
@pytest.mark.parametrize(("age_s", "good"), [(299, True), (300, False)])
async def test_a_challenge_lives_five_minutes(world: World, enrolled: Person, age_s: int, *, good: bool) -> None:
    ceremony, response = await begun(enrolled)
    world.now += age_s
    if good:
        await enrolled.answer(ceremony, response)
    else:
        assert (await refusal(enrolled, ceremony, response)).reason is Reason.UNKNOWN_OR_USED


@pytest.mark.case(44)
@pytest.mark.parametrize("ceremony", [None, "", 7, [], {}, "A" * 43, "\ud800"])
async def test_what_names_no_challenge_is_refused(enrolled: Person, ceremony: object) -> None:
    _, response = await begun(enrolled)
    assert (await refusal(enrolled, ceremony, response)).reason is Reason.UNKNOWN_OR_USED


@pytest.mark.case(44)
async def test_a_challenge_of_another_person_is_refused(world: World, enrolled: Person) -> None:
    ben = Person(world, email=BEN)
    await ben.sign_in()
    await ben.enrol()
    ceremony, _ = await begun(ben)
    _, response = await begun(enrolled)
    assert (await refusal(enrolled, ceremony, response)).reason is Reason.WRONG_CEREMONY


@pytest.mark.case(44)
async def test_a_challenge_of_another_session_of_the_same_person_is_refused(enrolled: Person) -> None:
    ceremony, response = await begun(enrolled)
    elsewhere = enrolled.at_another_browser()
    await elsewhere.sign_in()
    assert (await refusal(elsewhere, ceremony, response)).reason is Reason.WRONG_CEREMONY


@pytest.mark.case(44)
async def test_a_challenge_does_not_outlive_the_login_that_began_it(enrolled: Person) -> None:
    ceremony, response = await begun(enrolled)
    await enrolled.prove_code()
    assert (await refusal(enrolled, ceremony, response)).reason is Reason.WRONG_CEREMONY


@pytest.mark.case(44)
@pytest.mark.parametrize(
    ("purpose", "application_id"),
    [(Purpose.DEVICES, "wiki"), (Purpose.APPLICATION, "other"), (Purpose.APPLICATION, "")],
)
async def test_a_challenge_for_another_purpose_or_application_is_refused(
    enrolled: Person, purpose: Purpose, application_id: str
) -> None:
    ceremony, response = await begun(enrolled, application_id="wiki")
    refused = await refusal(enrolled, ceremony, response, purpose=purpose, application_id=application_id)
    assert refused.reason is Reason.WRONG_CEREMONY
    assert await load_window(enrolled.services, await enrolled.login()) is None


@pytest.mark.case(44)
async def test_a_signature_over_another_challenge_is_refused(enrolled: Person) -> None:
    _, response = await begun(enrolled)
    ceremony, _ = await begun(enrolled)
    assert (await refusal(enrolled, ceremony, response)).reason is Reason.WRONG_CHALLENGE


@pytest.mark.case(45)
async def test_of_fifty_parallel_posts_of_one_assertion_one_succeeds(enrolled: Person) -> None:
    ceremony, response = await begun(enrolled)
    posts = (enrolled.answer(ceremony, response) for _ in range(50))
    login = await enrolled.login()
    results = await asyncio.gather(*posts, return_exceptions=True)
    assert len([result for result in results if not isinstance(result, BaseException)]) == 1
    assert len([result for result in results if isinstance(result, Rejected)]) == 49
    assert len(await enrolled.services.sessions.list_logins(login.person_id)) == 1


@pytest.mark.case(48)
@pytest.mark.parametrize("back", [0, 1])
async def test_a_signature_counter_that_does_not_rise_is_refused_and_audited(
    world: World, enrolled: Person, back: int
) -> None:
    for _ in range(3):
        await enrolled.prove()
    (passkey,) = enrolled.key.passkeys.values()
    ceremony, response = await begun(enrolled, lies=Lies(sign_count=passkey.sign_count - back))
    assert (await refusal(enrolled, ceremony, response)).reason is Reason.SIGNATURE_COUNTER
    event = world.durable.events[-1]
    assert (event.action, event.detail["reason"]) == ("webauthn.rejected", Reason.SIGNATURE_COUNTER)


@pytest.mark.case(48)
async def test_an_authenticator_that_never_counts_is_fine(enrolled: Person) -> None:
    enrolled.reader.counts = False
    for _ in range(3):
        await enrolled.prove(Method.BIOMETRICS)


@pytest.mark.case(49)
@pytest.mark.parametrize("lie", ["another person's", "deleted", "of another method", "made up", "wrong user handle"])
async def test_credentials_that_do_not_count_here_fail_in_one_and_the_same_way(
    world: World, enrolled: Person, lie: str
) -> None:
    login = await enrolled.login()
    options, ceremony = await begin_assertion(
        world.services, login, method=Method.SECURITY_KEY, purpose=Purpose.APPLICATION
    )
    ben = Person(world, email=BEN)
    await ben.sign_in()
    await ben.enrol()
    signer = {"another person's": ben.key, "of another method": enrolled.reader}.get(lie, enrolled.key)
    lies = {
        "made up": Lies(credential_id=b"made up"),
        "wrong user handle": Lies(user_handle=b"somebody else"),
    }.get(lie, Lies())
    options["allowCredentials"] = [{"id": b64(credential_id)} for credential_id in signer.passkeys]
    response = signer.authenticate(options, lies)
    if lie == "deleted":
        for one in await world.durable.list_authenticators(login.person_id):
            if one.method is Method.SECURITY_KEY:
                await world.durable.delete_authenticator(login.person_id, one.id)
    refused = await refusal(enrolled, ceremony, response)
    assert type(refused) is ProofRejected
    assert refused.reason in {Reason.UNKNOWN_CREDENTIAL, Reason.USER_HANDLE}
    assert not refused.detail
    assert world.durable.events[-1].action == "webauthn.rejected"


async def test_an_assertion_is_not_begun_without_an_authenticator_of_its_method(world: World, ann: Person) -> None:
    login = await ann.sign_in()
    with pytest.raises(ProofRejected) as refused:
        await begin_assertion(world.services, login, method=Method.SECURITY_KEY, purpose=Purpose.APPLICATION)
    assert refused.value.reason is Reason.UNKNOWN_CREDENTIAL


async def test_the_method_used_last_is_offered_first(world: World, enrolled: Person) -> None:
    for method in (Method.SECURITY_KEY, Method.BIOMETRICS):
        await enrolled.prove(method)
        offered = await offered_methods(world.services, await enrolled.login(), ALL_METHODS)
        assert offered[0] is method
        assert set(offered) == set(ALL_METHODS)
    login = await enrolled.login()
    assert await offered_methods(world.services, login, (Method.TOTP,)) == (Method.TOTP,)
    assert await offered_methods(world.services, login, ()) == ()
