"""An explanation says what the gate would do, and lays open why."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from secondgate.errors import Reason
from secondgate.model.access import Access
from secondgate.model.application import Application, Destination
from secondgate.model.decision import Allow, Refuse, Rulebook, SignIn, StepUp
from secondgate.model.explanation import Explanation, NoMfa, Outcome, Prospect, explain, newest_browser, prospect
from secondgate.model.organization import Level, Method, MfaConfig, MfaOverride, Organization
from secondgate.model.person import Identity
from secondgate.model.policy import (
    Criteria,
    Email,
    EmailDomain,
    Everyone,
    ExternalEvaluation,
    Ip,
    Policy,
    PolicyAction,
    Rule,
    Visitor,
)
from secondgate.model.session import MfaSession

NOW = 1_800_000_000
ANN = Visitor(ip_address("192.0.2.7"), Identity("ann@example.com"))
EVERYONE = Criteria((Everyone(),))
OUTSIDE = ExternalEvaluation("https://e.example.com/e", "https://e.example.com/k")
KEY_ONLY = MfaOverride(allowed_authenticators=(Method.SECURITY_KEY,))
ORGANIZATION = Organization(
    "Example", MfaConfig((Method.TOTP, Method.SECURITY_KEY), 1800), mfa_required_for_all_apps=True
)


def a_policy(name: str, precedence: int, criteria: Criteria = EVERYONE, *, mfa: MfaOverride | None = None) -> Policy:
    return Policy(name, name, PolicyAction.ALLOW, criteria, precedence, mfa=mfa)


def an_application(*policies: Policy, path: str = "", mfa: MfaOverride | None = None) -> Application:
    return Application(f"a{path}", "aud", f"Wiki{path}", (Destination("wiki.example.com", path),), policies, mfa=mfa)


def explained(
    *applications: Application,
    path: str = "/",
    mfa: tuple[MfaSession, ...] = (),
    organization: Organization = ORGANIZATION,
    visitor: Visitor = ANN,
    host: str = "wiki.example.com",
) -> Explanation:
    access = Access("1", Rulebook(organization), applications, ())
    return explain(access, host=host, path=path, visitor=visitor, mfa=mfa, now=NOW)


def proof(device: str, age_s: int, method: Method = Method.TOTP) -> MfaSession:
    return MfaSession("person", device, method, "authenticator", NOW - age_s)


def test_no_application_decides_nothing() -> None:
    assert explained(an_application(a_policy("all", 1)), host="other.example.com") == Explanation(None)


@pytest.mark.parametrize(
    ("rules", "visitor", "expected"),
    [
        ((Email("ann@example.com"),), ANN, Prospect.APPROVED),
        ((Email("ben@example.com"),), ANN, Prospect.BLOCKED),
        ((OUTSIDE,), ANN, Prospect.UNKNOWN),
        ((OUTSIDE, EmailDomain("example.com")), ANN, Prospect.APPROVED),
        ((Everyone(),), Visitor(ANN.address), Prospect.APPROVED),
    ],
)
def test_what_somebody_can_hope_for_is_unknown_only_where_an_evaluation_decides(
    rules: tuple[Rule, ...], visitor: Visitor, expected: Prospect
) -> None:
    application = an_application(a_policy("p", 1, Criteria(rules)))
    access = Access("1", Rulebook(ORGANIZATION), (application,), ())
    assert prospect(access, application, visitor, now=NOW) is expected


def test_a_path_of_two_readings_is_said_to_be_ambiguous() -> None:
    applications = (an_application(a_policy("all", 1)), an_application(a_policy("all", 1), path="/admin"))
    assert explained(*applications, path="/%61dmin") == Explanation(None, is_ambiguous=True)


def test_policies_stand_in_the_order_of_judgement_and_the_first_that_matches_decides() -> None:
    bypass = replace(a_policy("office", 9, Criteria((Ip(ip_network("10.0.0.0/8")),))), action=PolicyAction.BYPASS)
    staff = a_policy("staff", 1, Criteria((Email("root@example.com"),)))
    found = explained(an_application(a_policy("all", 2), staff, bypass, a_policy("last", 3)))
    assert [(one.policy.name, one.outcome, one.decides) for one in found.policies] == [
        ("office", Outcome.NOT_INCLUDED, False),
        ("staff", Outcome.NOT_INCLUDED, False),
        ("all", Outcome.MATCHED, True),
        ("last", Outcome.MATCHED, False),
    ]
    assert found.is_about_addresses


@pytest.mark.parametrize(
    ("require", "exclude", "outcome"),
    [
        ((EmailDomain("other.example"),), (), Outcome.REQUIRED_MISSING),
        ((), (Email("ann@example.com"),), Outcome.EXCLUDED),
        ((EmailDomain("example.com"),), (Email("bob@example.com"),), Outcome.MATCHED),
    ],
)
def test_what_kept_a_policy_from_matching_is_named(
    require: tuple[Rule, ...], exclude: tuple[Rule, ...], outcome: Outcome
) -> None:
    found = explained(an_application(a_policy("all", 1, Criteria((Everyone(),), exclude, require))))
    assert found.policies[0].outcome is outcome
    assert not found.is_about_addresses


def test_each_mfa_setting_says_where_it_comes_from() -> None:
    application = an_application(a_policy("all", 1, mfa=MfaOverride(session_duration_s=0)), mfa=KEY_ONLY)
    requirement = explained(application).requirement
    assert requirement is not None
    assert requirement.methods == (Method.SECURITY_KEY,)
    assert (requirement.required_from, requirement.methods_from, requirement.max_age_from) == (
        Level.POLICY,
        Level.APPLICATION,
        Level.POLICY,
    )


@pytest.mark.parametrize(
    ("organization", "application", "policy", "why"),
    [
        (replace(ORGANIZATION, mfa=MfaConfig(())), None, None, NoMfa.OFF),
        (ORGANIZATION, KEY_ONLY, MfaOverride(mfa_disabled=True), NoMfa.DISABLED_BY_POLICY),
        (ORGANIZATION, MfaOverride(mfa_disabled=True), None, NoMfa.DISABLED_BY_APPLICATION),
        (replace(ORGANIZATION, mfa_required_for_all_apps=False), None, None, NoMfa.NOT_REQUIRED),
    ],
)
def test_it_is_said_why_no_mfa_is_asked_for(
    organization: Organization, application: MfaOverride | None, policy: MfaOverride | None, why: NoMfa
) -> None:
    found = explained(an_application(a_policy("all", 1, mfa=policy), mfa=application), organization=organization)
    assert found.requirement is None
    assert found.no_mfa is why
    assert isinstance(found.without_mfa, Allow)


def test_a_bypass_lets_even_somebody_unknown_through() -> None:
    found = explained(an_application(replace(a_policy("all", 1), action=PolicyAction.BYPASS)))
    assert found.no_mfa is NoMfa.BYPASS
    assert isinstance(found.unknown, Allow)


def test_a_refusal_has_neither_a_requirement_nor_a_reason_for_none() -> None:
    found = explained(an_application(replace(a_policy("all", 1), action=PolicyAction.DENY)))
    assert (found.requirement, found.no_mfa) == (None, None)
    assert found.without_mfa == Refuse(Reason.POLICY_DENIED, found.policies[0].policy)
    assert explained(an_application(a_policy("bob", 1, Criteria((Email("bob@example.com"),))))).without_mfa == Refuse(
        Reason.NO_POLICY_MATCHED
    )


def test_the_decisions_are_those_without_mfa_and_with_that_of_the_newest_browser() -> None:
    found = explained(an_application(a_policy("all", 1)), mfa=(proof("old", 60), proof("new", 30), proof("new", 90)))
    assert found.newest == (proof("new", 30), proof("new", 90))
    assert isinstance(found.unknown, SignIn)
    assert isinstance(found.without_mfa, StepUp)
    assert isinstance(found.with_newest, Allow)
    assert found.with_newest.by == proof("new", 30)


def test_an_mfa_that_is_too_old_or_of_another_method_asks_again() -> None:
    old = explained(an_application(a_policy("all", 1)), mfa=(proof("new", 1800),))
    other = explained(an_application(a_policy("all", 1), mfa=KEY_ONLY), mfa=(proof("new", 5),))
    assert isinstance(old.with_newest, StepUp)
    assert old.with_newest.reason is Reason.MFA_AGE
    assert isinstance(other.with_newest, StepUp)
    assert other.with_newest.reason is Reason.MFA_METHOD


def test_without_mfa_sessions_there_is_no_newest_browser() -> None:
    assert newest_browser(()) == ()
    assert explained(an_application(a_policy("all", 1))).with_newest is None
