"""What makes no sense in MFA settings: overrides that the organization does not carry, pages that could never load.

Turning MFA off while anything still overrides it is refused, and every such object is named: an override that is
quietly ignored would be taken for protection.
"""

from __future__ import annotations

from collections.abc import Iterator

from secondgate.access.application_policies import placed_policies
from secondgate.access.finding import Finding
from secondgate.access.inheritance import compile_organization, compile_override, effective_check
from secondgate.access.shapes import AccessShapes, ApplicationShape, MfaOverrideShape, PolicyShape
from secondgate.model.application import MfaCheck
from secondgate.model.organization import FirstEnrollment, effective_mfa
from secondgate.model.policy import PolicyAction
from secondgate.protocol.duration import format_duration, parse_duration


def find_mfa_problems(shapes: AccessShapes, *, at: str) -> tuple[Finding, ...]:
    """Find what makes no sense in the MFA settings of all levels. `at` is the path of the whole."""
    organization = f"{at}.organization"
    methods = f"{organization}.mfa_config.allowed_authenticators"
    needs = (organization, f"{organization}.mfa_config", methods, f"{methods}[*]")
    findings: list[Finding] = []
    if shapes.organization.mfa_required_for_all_apps and not shapes.organization.methods:
        findings.append(
            Finding(
                f"{organization}.mfa_required_for_all_apps",
                "asks for MFA, but mfa_config.allowed_authenticators names no method to do it with",
                needs,
            )
        )
    findings.extend(_first_enrollment_problems(shapes, f"{organization}.secondgate"))
    findings.extend(_amr_problems(shapes, f"{organization}.mfa_config"))
    for number, policy in enumerate(shapes.policies):
        if policy.mfa_config is not None and policy.mfa_config.is_set:
            path, owner = f"{at}.policies[{number}].mfa_config", f"the reusable policy {policy.name!r}"
            findings.extend(_override_problems(shapes, path, owner, policy.mfa_config, needs))
    for number, application in enumerate(shapes.applications):
        place = f"{at}.applications[{number}]"
        for path, owner, override in _overrides(application, place):
            findings.extend(_override_problems(shapes, path, owner, override, needs))
        findings.extend(_unloadable(shapes, application, place, needs))
    return tuple(findings)


def _first_enrollment_problems(shapes: AccessShapes, at: str) -> Iterator[Finding]:
    """Find networks that nothing looks at, and a network that nobody could be in."""
    own = shapes.organization.secondgate
    if own is None:
        return
    mode, networks = f"{at}.first_enrollment", f"{at}.first_enrollment_networks"
    if own.first_enrollment is FirstEnrollment.NETWORK and not own.first_enrollment_networks:
        yield Finding(
            mode, "is network, and first_enrollment_networks names none; for passes alone write pass", (networks,)
        )
    if own.first_enrollment_networks and own.first_enrollment is not FirstEnrollment.NETWORK:
        yield Finding(
            networks,
            f"is looked at with first_enrollment: network alone, and that is {own.first_enrollment}",
            (mode, f"{networks}[*]"),
        )


def _amr_problems(shapes: AccessShapes, at: str) -> Iterator[Finding]:
    """Find where the two spellings of AMR matching say different things."""
    config = shapes.organization.mfa_config
    if config is None:
        return
    needs = tuple(
        f"{at}.{name}" for name in ("amr_matching_session_duration", "amr_matching_enabled", "amr_session_duration")
    )
    short, long = config.amr_matching_session_duration, config.amr_session_duration
    if short is not None and config.amr_matching_enabled is False:
        yield Finding(needs[1], "is false, but amr_matching_session_duration turns AMR matching on", needs)
    elif short is not None and long is not None:
        seconds = [parse_duration(text, field=at) for text in (short, long)]
        if seconds[0] != seconds[1]:
            yield Finding(needs[2], f"is {long}, but amr_matching_session_duration is {short}; give one of them", needs)
    elif short is None and long is not None and not config.amr_matching_enabled:
        yield Finding(needs[2], "says nothing without amr_matching_enabled: true", needs)


def _overrides(application: ApplicationShape, at: str) -> Iterator[tuple[str, str, MfaOverrideShape]]:
    """Give every override of an application and its policies that says anything, with its path and owner."""
    owner = f"the application {application.name!r}"
    if application.mfa_config is not None and application.mfa_config.is_set:
        yield f"{at}.mfa_config", owner, application.mfa_config
    for number, policy in enumerate(application.policies):
        if isinstance(policy, PolicyShape) and policy.mfa_config is not None and policy.mfa_config.is_set:
            yield f"{at}.policies[{number}].mfa_config", f"the policy {policy.name!r} of {owner}", policy.mfa_config


def _override_problems(
    shapes: AccessShapes, at: str, owner: str, override: MfaOverrideShape, needs: tuple[str, ...]
) -> Iterator[Finding]:
    allowed = shapes.organization.methods
    if not allowed:
        yield Finding(
            at,
            f"{owner} has MFA settings of its own while the organization's MFA is off; "
            "give organization.mfa_config allowed_authenticators, or remove these settings",
            needs,
        )
        return
    yield from _below_floor(shapes, at, owner, override, needs)
    if override.allowed_authenticators is None:
        return
    if not override.allowed_authenticators and not override.mfa_disabled:
        yield Finding(
            f"{at}.allowed_authenticators",
            f"{owner} allows no method, so nobody could get in; leave it out to inherit, or say mfa_disabled: true",
        )
    for number, method in enumerate(override.allowed_authenticators):
        if method not in allowed:
            yield Finding(
                f"{at}.allowed_authenticators[{number}]",
                f"{owner} allows {method}, which the organization does not: {', '.join(allowed)}",
                needs,
            )


def _below_floor(
    shapes: AccessShapes, at: str, owner: str, override: MfaOverrideShape, needs: tuple[str, ...]
) -> Iterator[Finding]:
    """Find what asks for less than an organization with `mfa_floor`; its methods bound all others in any case."""
    organization = compile_organization(shapes.organization, required_aaguids=None)
    if not organization.mfa_floor:
        return
    if override.mfa_disabled:
        yield Finding(f"{at}.mfa_disabled", f"{owner} turns MFA off, which the organization's mfa_floor forbids", needs)
    longest_s = organization.mfa.session_duration_s
    if override.session_duration is not None and parse_duration(override.session_duration, field=at) > longest_s:
        yield Finding(
            f"{at}.session_duration",
            f"{owner} has a longer duration than the organization, whose mfa_floor allows at most "
            f"{format_duration(longest_s)}",
            (*needs, f"{at.partition('.')[0]}.organization.mfa_config.session_duration"),
        )


def _unloadable(
    shapes: AccessShapes, application: ApplicationShape, at: str, needs: tuple[str, ...]
) -> Iterator[Finding]:
    """With `0m` an MFA is good for one login: checked at every request, it would be asked for at each of them."""
    if effective_check(shapes.organization, application) is not MfaCheck.EVERY_REQUEST:
        return
    organization = compile_organization(shapes.organization, required_aaguids=None)
    for placed in placed_policies(shapes, application):
        policy, number = placed.shape, placed.number
        if policy.decision is not PolicyAction.ALLOW:
            continue
        requirement = effective_mfa(
            organization, compile_override(application.mfa_config), compile_override(policy.mfa_config)
        )
        if requirement is not None and requirement.max_age_s == 0:
            yield Finding(
                f"{at}.secondgate.mfa_check",
                f"every_request with an MFA session_duration of 0m (policy {policy.name!r}, from the "
                f"{requirement.max_age_from}): no page could ever load; use a longer duration, or mfa_check: login",
                (
                    *needs,
                    f"{at.rpartition('.')[0]}.organization.mfa_config.session_duration",
                    f"{at}.mfa_config.session_duration",
                    f"{at}.mfa_config",
                    f"{at}.policies[{number}].mfa_config.session_duration",
                    f"{at}.policies[{number}].mfa_config",
                ),
            )
