"""What the identity provider's own MFA is worth: RFC 8176's values, their age, and when they count."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from secondgate.errors import Reason
from secondgate.model.amr import (
    AmrIgnored,
    identity_provider_mfa,
    known_auth_time,
    told_amr_values,
    why_amr_is_ignored,
)
from secondgate.model.application import Application, Destination, MfaCheck
from secondgate.model.decision import Allow, Decision, Evidence, Rulebook, Stage, StepUp, decide
from secondgate.model.organization import Method, MfaConfig, MfaOverride, Organization
from secondgate.model.person import Identity, IdentitySource
from secondgate.model.policy import Criteria, Everyone, Policy, PolicyAction, Visitor
from secondgate.model.session import Login, MfaSession

NOW = 1_800_000_000
DAY_S = 24 * 3600
POLICY = Policy("p", "all", PolicyAction.ALLOW, Criteria((Everyone(),)), 1)
WIKI = Application("wiki", "aud", "Wiki", (Destination("wiki.example.com"),), (POLICY,))
KEY_ONLY = replace(WIKI, mfa=MfaOverride((Method.SECURITY_KEY,)))


def login(*amr: str, auth_time: int | None = NOW, at: int = NOW) -> Login:
    identity = Identity("ann@example.com", amr=amr, auth_time=auth_time, source=IdentitySource.HEADERS)
    return Login("login", "ann", "laptop", identity, at, at + DAY_S)


def decided(
    of: Login,
    *,
    amr_s: int | None = DAY_S,
    application: Application = WIKI,
    now: int = NOW,
    began_at: int | None = NOW,
    stage: Stage = Stage.LOGIN,
    own: tuple[MfaSession, ...] = (),
) -> Decision:
    mfa = MfaConfig(tuple(Method), amr_matching_session_duration_s=amr_s)
    rulebook = Rulebook(Organization("Example", mfa, mfa_required_for_all_apps=True))
    visitor = Visitor(ip_address("192.0.2.7"), of.identity)
    evidence = Evidence((*identity_provider_mfa(of), *own), login_began_at=began_at)
    return decide(rulebook, application, visitor, evidence, stage=stage, now=now)


def why(decision: Decision) -> Reason:
    assert isinstance(decision, StepUp)
    return decision.reason


@pytest.mark.case(60)
@pytest.mark.parametrize(
    ("value", "method"),
    [
        ("hwk", Method.SECURITY_KEY),
        ("swk", Method.SECURITY_KEY),
        ("otp", Method.TOTP),
        ("face", Method.BIOMETRICS),
        ("fpt", Method.BIOMETRICS),
        ("iris", Method.BIOMETRICS),
        ("retina", Method.BIOMETRICS),
        ("vbm", Method.BIOMETRICS),
    ],
)
def test_a_value_stands_for_a_method(value: str, method: Method) -> None:
    (proof,) = identity_provider_mfa(login("pwd", value))
    assert (proof.method, proof.at, proof.is_from_identity_provider) == (method, NOW, True)
    decision = decided(login("pwd", value))
    assert isinstance(decision, Allow)
    assert decision.by == proof


@pytest.mark.case(60)
@pytest.mark.parametrize(
    "value", ["pwd", "sms", "tel", "geo", "kba", "sc", "pin", "user", "mca", "rba", "wia", "mfa", "OTP", "", "otp "]
)
def test_every_other_value_says_nothing(value: str) -> None:
    assert identity_provider_mfa(login(value)) == ()
    assert why(decided(login(value))) is Reason.MFA_MISSING


def test_values_for_one_method_are_one_proof() -> None:
    assert len(identity_provider_mfa(login("hwk", "swk", "hwk"))) == 1


@pytest.mark.case(60)
def test_a_key_at_the_provider_is_no_code_here() -> None:
    assert isinstance(decided(login("hwk"), application=KEY_ONLY), Allow)
    assert why(decided(login("otp"), application=KEY_ONLY)) is Reason.MFA_METHOD


def test_it_counts_only_where_matching_is_on() -> None:
    assert why(decided(login("otp"), amr_s=None)) is Reason.MFA_MISSING
    assert why(decided(login("otp"), amr_s=None, stage=Stage.REQUEST)) is Reason.MFA_MISSING


@pytest.mark.case(61)
def test_it_counts_for_its_own_duration_from_the_time_of_the_mfa() -> None:
    early = login("otp", auth_time=NOW - 3600)
    assert isinstance(decided(early, amr_s=3601), Allow)
    assert why(decided(early, amr_s=3600)) is Reason.MFA_AGE


@pytest.mark.case(61)
def test_without_an_auth_time_nobody_knows_how_old_it_is() -> None:
    assert identity_provider_mfa(login("otp", auth_time=None)) == ()
    assert why(decided(login("otp", auth_time=None))) is Reason.MFA_MISSING


@pytest.mark.case(61)
def test_an_auth_time_in_the_future_proves_nothing_and_skew_makes_nothing_younger() -> None:
    assert identity_provider_mfa(login("otp", auth_time=NOW + 61)) == ()
    (proof,) = identity_provider_mfa(login("otp", auth_time=NOW + 60))
    assert proof.at == NOW


@pytest.mark.case(61)
def test_zero_wants_a_fresh_claim_at_every_login() -> None:
    assert isinstance(decided(login("otp"), amr_s=0), Allow)
    assert why(decided(login("otp", auth_time=NOW - 1), amr_s=0)) is Reason.MFA_AGE
    assert why(decided(login("otp"), amr_s=0, began_at=None)) is Reason.MFA_AGE


def test_when_it_is_over_an_mfa_session_of_ours_is_looked_at() -> None:
    stale = login("otp", auth_time=NOW - DAY_S)
    own = MfaSession("ann", "laptop", Method.SECURITY_KEY, "key", NOW - 60)
    decision = decided(stale, amr_s=3600, own=(own,))
    assert isinstance(decision, Allow)
    assert decision.by == own


def test_its_age_is_judged_at_every_request_where_the_application_says_so() -> None:
    strict = replace(WIKI, mfa_check=MfaCheck.EVERY_REQUEST)
    for application, is_let_in in ((WIKI, True), (strict, False)):
        decision = decided(
            login("otp"), amr_s=3600, application=application, now=NOW + 3600, began_at=None, stage=Stage.REQUEST
        )
        assert isinstance(decision, Allow) is is_let_in


@pytest.mark.parametrize(("age_s", "is_let_in"), [(0, True), (DAY_S - 1, True), (DAY_S, False)])
def test_where_it_is_good_for_one_login_requests_judge_its_age_as_that_of_an_mfa_made_here(
    age_s: int, *, is_let_in: bool
) -> None:
    strict = replace(WIKI, mfa_check=MfaCheck.EVERY_REQUEST)
    decision = decided(login("otp"), amr_s=0, application=strict, now=NOW + age_s, began_at=None, stage=Stage.REQUEST)
    assert isinstance(decision, Allow) is is_let_in


def test_an_application_is_told_of_the_providers_proofs_only_those_that_were_accepted() -> None:
    identity = login("pwd", "otp", "hwk", "mfa", "sms").identity
    at_provider = MfaSession("ann", "laptop", Method.SECURITY_KEY, "", NOW)
    own = MfaSession("ann", "laptop", Method.TOTP, "app", NOW)
    assert told_amr_values(identity, ()) == ["pwd", "sms"]
    assert told_amr_values(identity, (at_provider,)) == ["pwd", "hwk", "mfa", "sms"]
    assert told_amr_values(identity, (own, own)) == ["pwd", "sms", "otp", "mfa"]
    assert told_amr_values(identity, (at_provider, own)) == ["pwd", "hwk", "mfa", "sms", "otp"]


def test_with_matching_off_a_proof_of_ours_counts_and_the_providers_does_not() -> None:
    own = MfaSession("ann", "laptop", Method.TOTP, "app", NOW - 60)
    decision = decided(login("hwk"), amr_s=None, own=(own,))
    assert isinstance(decision, Allow)
    assert decision.by == own
    assert why(decided(login("hwk"), amr_s=None, own=(own,), application=KEY_ONLY)) is Reason.MFA_METHOD


@pytest.mark.case(60, 61)
@pytest.mark.parametrize(
    ("of", "reason"),
    [
        (login("hwk"), None),
        (login("pwd", "hwk", auth_time=NOW + 60), None),
        (login("hwk", auth_time=NOW + 61), AmrIgnored.IN_FUTURE),
        (login("hwk", auth_time=None), AmrIgnored.NO_AUTH_TIME),
        (login("pwd", "mfa"), AmrIgnored.NO_METHOD),
        (login(auth_time=None), AmrIgnored.NO_METHOD),
    ],
)
def test_what_is_not_taken_has_one_reason(of: Login, reason: AmrIgnored | None) -> None:
    assert why_amr_is_ignored(of) is reason
    assert bool(identity_provider_mfa(of)) is (reason is None)


@pytest.mark.case(61)
@pytest.mark.parametrize(
    ("auth_time", "demanded_at", "known"),
    [
        (None, None, None),
        (NOW - 5, None, NOW - 5),
        (NOW + 5, NOW, NOW + 5),
        (NOW, NOW, NOW),
        (NOW - 1, NOW, NOW),
        (NOW - 60, NOW, NOW),
        (NOW - 61, NOW, NOW - 61),
        (0, NOW, 0),
    ],
)
def test_a_login_that_was_demanded_anew_is_dated_from_then_and_an_old_one_stays_old(
    auth_time: int | None, demanded_at: int | None, known: int | None
) -> None:
    for is_trusted in (False, True):
        assert known_auth_time(auth_time, demanded_at=demanded_at, is_trusted=is_trusted) == known


@pytest.mark.case(61)
def test_a_login_without_a_date_counts_from_its_demand_only_where_the_operator_trusts_the_provider_in_that() -> None:
    assert known_auth_time(None, demanded_at=NOW, is_trusted=True) == NOW
    assert known_auth_time(None, demanded_at=NOW, is_trusted=False) is None
    assert known_auth_time(None, demanded_at=None, is_trusted=True) is None
