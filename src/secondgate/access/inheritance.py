"""MFA settings and durations from the wire: what `null`, `{}` and an absent key inherit.

`{}` and `null` override nothing; anything else in an `mfa_config` asks for MFA, unless it says `mfa_disabled: true`.
How the levels are put together is `model.organization`'s to say.
"""

from __future__ import annotations

from ipaddress import ip_network

from secondgate.access.login_design import compile_login_design
from secondgate.access.shapes import ApplicationShape, MfaOverrideShape, OrganizationCheckShape, OrganizationShape
from secondgate.model.application import MfaCheck
from secondgate.model.organization import MfaConfig, MfaOverride, Organization
from secondgate.protocol.duration import parse_duration

DEFAULT_DURATION_S = 24 * 3600


def seconds(duration: str | None, default_s: int) -> int:
    """Give a duration that was checked before in seconds."""
    return default_s if duration is None else parse_duration(duration, field="session_duration")


def optional_seconds(duration: str | None) -> int | None:
    """Give a duration that was checked before in seconds; None inherits."""
    return None if duration is None else parse_duration(duration, field="session_duration")


def compile_override(shape: MfaOverrideShape | None) -> MfaOverride | None:
    """Make an override; None inherits everything, as `{}` does."""
    if shape is None or not shape.is_set:
        return None
    return MfaOverride(
        allowed_authenticators=shape.allowed_authenticators,
        session_duration_s=optional_seconds(shape.session_duration),
        mfa_disabled=bool(shape.mfa_disabled),
    )


def compile_organization(shape: OrganizationShape, *, required_aaguids: frozenset[str] | None) -> Organization:
    """Make the organization; `required_aaguids` is what the list of that name holds."""
    mfa, own = shape.mfa_config, shape.secondgate or OrganizationCheckShape()
    return Organization(
        name=shape.name,
        mfa=MfaConfig()
        if mfa is None
        else MfaConfig(
            mfa.allowed_authenticators,
            seconds(mfa.session_duration, DEFAULT_DURATION_S),
            optional_seconds(mfa.amr_duration),
            required_aaguids,
        ),
        mfa_required_for_all_apps=shape.mfa_required_for_all_apps,
        session_duration_s=seconds(shape.session_duration, DEFAULT_DURATION_S),
        auto_redirect_to_identity=shape.auto_redirect_to_identity,
        mfa_floor=shape.mfa_floor,
        first_enrollment=own.first_enrollment,
        first_enrollment_networks=tuple(map(ip_network, own.first_enrollment_networks)),
        login_design=compile_login_design(shape.login_design),
    )


def effective_check(organization: OrganizationShape, application: ApplicationShape) -> MfaCheck:
    """Give when an application's MFA age is judged: what it says itself, or else what the organization says."""
    for settings in (application.secondgate, organization.secondgate):
        if settings is not None and settings.mfa_check is not None:
            return settings.mfa_check
    return MfaCheck.LOGIN
