"""Who matches a policy's rules."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secondgate.model.person import Identity
from secondgate.model.policy import (
    ADDRESS_RULES,
    AuthMethod,
    Criteria,
    Email,
    EmailDomain,
    EmailList,
    Everyone,
    Group,
    InGroup,
    Ip,
    IpList,
    LoginMethod,
    Rule,
    Visitor,
    is_about,
    is_match,
    is_rule_match,
)

HERE = ip_address("192.0.2.7")
ANN = Identity("ann@example.com", amr=("pwd", "otp"), identity_provider_id="idp")
STAFF = Group("staff", "Staff", Criteria(include=(EmailDomain("example.com"),)))
OFFICE = Group("office", "Office", Criteria(include=(Ip(ip_network("192.0.2.0/24")),)))
NESTED = Group("nested", "Nested", Criteria(include=(InGroup("staff"),), require=(InGroup("office"),)))
GROUPS = {group.id: group for group in (STAFF, OFFICE, NESTED)}

IDENTITY_RULES = (Email, EmailDomain, EmailList, LoginMethod, AuthMethod)
MATCHING: list[Rule] = [
    Everyone(),
    Email("ann@example.com"),
    EmailDomain("example.com"),
    EmailList("l", frozenset(("ann@example.com", "bob@example.com"))),
    Ip(ip_network("192.0.2.7")),
    Ip(ip_network("192.0.2.0/24")),
    IpList("l", (ip_network("2001:db8::/32"), ip_network("192.0.2.0/24"))),
    InGroup("staff"),
    InGroup("nested"),
    LoginMethod("idp"),
    AuthMethod("otp"),
]
FAILING: list[Rule] = [
    Email("bob@example.com"),
    EmailDomain("ample.com"),
    EmailDomain("sub.example.com"),
    EmailList("l", frozenset()),
    Ip(ip_network("192.0.3.0/24")),
    Ip(ip_network("2001:db8::/32")),
    IpList("l", ()),
    LoginMethod("other"),
    LoginMethod(""),
    AuthMethod("OTP"),
    AuthMethod("mfa"),
]


@pytest.mark.parametrize("rule", MATCHING, ids=repr)
def test_a_rule_matches_whom_it_names(rule: Rule) -> None:
    assert is_rule_match(rule, Visitor(HERE, ANN), GROUPS)


@pytest.mark.parametrize("rule", FAILING, ids=repr)
def test_a_rule_matches_nobody_else(rule: Rule) -> None:
    assert not is_rule_match(rule, Visitor(HERE, ANN), GROUPS)


@pytest.mark.parametrize("rule", [rule for rule in MATCHING if isinstance(rule, IDENTITY_RULES)], ids=repr)
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


def test_criteria_know_what_they_are_about_through_their_groups() -> None:
    everyone = Criteria((Everyone(),))
    assert not is_about(everyone, IDENTITY_RULES, GROUPS)
    assert is_about(Criteria((Everyone(),), exclude=(Email("a@b"),)), IDENTITY_RULES, GROUPS)
    assert is_about(Criteria((Everyone(),), require=(InGroup("nested"),)), ADDRESS_RULES, GROUPS)
    assert not is_about(Criteria((InGroup("staff"),)), ADDRESS_RULES, GROUPS)
