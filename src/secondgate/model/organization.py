"""MFA settings of an organization, and how an application and a policy override them.

The vocabulary is Cloudflare Access's "independent MFA": an `mfa_config` on the organization, and
overrides on applications and policies that are inherited field by field: policy, application,
organization.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeVar

from secondgate.model.login_design import PLAIN_DESIGN, LoginDesign

T = TypeVar("T")


class Method(StrEnum):
    """An MFA method, as `allowed_authenticators` spells it."""

    TOTP = "totp"
    BIOMETRICS = "biometrics"
    SECURITY_KEY = "security_key"


class FirstEnrollment(StrEnum):
    """What a person needs who enrols the first authenticator, besides a login."""

    OPEN = "open"
    PASS = "pass"  # noqa: S105 - a setting, not a password
    NETWORK = "network"


class Level(StrEnum):
    """Which object a setting came from."""

    POLICY = "policy"
    APPLICATION = "application"
    ORGANIZATION = "organization"


@dataclass(frozen=True, slots=True)
class MfaConfig:
    """The organization's `mfa_config`. No `allowed_authenticators`: MFA is off.

    `amr_matching_session_duration_s` is for how long an MFA at the identity provider counts; None: not at all.
    `required_aaguids` are the models (32 hexadecimal digits each) of which security keys and biometrics can be
    enrolled; None: any.
    """

    allowed_authenticators: tuple[Method, ...] = ()
    session_duration_s: int = 24 * 3600
    amr_matching_session_duration_s: int | None = None
    required_aaguids: frozenset[str] | None = None

    @property
    def amr_max_age_s(self) -> int | None:
        """For how long an MFA at the identity provider counts: not at all where models are required."""
        return self.amr_matching_session_duration_s if self.required_aaguids is None else None


@dataclass(frozen=True, slots=True)
class MfaOverride:
    """The `mfa_config` of an application or a policy; None inherits.

    An override that is present asks for MFA, unless `mfa_disabled` is true.
    """

    allowed_authenticators: tuple[Method, ...] | None = None
    session_duration_s: int | None = None
    mfa_disabled: bool = False


@dataclass(frozen=True, slots=True)
class Organization:
    """The settings that hold where nothing more specific is said.

    With `mfa_floor` overrides can only tighten the organization's MFA: fewer methods, shorter durations, never none.
    `first_enrollment_networks` are where a first authenticator may be enrolled without a temporary pass, where
    `first_enrollment` says so.
    """

    name: str
    mfa: MfaConfig = MfaConfig()
    mfa_required_for_all_apps: bool = False
    session_duration_s: int = 24 * 3600
    auto_redirect_to_identity: bool = False
    mfa_floor: bool = False
    first_enrollment: FirstEnrollment = FirstEnrollment.OPEN
    first_enrollment_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    login_design: LoginDesign = PLAIN_DESIGN

    def is_first_enrollment_open_at(self, address: IPv4Address | IPv6Address) -> bool:
        """Whether a login is enough there to enrol a first authenticator."""
        match self.first_enrollment:
            case FirstEnrollment.OPEN:
                return True
            case FirstEnrollment.NETWORK:
                return any(address in network for network in self.first_enrollment_networks)
            case _:
                return False


@dataclass(frozen=True, slots=True)
class MfaRequirement:
    """What an application asks of a person here and now.

    `max_age_s` is how old an MFA may be at login; 0 asks at every login. `amr_max_age_s` is the same for one made at
    the identity provider; None: those do not count. The `…_from` say which object decided, for explanations, and
    `has_floor` whether the organization bounds the others.
    """

    methods: tuple[Method, ...]
    max_age_s: int
    required_from: Level
    methods_from: Level
    max_age_from: Level
    amr_max_age_s: int | None = None
    has_floor: bool = False


def effective_mfa(
    organization: Organization, application: MfaOverride | None, policy: MfaOverride | None
) -> MfaRequirement | None:
    """Work out the MFA requirement of one policy of one application; None asks for none.

    A method that the organization does not allow is dropped even where an override names it, so that
    withdrawing a method from the organization holds everywhere. What remains may be empty: then
    nothing satisfies the requirement. With the organization's floor an override that says `mfa_disabled` says
    nothing, and the organization's duration is the longest.
    """
    overrides = [
        (level, None if override is None or (organization.mfa_floor and override.mfa_disabled) else override)
        for level, override in ((Level.POLICY, policy), (Level.APPLICATION, application))
    ]
    required_from = Level.ORGANIZATION
    required = organization.mfa_required_for_all_apps
    for level, override in overrides:
        if override is not None:
            required_from, required = level, not override.mfa_disabled
            break
    if not required or not organization.mfa.allowed_authenticators:
        return None

    def inherit(field: Callable[[MfaOverride], T | None], default: T) -> tuple[T, Level]:
        for level, override in overrides:
            value = None if override is None else field(override)
            if value is not None:
                return value, level
        return default, Level.ORGANIZATION

    methods, methods_from = inherit(lambda o: o.allowed_authenticators, organization.mfa.allowed_authenticators)
    max_age_s, max_age_from = inherit(lambda o: o.session_duration_s, organization.mfa.session_duration_s)
    if organization.mfa_floor and max_age_s > organization.mfa.session_duration_s:
        max_age_s, max_age_from = organization.mfa.session_duration_s, Level.ORGANIZATION
    allowed = tuple(method for method in methods if method in organization.mfa.allowed_authenticators)
    return MfaRequirement(
        allowed,
        max_age_s,
        required_from,
        methods_from,
        max_age_from,
        organization.mfa.amr_max_age_s,
        organization.mfa_floor,
    )
