"""With required models the identity provider's own MFA counts for nothing: it does not tell the model."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from secondgate.errors import Reason
from secondgate.model.access import Access
from secondgate.model.amr import identity_provider_mfa
from secondgate.model.application import Application, Destination
from secondgate.model.decision import Allow, Decision, Evidence, Rulebook, Stage, StepUp, decide
from secondgate.model.explanation import explain
from secondgate.model.organization import Method, MfaConfig, Organization, effective_mfa
from secondgate.model.person import Identity
from secondgate.model.policy import Criteria, Everyone, Policy, PolicyAction, Visitor
from secondgate.model.session import Login, MfaSession

NOW = 1_800_000_000
MODELS = frozenset(("a" * 32,))
WIKI = Application(
    "wiki",
    "aud",
    "Wiki",
    (Destination("wiki.example.com"),),
    (Policy("p", "all", PolicyAction.ALLOW, Criteria((Everyone(),)), 1),),
)
IDENTITY = Identity("ann@example.com", amr=("hwk",), auth_time=NOW)
AT_PROVIDER = identity_provider_mfa(Login("login", "ann", "laptop", IDENTITY, NOW, NOW + 3600))
OURS = MfaSession("ann", "laptop", Method.SECURITY_KEY, "key", NOW)


def organization(required: frozenset[str] | None) -> Organization:
    mfa = MfaConfig(tuple(Method), 3600, 3600, required)
    return Organization("Example", mfa, mfa_required_for_all_apps=True)


def decided(required: frozenset[str] | None, *mfa: MfaSession, stage: Stage = Stage.LOGIN) -> Decision:
    evidence = Evidence(mfa, login_began_at=NOW)
    visitor = Visitor(ip_address("192.0.2.7"), IDENTITY)
    return decide(Rulebook(organization(required)), WIKI, visitor, evidence, stage=stage, now=NOW)


@pytest.mark.case(61)
@pytest.mark.parametrize("stage", Stage)
def test_the_providers_mfa_counts_only_while_no_models_are_required(stage: Stage) -> None:
    assert isinstance(decided(None, *AT_PROVIDER, stage=stage), Allow)
    asked = decided(MODELS, *AT_PROVIDER, stage=stage)
    assert isinstance(asked, StepUp)
    assert asked.reason is Reason.MFA_MISSING


@pytest.mark.case(59, 61)
@pytest.mark.parametrize("stage", Stage)
def test_a_proof_with_what_is_enrolled_goes_on_counting(stage: Stage) -> None:
    allowed = decided(MODELS, *AT_PROVIDER, OURS, stage=stage)
    assert isinstance(allowed, Allow)
    assert allowed.by == OURS


@pytest.mark.case(61)
def test_the_duration_of_matching_is_off_while_models_are_required() -> None:
    for required, expected in ((None, 3600), (MODELS, None), (frozenset[str](), None)):
        settings = organization(required)
        assert settings.mfa.amr_max_age_s == expected
        requirement = effective_mfa(settings, None, None)
        assert requirement is not None
        assert requirement.amr_max_age_s == expected


def test_an_explanation_names_the_models() -> None:
    for required in (None, MODELS):
        access = Access("1", Rulebook(organization(required)), (WIKI,), ())
        visitor = Visitor(ip_address("192.0.2.7"), IDENTITY)
        explained = explain(access, host="wiki.example.com", path="/", visitor=visitor, mfa=(), now=NOW)
        assert explained.required_aaguids == required
