"""The decision: who may reach an application, and what is still asked of them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secondgate.errors import Reason
from secondgate.model.application import Application, Destination, MfaCheck
from secondgate.model.decision import (
    Allow,
    Decision,
    Evidence,
    Refuse,
    Rulebook,
    SignIn,
    Stage,
    StepUp,
    decide,
    mfa_young_enough,
)
from secondgate.model.organization import Method, MfaConfig, MfaOverride, Organization, effective_mfa
from secondgate.model.person import Identity
from secondgate.model.policy import (
    Criteria,
    Email,
    EmailDomain,
    Everyone,
    Ip,
    OneServiceToken,
    Policy,
    PolicyAction,
    Visitor,
    is_match,
)
from secondgate.model.service_token import ServiceToken
from secondgate.model.session import MfaSession

NOW = 1_800_000_000
HERE = ip_address("192.0.2.7")
ANN = Visitor(HERE, Identity("ann@example.com", identity_provider_id="idp"))
STRANGER = Visitor(HERE)
METHODS = (Method.TOTP, Method.SECURITY_KEY)


EVERYONE = Criteria((Everyone(),))


def a_policy(
    action: PolicyAction = PolicyAction.ALLOW,
    *,
    precedence: int = 1,
    criteria: Criteria = EVERYONE,
    mfa: MfaOverride | None = None,
) -> Policy:
    return Policy(f"p{precedence}", "p", action, criteria, precedence, mfa=mfa)


def an_application(
    *policies: Policy,
    mfa: MfaOverride | None = None,
    mfa_check: MfaCheck = MfaCheck.LOGIN,
    allowed_idps: tuple[str, ...] = (),
) -> Application:
    places = (Destination("wiki.example.com"),)
    return Application("a", "aud", "Wiki", places, policies, mfa=mfa, mfa_check=mfa_check, allowed_idps=allowed_idps)


def rules(max_age_s: int = 1800, methods: tuple[Method, ...] = METHODS, *, required: bool = True) -> Rulebook:
    return Rulebook(Organization("Example", MfaConfig(methods, max_age_s), mfa_required_for_all_apps=required))


def proof(method: Method = Method.TOTP, age_s: int = 0) -> MfaSession:
    return MfaSession("person", "device", method, "authenticator", NOW - age_s)


def decided(
    application: Application,
    visitor: Visitor = ANN,
    *sessions: MfaSession,
    rulebook: Rulebook | None = None,
    stage: Stage = Stage.LOGIN,
    began_at: int | None = None,
) -> Decision:
    evidence = Evidence(sessions, began_at)
    return decide(rulebook or rules(), application, visitor, evidence, stage=stage, now=NOW)


def test_a_stranger_is_asked_to_sign_in() -> None:
    assert decided(an_application(a_policy()), STRANGER) == SignIn(Reason.NO_SESSION)


def test_without_policies_everybody_is_refused() -> None:
    for visitor in (ANN, STRANGER):
        assert decided(an_application(), visitor) == Refuse(Reason.NO_POLICY_MATCHED)


def test_nothing_matching_is_a_refusal() -> None:
    policy = a_policy(criteria=Criteria((Email("bob@example.com"),)))
    assert decided(an_application(policy)) == Refuse(Reason.NO_POLICY_MATCHED)


def test_bypass_comes_first_and_looks_at_nobody() -> None:
    bypass = a_policy(PolicyAction.BYPASS, precedence=9, criteria=Criteria((Ip(ip_network("192.0.2.0/24")),)))
    application = an_application(a_policy(PolicyAction.DENY, precedence=1), bypass)
    for visitor in (ANN, STRANGER):
        decision = decided(application, visitor)
        assert decision == Allow(bypass)
        assert isinstance(decision, Allow)
        assert decision.is_of_nobody
    elsewhere = Visitor(ip_address("198.51.100.1"))
    assert decided(application, elsewhere) == SignIn(Reason.NO_SESSION)
    assert decided(application, replace(ANN, address=elsewhere.address)) == Refuse(
        Reason.POLICY_DENIED, application.policies[-1]
    )


SERVICE_AUTH = a_policy(PolicyAction.SERVICE_AUTH, precedence=5, criteria=Criteria((OneServiceToken("CI"),)))
CI, OTHER = (
    Visitor(HERE, service_token=ServiceToken(name, name, name, "0" * 64, 0), presents_service_token=True)
    for name in ("CI", "other")
)
WRONG = Visitor(HERE, presents_service_token=True)


def test_a_machine_passes_by_its_token_before_anybody_is_asked_to_log_in() -> None:
    application = an_application(a_policy(), SERVICE_AUTH)
    decision = decided(application, CI)
    assert decision == Allow(SERVICE_AUTH)
    assert isinstance(decision, Allow)
    assert decision.is_of_nobody
    assert decided(application, STRANGER) == SignIn(Reason.NO_SESSION)


def test_a_machine_that_proves_nothing_is_never_sent_to_a_login_page() -> None:
    for application in (an_application(a_policy(), SERVICE_AUTH), an_application(SERVICE_AUTH)):
        assert decided(application, WRONG) == SignIn(Reason.SERVICE_TOKEN, is_machine=True)
        assert decided(application, OTHER) == Refuse(Reason.NO_POLICY_MATCHED)
    assert decided(an_application(SERVICE_AUTH), STRANGER) == SignIn(Reason.NO_SESSION, is_machine=True)
    answers_401 = replace(an_application(a_policy(), SERVICE_AUTH), service_auth_401_redirect=True)
    assert decided(answers_401, STRANGER) == SignIn(Reason.NO_SESSION, is_machine=True)


def test_a_persons_policy_asks_for_a_person_whatever_token_comes_along() -> None:
    application = an_application(a_policy())
    assert decided(application, CI) == Refuse(Reason.NO_POLICY_MATCHED)
    assert isinstance(decided(application, replace(CI, identity=ANN.identity)), StepUp)
    assert decided(an_application(SERVICE_AUTH), ANN) == Refuse(Reason.NO_POLICY_MATCHED)


def test_a_stranger_whom_no_bypass_lets_through_is_refused_where_there_is_nothing_else() -> None:
    bypass = a_policy(PolicyAction.BYPASS, criteria=Criteria((Ip(ip_network("198.51.100.0/24")),)))
    assert decided(an_application(bypass), STRANGER) == Refuse(Reason.NO_POLICY_MATCHED)


def test_policies_are_judged_by_precedence_whatever_their_order() -> None:
    deny, allow = a_policy(PolicyAction.DENY, precedence=2), a_policy(precedence=1)
    for policies in ((deny, allow), (allow, deny)):
        assert [p.precedence for p in an_application(*policies).policies] == [1, 2]
        assert isinstance(decided(an_application(*policies), ANN, proof()), Allow)


def test_only_the_named_identity_providers_open_an_application() -> None:
    policy = a_policy()
    assert decided(an_application(policy, allowed_idps=("other",)), ANN, proof()) == Refuse(
        Reason.IDENTITY_PROVIDER_NOT_ALLOWED, policy
    )
    assert isinstance(decided(an_application(policy, allowed_idps=("other", "idp")), ANN, proof()), Allow)


def test_without_a_requirement_no_mfa_is_asked() -> None:
    policy = a_policy()
    assert decided(an_application(policy), rulebook=rules(required=False)) == Allow(policy)
    exempt = a_policy(mfa=MfaOverride(mfa_disabled=True))
    decision = decided(an_application(exempt))
    assert decision == Allow(exempt)
    assert isinstance(decision, Allow)
    assert not decision.is_of_nobody


def test_missing_wrong_and_old_mfa_are_told_apart() -> None:
    application = an_application(a_policy())
    cases = {
        (): Reason.MFA_MISSING,
        (proof(Method.BIOMETRICS),): Reason.MFA_METHOD,
        (proof(age_s=1800),): Reason.MFA_AGE,
    }
    for sessions, reason in cases.items():
        decision = decided(application, ANN, *sessions)
        assert isinstance(decision, StepUp)
        assert decision.reason is reason


@pytest.mark.case(26)
def test_a_totp_session_does_not_open_a_security_key_application() -> None:
    application = an_application(a_policy(), mfa=MfaOverride((Method.SECURITY_KEY,)))
    for stage in Stage:
        decision = decided(application, ANN, proof(Method.TOTP), stage=stage)
        assert isinstance(decision, StepUp)
        assert decision.requirement.methods == (Method.SECURITY_KEY,)


def test_a_requirement_without_methods_is_never_met() -> None:
    application = an_application(a_policy(), mfa=MfaOverride((Method.BIOMETRICS,)))
    assert isinstance(decided(application, ANN, proof(Method.BIOMETRICS), proof()), StepUp)


@pytest.mark.case(27)
def test_an_mfa_is_good_until_its_last_second() -> None:
    application = an_application(a_policy())
    assert isinstance(decided(application, ANN, proof(age_s=1799)), Allow)
    assert isinstance(decided(application, ANN, proof(age_s=1800)), StepUp)


@pytest.mark.case(27)
def test_a_zero_duration_asks_at_every_login() -> None:
    application, rulebook = an_application(a_policy()), rules(0)
    old, fresh = proof(age_s=1), proof()
    for began_at, session, expected in ((NOW, old, StepUp), (NOW, fresh, Allow), (None, fresh, StepUp)):
        decision = decided(application, ANN, session, rulebook=rulebook, began_at=began_at)
        assert isinstance(decision, expected)


@pytest.mark.case(27)
def test_a_shortened_policy_counts_at_the_next_login() -> None:
    application = an_application(a_policy())
    assert isinstance(decided(application, ANN, proof(age_s=600)), Allow)
    assert isinstance(decided(application, ANN, proof(age_s=600), rulebook=rules(300)), StepUp)


def test_age_is_judged_at_login_and_at_every_request_only_where_the_application_says_so() -> None:
    old = proof(age_s=99_999)
    relaxed = an_application(a_policy())
    strict = an_application(a_policy(), mfa_check=MfaCheck.EVERY_REQUEST)
    assert isinstance(decided(relaxed, ANN, old, stage=Stage.REQUEST), Allow)
    assert isinstance(decided(strict, ANN, old, stage=Stage.REQUEST), StepUp)
    assert isinstance(decided(strict, ANN, old, stage=Stage.REQUEST, rulebook=rules(0)), Allow)


def test_the_latest_mfa_that_counts_is_named() -> None:
    decision = decided(an_application(a_policy()), ANN, proof(age_s=9), proof(Method.SECURITY_KEY, 3), proof(age_s=5))
    assert isinstance(decision, Allow)
    assert decision.by == proof(Method.SECURITY_KEY, 3)


overrides = st.none() | st.builds(
    MfaOverride,
    allowed_authenticators=st.none() | st.lists(st.sampled_from(Method), unique=True).map(tuple),
    session_duration_s=st.none() | st.sampled_from([0, 60, 1800]),
    mfa_disabled=st.booleans(),
)
criteria = st.builds(
    Criteria,
    *[
        st.lists(
            st.sampled_from(
                [Everyone(), Email("ann@example.com"), EmailDomain("no.test"), Ip(ip_network("10.0.0.0/8"))]
            ),
            max_size=2,
        ).map(tuple)
    ]
    * 3,
)
policies = st.builds(
    Policy,
    id=st.just("p"),
    name=st.just("p"),
    action=st.sampled_from(PolicyAction),
    criteria=criteria,
    precedence=st.integers(1, 3),
    mfa=overrides,
)
applications = st.builds(
    an_application,
    st.just(a_policy(PolicyAction.DENY, precedence=9, criteria=Criteria((Email("x@y"),)))),
    mfa=overrides,
    mfa_check=st.sampled_from(MfaCheck),
    allowed_idps=st.sampled_from([(), ("idp",), ("other",)]),
).flatmap(lambda a: st.lists(policies, max_size=3).map(lambda more: replace(a, policies=(*a.policies, *more))))
sessions = st.lists(
    st.builds(proof, st.sampled_from(Method), st.sampled_from([0, 59, 60, 1799, 1800])), max_size=3
).map(tuple)


evidences = st.builds(Evidence, mfa=sessions, login_began_at=st.sampled_from([None, NOW - 60, NOW]))
rulebooks = st.builds(rules, methods=st.lists(st.sampled_from(Method), unique=True).map(tuple), required=st.booleans())
visitors = st.sampled_from([ANN, STRANGER, Visitor(ip_address("10.1.1.1"), ANN.identity)])


@settings(deadline=None)
@given(
    rulebook=rulebooks,
    application=applications,
    visitor=visitors,
    evidence=evidences,
    stage=st.sampled_from(Stage),
)
def test_whoever_is_let_through_was_matched_and_proved_all_that_is_required(
    rulebook: Rulebook, application: Application, visitor: Visitor, evidence: Evidence, *, stage: Stage
) -> None:
    decision = decide(rulebook, application, visitor, evidence, stage=stage, now=NOW)
    if not isinstance(decision, Allow):
        return
    policy = decision.policy
    assert is_match(policy.criteria, visitor, {})
    if decision.is_of_nobody:
        return
    assert visitor.identity is not None
    assert policy.action is PolicyAction.ALLOW
    assert not any(
        other.action is PolicyAction.DENY
        and other.precedence < policy.precedence
        and is_match(other.criteria, visitor, {})
        for other in application.policies
    )
    assert application.allowed_idps in {(), ("idp",)}
    requirement = effective_mfa(rulebook.organization, application.mfa, policy.mfa)
    assert decision.requirement == requirement
    if requirement is None:
        return
    assert decision.by in evidence.mfa
    assert decision.by is not None
    assert decision.by.method in requirement.methods
    assert decision.by.method in rulebook.organization.mfa.allowed_authenticators
    if stage is Stage.LOGIN:
        assert decision.by in mfa_young_enough(requirement, evidence, now=NOW)
