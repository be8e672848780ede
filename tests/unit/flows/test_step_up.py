"""How old an MFA may be and by which method: at login, at each request, and for applications that share a host."""

from __future__ import annotations

from dataclasses import replace

import pytest

from secondgate.errors import Reason, Rejected
from secondgate.flows.application_session import load_application_session
from secondgate.model.application import MfaCheck
from secondgate.model.decision import Allow, Refuse, SignIn, StepUp
from secondgate.model.organization import Method, MfaOverride
from secondgate.model.policy import Criteria, Email
from tests.unit.flows.world import BEN, STAFF_POLICY, Person, World, application, claims_of, key_only, why

WIKI = "wiki.example.com"


@pytest.mark.case(26)
async def test_a_session_by_app_at_an_application_for_security_keys_is_challenged(
    world: World, enrolled: Person
) -> None:
    vault = application("vault", "vault.example.com", mfa=key_only())
    world.applications = (*world.applications, vault)
    await enrolled.prove_code()
    await enrolled.prove(Method.BIOMETRICS)
    decision = await enrolled.decide(enrolled.ask(vault, "nonce"))
    assert isinstance(decision, StepUp)
    assert decision.requirement.methods == (Method.SECURITY_KEY,)
    await enrolled.prove(Method.SECURITY_KEY)
    await enrolled.enter(vault)
    assert isinstance(await enrolled.visit(vault), Allow)


@pytest.mark.case(27)
@pytest.mark.parametrize(("age_s", "asked"), [(29 * 60 + 59, False), (30 * 60, True)])
async def test_an_mfa_of_thirty_minutes_counts_until_the_last_second(
    world: World, ready: Person, age_s: int, *, asked: bool
) -> None:
    world.now += age_s
    decision = await ready.decide(ready.ask(world.applications[0], "nonce"))
    assert isinstance(decision, StepUp) is asked
    if asked:
        assert why(decision) is Reason.MFA_AGE
        world.now += 30
        await ready.prove_code()
    await ready.enter()


@pytest.mark.case(27)
async def test_no_minutes_ask_at_every_login(world: World, ready: Person) -> None:
    world.set_mfa(max_age_s=0)
    world.now += 30
    first = ready.ask(world.applications[0], "first")
    assert why(await ready.decide(first)) is Reason.MFA_AGE
    world.now += 1
    await ready.prove_code()
    await ready.redeem(await ready.hand_over(first), WIKI, "first")
    world.now += 1
    second = ready.ask(world.applications[0], "second")
    assert why(await ready.decide(second)) is Reason.MFA_AGE
    with pytest.raises(Rejected):
        await ready.hand_over(first)
    world.now += 3600
    assert isinstance(await ready.visit(), Allow), "between logins nothing is asked"


@pytest.mark.case(27)
async def test_a_shortened_duration_counts_at_the_next_login(world: World, ready: Person) -> None:
    world.now += 600
    assert isinstance(await ready.decide(ready.ask(world.applications[0], "nonce")), Allow)
    world.set_mfa(max_age_s=600)
    assert why(await ready.decide(ready.ask(world.applications[0], "nonce"))) is Reason.MFA_AGE


@pytest.mark.case(27)
@pytest.mark.parametrize("check", list(MfaCheck))
async def test_the_age_is_judged_at_each_request_where_the_application_says_so(
    world: World, ready: Person, check: MfaCheck
) -> None:
    world.applications = (application(mfa_check=check),)
    await ready.enter()
    world.now += 29 * 60 + 59
    assert isinstance(await ready.visit(), Allow)
    world.now += 1
    decision = await ready.visit()
    if check is MfaCheck.LOGIN:
        assert isinstance(decision, Allow)
        world.set_mfa(max_age_s=60)
        assert isinstance(await ready.visit(), Allow)
    else:
        assert why(decision) is Reason.MFA_AGE


@pytest.mark.case(27)
async def test_a_shortened_policy_counts_at_the_next_request_where_the_age_is_judged_there(
    world: World, ready: Person
) -> None:
    world.applications = (application(mfa_check=MfaCheck.EVERY_REQUEST),)
    await ready.enter()
    world.now += 60
    assert isinstance(await ready.visit(), Allow)
    short = replace(STAFF_POLICY, mfa=MfaOverride(session_duration_s=60))
    world.applications = (application(mfa_check=MfaCheck.EVERY_REQUEST, policies=(short,)),)
    assert why(await ready.visit()) is Reason.MFA_AGE


@pytest.mark.case(27)
async def test_a_session_lasts_as_long_as_its_policy_says(world: World, ready: Person) -> None:
    world.applications = (application(policies=(replace(STAFF_POLICY, session_duration_s=600),)),)
    handed = await ready.enter()
    assert handed.max_age_s == 600
    world.now += 599
    assert isinstance(await ready.visit(), Allow)
    world.now += 1
    assert await ready.session() is None


async def test_methods_are_judged_at_each_request_by_the_settings_of_today(world: World, ready: Person) -> None:
    await ready.enter()
    assert isinstance(await ready.visit(), Allow)
    world.set_mfa(Method.SECURITY_KEY)
    assert why(await ready.visit()) is Reason.MFA_METHOD
    world.set_mfa()
    world.applications = (application(mfa=key_only()),)
    assert why(await ready.visit()) is Reason.MFA_METHOD
    world.applications = (application(),)
    assert isinstance(await ready.visit(), Allow)


async def test_policies_are_judged_at_each_request_by_the_settings_of_today(world: World, ready: Person) -> None:
    await ready.enter()
    only_ben = replace(STAFF_POLICY, criteria=Criteria((Email(BEN),)))
    world.applications = (application(policies=(only_ben,)),)
    decision = await ready.visit()
    assert isinstance(decision, Refuse)
    assert decision.reason is Reason.NO_POLICY_MATCHED


async def test_a_proof_after_the_login_does_not_count_for_a_session_made_before_it(
    world: World, enrolled: Person
) -> None:
    await enrolled.prove_code()
    await enrolled.enter()
    world.applications = (application(mfa=key_only()),)
    await enrolled.prove()
    assert why(await enrolled.visit()) is Reason.MFA_METHOD
    await enrolled.enter()
    assert isinstance(await enrolled.visit(), Allow)


@pytest.fixture
def by_path(world: World) -> World:
    """One host where `/` takes any method, `/admin` security keys alone and `/vault` an MFA at each login."""
    world.applications = (
        application("wiki", WIKI),
        application("admin", f"{WIKI}/admin", mfa=key_only()),
        application("vault", f"{WIKI}/vault", mfa=MfaOverride(session_duration_s=0)),
        application("notes", f"{WIKI}/notes"),
        application("secret", f"{WIKI}/secret", policies=(replace(STAFF_POLICY, criteria=Criteria((Email(BEN),))),)),
    )
    return world


async def granted(person: Person) -> set[str]:
    session = await person.session()
    return {grant.application_id for grant in session.grants} if session else set()


async def test_one_login_grants_what_asks_nothing_more_at_the_same_host(by_path: World, ready: Person) -> None:
    await ready.enter(by_path.applications[0])
    assert await granted(ready) == {"wiki", "notes"}
    for place in by_path.applications:
        assert isinstance(await ready.visit(place), Allow) is (place.id in {"wiki", "notes"})


async def test_each_grant_has_an_assertion_for_its_own_upstream(by_path: World, ready: Person) -> None:
    await ready.enter(by_path.applications[0])
    session = await ready.session()
    assert session is not None
    assert {tuple(claims_of(grant.assertion)["aud"]) for grant in session.grants} == {("aud-wiki",), ("aud-notes",)}


async def test_stepping_up_keeps_the_grants_of_the_host_under_a_new_cookie(by_path: World, enrolled: Person) -> None:
    wiki, admin, vault, notes, _ = by_path.applications
    await enrolled.prove_code()
    await enrolled.enter(wiki)
    old = enrolled.cookies[WIKI]
    assert isinstance(await enrolled.decide(enrolled.ask(admin, "nonce")), StepUp)
    await enrolled.prove()
    await enrolled.enter(admin)
    assert await granted(enrolled) == {"wiki", "notes", "admin"}
    assert await load_application_session(by_path.services, token=old, host=WIKI) is None
    by_path.now += 1
    request = enrolled.ask(vault, "nonce")
    assert why(await enrolled.decide(request)) is Reason.MFA_AGE
    await enrolled.prove()
    await enrolled.redeem(await enrolled.hand_over(request), WIKI, "nonce")
    for place in (wiki, admin, vault, notes):
        assert isinstance(await enrolled.visit(place), Allow)


async def test_a_grant_ends_by_itself_while_others_of_the_host_go_on(by_path: World, ready: Person) -> None:
    wiki, _, _, notes, _ = by_path.applications
    await ready.enter(wiki)
    by_path.applications = (*by_path.applications[:3], replace(notes, session_duration_s=60), by_path.applications[4])
    ready.cookies.clear()
    await ready.enter(wiki)
    by_path.now += 60
    assert isinstance(await ready.visit(wiki), Allow)
    assert isinstance(await ready.visit(notes), SignIn)
    by_path.applications = by_path.applications[:3]
    await ready.enter(wiki)
    assert await granted(ready) == {"wiki"}


async def test_another_person_in_the_browser_inherits_no_grant(by_path: World, ready: Person) -> None:
    wiki, _, vault, *_ = by_path.applications
    request = ready.ask(vault, "nonce")
    by_path.now += 30
    await ready.prove_code()
    await ready.redeem(await ready.hand_over(request), WIKI, "nonce")
    assert await granted(ready) == {"wiki", "notes", "vault"}
    old = ready.cookies[WIKI]
    ready.email = BEN
    await ready.sign_in()
    await ready.enrol()
    await ready.enter(wiki)
    assert await granted(ready) == {"wiki", "admin", "notes", "secret"}
    session = await ready.session()
    assert session is not None
    assert {mfa.person_id for grant in session.grants for mfa in grant.mfa} == {session.person_id}
    assert await load_application_session(by_path.services, token=old, host=WIKI) is None


async def test_an_mfa_in_one_browser_does_not_count_in_another(world: World, ready: Person) -> None:
    elsewhere = ready.at_another_browser()
    await elsewhere.sign_in()
    assert why(await elsewhere.decide(elsewhere.ask(world.applications[0], "nonce"))) is Reason.MFA_MISSING
    await ready.sign_in()
    await ready.enter()
