"""Who matches a policy's rules."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secondgate.model.network_set import NetworkSet
from secondgate.model.person import Identity
from secondgate.model.policy import (
    AnyServiceToken,
    AuthMethod,
    Criteria,
    Email,
    EmailDomain,
    EmailList,
    Everyone,
    ExternalEvaluation,
    Group,
    IdentityRule,
    InGroup,
    Ip,
    IpList,
    LoginMethod,
    OidcClaim,
    OneServiceToken,
    Preflight,
    Rule,
    Visitor,
    is_match,
    is_rule_match,
    rules_in,
)
from secondgate.model.service_token import ServiceToken

HERE = ip_address("192.0.2.7")
ANN = Identity(
    "ann@example.com",
    amr=("pwd", "otp"),
    identity_provider_id="idp",
    claims=(("dept", ("ops", "red")), ("paid", ("true",))),
)
MACHINE = Visitor(HERE, service_token=ServiceToken("t-1", "CI", "ci.access", "0" * 64, 0))
EVALUATION = ExternalEvaluation("https://policy.example/evaluate", "https://policy.example/keys")
STAFF = Group("staff", "Staff", Criteria(include=(EmailDomain("example.com"),)))
OFFICE = Group("office", "Office", Criteria(include=(Ip(ip_network("192.0.2.0/24")),)))
NESTED = Group("nested", "Nested", Criteria(include=(InGroup("staff"),), require=(InGroup("office"),)))
GROUPS = {group.id: group for group in (STAFF, OFFICE, NESTED)}

MATCHING: list[Rule] = [
    Everyone(),
    Email("ann@example.com"),
    EmailDomain("example.com"),
    EmailList("l", frozenset(("ann@example.com", "bob@example.com"))),
    Ip(ip_network("192.0.2.7")),
    Ip(ip_network("192.0.2.0/24")),
    IpList("l", NetworkSet.of([ip_network("2001:db8::/32"), ip_network("192.0.2.0/24")])),
    InGroup("staff"),
    InGroup("nested"),
    LoginMethod("idp"),
    AuthMethod("otp"),
    OidcClaim("idp", "dept", "red"),
    OidcClaim("idp", "paid", "true"),
]
FAILING: list[Rule] = [
    Email("bob@example.com"),
    EmailDomain("ample.com"),
    EmailDomain("sub.example.com"),
    EmailList("l", frozenset()),
    Ip(ip_network("192.0.3.0/24")),
    Ip(ip_network("2001:db8::/32")),
    IpList("l", NetworkSet()),
    LoginMethod("other"),
    LoginMethod(""),
    AuthMethod("OTP"),
    AuthMethod("mfa"),
    OidcClaim("other", "dept", "red"),
    OidcClaim("idp", "dept", "re"),
    OidcClaim("idp", "email", "ann@example.com"),
    OneServiceToken("CI"),
    AnyServiceToken(),
    EVALUATION,
]


@pytest.mark.parametrize("rule", MATCHING, ids=repr)
def test_a_rule_matches_whom_it_names(rule: Rule) -> None:
    assert is_rule_match(rule, Visitor(HERE, ANN), GROUPS)


@pytest.mark.parametrize("rule", FAILING, ids=repr)
def test_a_rule_matches_nobody_else(rule: Rule) -> None:
    assert not is_rule_match(rule, Visitor(HERE, ANN), GROUPS)


@pytest.mark.parametrize("rule", [rule for rule in MATCHING if isinstance(rule, IdentityRule)], ids=repr)
def test_a_rule_about_identity_never_matches_a_stranger(rule: Rule) -> None:
    assert not is_rule_match(rule, Visitor(HERE), GROUPS)


@pytest.mark.parametrize("email", ["example.com", "@example.com", "a@evil.test@example.com", "", "ann@"])
def test_what_is_no_address_is_in_no_domain(email: str) -> None:
    for domain in ("example.com", ""):
        assert not is_rule_match(EmailDomain(domain), Visitor(HERE, Identity(email)), GROUPS)


def test_an_ipv4_address_mapped_into_ipv6_is_the_ipv4_address() -> None:
    visitor = Visitor(ip_address("::ffff:192.0.2.7"))
    assert visitor.address == HERE
    assert is_rule_match(Ip(ip_network("192.0.2.0/24")), visitor, {})
    assert Visitor(ip_address("2001:db8::1")).address == ip_address("2001:db8::1")


def test_include_needs_one_require_all_and_exclude_none() -> None:
    visitor = Visitor(HERE, ANN)
    yes, no = Everyone(), Email("bob@example.com")
    assert is_match(Criteria((no, yes)), visitor, {})
    assert not is_match(Criteria((no,)), visitor, {})
    assert not is_match(Criteria(()), visitor, {})
    assert not is_match(Criteria((yes,), require=(yes, no)), visitor, {})
    assert is_match(Criteria((yes,), require=(yes, yes)), visitor, {})
    assert not is_match(Criteria((yes,), exclude=(no, yes)), visitor, {})
    assert is_match(Criteria((yes,), exclude=(no,)), visitor, {})


rules = st.lists(st.sampled_from(MATCHING + FAILING), max_size=4).map(tuple)


@settings(deadline=None)
@given(rules, rules, rules, st.sampled_from([ANN, None]))
def test_criteria_mean_any_all_and_none(
    include: tuple[Rule, ...], exclude: tuple[Rule, ...], require: tuple[Rule, ...], identity: Identity | None
) -> None:
    visitor = Visitor(HERE, identity)

    def matching(rules: tuple[Rule, ...]) -> int:
        return sum(is_rule_match(rule, visitor, GROUPS) for rule in rules)

    expected = matching(include) > 0 and matching(require) == len(require) and matching(exclude) == 0
    assert is_match(Criteria(include, exclude, require), visitor, GROUPS) is expected


def test_rules_of_machines_look_at_the_token_that_was_proved() -> None:
    for rule in (AnyServiceToken(), OneServiceToken("CI"), OneServiceToken("t-1")):
        assert is_rule_match(rule, MACHINE, {})
        assert not is_rule_match(rule, Visitor(HERE, ANN, presents_service_token=True), {})
    assert not is_rule_match(OneServiceToken("ci"), MACHINE, {})
    assert not is_rule_match(Email("ann@example.com"), MACHINE, {})


def test_a_preflight_is_what_the_request_says_it_is() -> None:
    assert is_rule_match(Preflight(), Visitor(HERE, is_preflight=True), {})
    assert not is_rule_match(Preflight(), Visitor(HERE, ANN), {})


def test_an_external_evaluation_matches_where_it_said_yes() -> None:
    said_yes = Visitor(HERE, ANN, evaluations=frozenset((EVALUATION,)))
    assert is_rule_match(EVALUATION, said_yes, {})
    assert not is_rule_match(ExternalEvaluation(EVALUATION.evaluate_url, "https://other.example/keys"), said_yes, {})


def test_the_rules_of_criteria_are_given_through_their_groups() -> None:
    assert list(rules_in(Criteria((Everyone(),), exclude=(Email("a@b"),)), GROUPS)) == [Everyone(), Email("a@b")]
    nested = Criteria((Everyone(),), require=(InGroup("nested"),))
    assert list(rules_in(nested, GROUPS)) == [Everyone(), EmailDomain("example.com"), Ip(ip_network("192.0.2.0/24"))]
