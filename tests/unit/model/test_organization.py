"""How MFA settings inherit: policy, application, organization, field by field."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from secondgate.model.organization import Level, Method, MfaConfig, MfaOverride, Organization, effective_mfa

methods = st.lists(st.sampled_from(Method), unique=True).map(tuple)
durations_s = st.integers(0, 720 * 60).map(lambda minutes: minutes * 60)
organizations = st.builds(
    Organization,
    name=st.just("Example"),
    mfa=st.builds(MfaConfig, allowed_authenticators=methods, session_duration_s=durations_s),
    mfa_required_for_all_apps=st.booleans(),
)
overrides = st.none() | st.builds(
    MfaOverride,
    allowed_authenticators=st.none() | methods,
    session_duration_s=st.none() | durations_s,
    mfa_disabled=st.booleans(),
)

ALL = (Method.TOTP, Method.SECURITY_KEY, Method.BIOMETRICS)
REQUIRED = Organization("Example", MfaConfig(ALL, 3600), mfa_required_for_all_apps=True)
OPTIONAL = Organization("Example", MfaConfig(ALL, 3600))


def test_without_overrides_the_organization_decides() -> None:
    requirement = effective_mfa(REQUIRED, None, None)
    assert requirement is not None
    assert (requirement.methods, requirement.max_age_s) == (ALL, 3600)
    assert {requirement.required_from, requirement.methods_from, requirement.max_age_from} == {Level.ORGANIZATION}
    assert effective_mfa(OPTIONAL, None, None) is None


def test_an_application_asks_for_a_key_while_the_rest_do_not() -> None:
    requirement = effective_mfa(OPTIONAL, MfaOverride((Method.SECURITY_KEY,)), None)
    assert requirement is not None
    assert requirement.methods == (Method.SECURITY_KEY,)
    assert requirement.max_age_s == 3600
    assert (requirement.required_from, requirement.methods_from, requirement.max_age_from) == (
        Level.APPLICATION,
        Level.APPLICATION,
        Level.ORGANIZATION,
    )


def test_fields_inherit_one_by_one() -> None:
    requirement = effective_mfa(REQUIRED, MfaOverride((Method.TOTP,), 60), MfaOverride(session_duration_s=0))
    assert requirement is not None
    assert (requirement.methods, requirement.max_age_s) == ((Method.TOTP,), 0)
    assert (requirement.required_from, requirement.methods_from, requirement.max_age_from) == (
        Level.POLICY,
        Level.APPLICATION,
        Level.POLICY,
    )


def test_the_nearest_override_says_whether_mfa_is_asked_for() -> None:
    off, on = MfaOverride(mfa_disabled=True), MfaOverride()
    assert effective_mfa(REQUIRED, off, None) is None
    assert effective_mfa(REQUIRED, None, off) is None
    assert effective_mfa(REQUIRED, off, on) is not None
    assert effective_mfa(REQUIRED, on, off) is None
    assert effective_mfa(OPTIONAL, on, None) is not None


def test_a_method_the_organization_withdrew_holds_nowhere() -> None:
    organization = Organization("Example", MfaConfig((Method.TOTP,)), mfa_required_for_all_apps=True)
    requirement = effective_mfa(organization, MfaOverride((Method.SECURITY_KEY,)), None)
    assert requirement is not None
    assert requirement.methods == ()


@settings(deadline=None)
@given(organizations, overrides, overrides)
def test_with_a_floor_nothing_is_looser_than_the_organization(
    organization: Organization, application: MfaOverride | None, policy: MfaOverride | None
) -> None:
    floored = replace(organization, mfa_floor=True)
    alone, found = effective_mfa(floored, None, None), effective_mfa(floored, application, policy)
    if alone is not None:
        assert found is not None
    if found is not None:
        assert found.has_floor
        assert set(found.methods) <= set(organization.mfa.allowed_authenticators)
        assert found.max_age_s <= organization.mfa.session_duration_s


def test_with_a_floor_the_duration_is_said_to_be_the_organizations_where_it_is() -> None:
    floored = replace(REQUIRED, mfa_floor=True)
    for seconds, max_age_s, level in ((7200, 3600, Level.ORGANIZATION), (60, 60, Level.APPLICATION)):
        found = effective_mfa(floored, MfaOverride(session_duration_s=seconds), None)
        assert found is not None
        assert (found.max_age_s, found.max_age_from) == (max_age_s, level)


@settings(deadline=None)
@given(overrides, overrides)
def test_with_mfa_off_nobody_is_asked(application: MfaOverride | None, policy: MfaOverride | None) -> None:
    organization = Organization("Example", MfaConfig(()), mfa_required_for_all_apps=True)
    assert effective_mfa(organization, application, policy) is None


@settings(deadline=None)
@given(organizations, overrides, overrides)
def test_each_field_comes_from_the_nearest_level_that_says_it(
    organization: Organization, application: MfaOverride | None, policy: MfaOverride | None
) -> None:
    requirement = effective_mfa(organization, application, policy)
    present = [override for override in (policy, application) if override is not None]
    required = not present[0].mfa_disabled if present else organization.mfa_required_for_all_apps
    if not required or not organization.mfa.allowed_authenticators:
        assert requirement is None
        return
    assert requirement is not None
    said = [o.allowed_authenticators for o in present if o.allowed_authenticators is not None]
    wanted = said[0] if said else organization.mfa.allowed_authenticators
    ages = [o.session_duration_s for o in present if o.session_duration_s is not None]
    assert requirement.methods == tuple(m for m in wanted if m in organization.mfa.allowed_authenticators)
    assert requirement.max_age_s == (ages[0] if ages else organization.mfa.session_duration_s)
