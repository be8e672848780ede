"""How long a decision lasts while nothing else changes, and what it was made by: what may be remembered of it."""

from __future__ import annotations

import math
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondgate.model.application import Application, Destination, MfaCheck
from secondgate.model.decision import (
    Allow,
    Decision,
    Evidence,
    Rulebook,
    Stage,
    allowed_until,
    decide,
    looks_at_address,
)
from secondgate.model.network_set import NetworkSet
from secondgate.model.organization import Method, MfaConfig, Organization
from secondgate.model.person import Identity, IdentitySource
from secondgate.model.policy import (
    Criteria,
    EmailDomain,
    Everyone,
    Group,
    InGroup,
    Ip,
    IpList,
    Policy,
    PolicyAction,
    Rule,
    Visitor,
)
from secondgate.model.session import MfaSession

NOW = 1_800_000_000
ANN = Visitor(ip_address("192.0.2.7"), Identity("ann@example.com", source=IdentitySource.HEADERS))
HOME = (Ip(ip_network("192.0.2.0/24")), IpList("home", NetworkSet.of([ip_network("192.0.2.0/24")])))


def an_application(criteria: Criteria, mfa_check: MfaCheck = MfaCheck.LOGIN) -> Application:
    policy = Policy("p", "p", PolicyAction.ALLOW, criteria, 1)
    return Application("a", "aud", "Wiki", (Destination("wiki.example.com"),), (policy,), mfa_check=mfa_check)


ages_s = st.sampled_from([0, 1, 59, 60, 61, 1799, 1800])
proofs = st.builds(
    lambda method, age_s, authenticator_id: MfaSession("ann", "laptop", method, authenticator_id, NOW - age_s),
    st.sampled_from(Method),
    ages_s,
    st.sampled_from(["", "key"]),
)


@given(
    max_age_s=st.sampled_from([0, 60, 1800]),
    amr_max_age_s=st.sampled_from([None, 0, 60, 7200]),
    methods=st.lists(st.sampled_from(Method), unique=True, min_size=1).map(tuple),
    is_required=st.booleans(),
    mfa_check=st.sampled_from(MfaCheck),
    mfa=st.lists(proofs, max_size=3).map(tuple),
    later_s=st.sampled_from([0, 1, 58, 59, 60, 61, 1799, 1800, 7200]),
)
def test_the_same_is_decided_until_then_and_not_from_then_on(
    *,
    max_age_s: int,
    amr_max_age_s: int | None,
    methods: tuple[Method, ...],
    is_required: bool,
    mfa_check: MfaCheck,
    mfa: tuple[MfaSession, ...],
    later_s: int,
) -> None:
    config = MfaConfig(methods, max_age_s, amr_matching_session_duration_s=amr_max_age_s)
    rulebook = Rulebook(Organization("Example", config, mfa_required_for_all_apps=is_required))
    application = an_application(Criteria((EmailDomain("example.com"),)), mfa_check)

    def decided(now: int) -> Decision:
        return decide(rulebook, application, ANN, Evidence(mfa), stage=Stage.REQUEST, now=now)

    first = decided(NOW)
    if not isinstance(first, Allow):
        return
    until = allowed_until(application, first)
    assert until > NOW
    if mfa_check is MfaCheck.LOGIN or not is_required:
        assert until == math.inf
    assert (decided(NOW + later_s) == first) is (NOW + later_s < until)


@pytest.mark.parametrize("rule", HOME)
def test_an_address_is_looked_at_wherever_a_rule_of_it_stands(rule: Rule) -> None:
    groups = {"offices": Group("offices", "Offices", Criteria((Everyone(),), require=(rule,)))}
    rulebook = Rulebook(Organization("Example", MfaConfig((Method.TOTP,))), groups)
    everyone = Everyone()
    for criteria in (
        Criteria((everyone, rule)),
        Criteria((everyone,), exclude=(rule,)),
        Criteria((everyone,), require=(rule,)),
        Criteria((everyone,), exclude=(InGroup("offices"),)),
    ):
        assert looks_at_address(rulebook, an_application(criteria))
    assert not looks_at_address(rulebook, an_application(Criteria((everyone, EmailDomain("example.com")))))
