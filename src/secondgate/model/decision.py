"""The decision: may this visitor reach this application, now?

`decide` is pure and returns a closed union. It is asked in two places: at the portal when somebody logs
in to an application (`Stage.LOGIN`) and at the gate for every request (`Stage.REQUEST`). Policies, the
person's state and MFA methods are judged in both; the age of an MFA is judged at login, and at every
request where the application says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from secondgate.errors import Reason
from secondgate.model.application import Application, MfaCheck
from secondgate.model.organization import MfaRequirement, Organization, effective_mfa
from secondgate.model.policy import Group, Policy, PolicyAction, Visitor, is_match
from secondgate.model.session import MfaSession


class Stage(StrEnum):
    """Where a decision is taken."""

    LOGIN = "login"
    REQUEST = "request"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a visitor's MFA.

    `login_began_at` is when the present login to the application began: with a duration of `0m` only an
    MFA since then counts, and none where no login is under way (None). Times are Unix seconds. `spent` are those that
    another such login used already: one proof is good for one of them.
    """

    mfa: tuple[MfaSession, ...] = ()
    login_began_at: int | None = None
    spent: frozenset[MfaSession] = frozenset()


@dataclass(frozen=True, slots=True)
class Allow:
    """Let the request through. `by` is the MFA that satisfied `requirement`, where there is one."""

    policy: Policy
    requirement: MfaRequirement | None = None
    by: MfaSession | None = None

    @property
    def is_bypass(self) -> bool:
        """Whether nobody's identity was looked at."""
        return self.policy.action is PolicyAction.BYPASS


@dataclass(frozen=True, slots=True)
class StepUp:
    """Known and allowed, but one more proof is needed."""

    policy: Policy
    requirement: MfaRequirement
    reason: Reason


@dataclass(frozen=True, slots=True)
class SignIn:
    """Nobody is known yet."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Refuse:
    """Not allowed; logging in again changes nothing."""

    reason: Reason
    policy: Policy | None = None


Decision = Allow | StepUp | SignIn | Refuse


@dataclass(frozen=True, slots=True)
class Rulebook:
    """What decisions are made by: the organization and its groups."""

    organization: Organization
    groups: Mapping[str, Group] = field(default_factory=dict)


def decide(
    rulebook: Rulebook, application: Application, visitor: Visitor, evidence: Evidence, *, stage: Stage, now: int
) -> Decision:
    """Decide one request or login.

    `now` is Unix seconds. The first policy that matches decides; nothing matching is a refusal. Somebody
    who is not known can only match a bypass policy, and is asked to sign in otherwise.
    """
    identity = visitor.identity
    for policy in application.policies:
        if policy.action is not PolicyAction.BYPASS and identity is None:
            return SignIn(Reason.NO_SESSION)
        if not is_match(policy.criteria, visitor, rulebook.groups):
            continue
        if policy.action is PolicyAction.BYPASS:
            return Allow(policy)
        if policy.action is PolicyAction.DENY:
            return Refuse(Reason.POLICY_DENIED, policy)
        if identity is not None and not _may_use_provider(application, identity.identity_provider_id):
            return Refuse(Reason.IDENTITY_PROVIDER_NOT_ALLOWED, policy)
        requirement = effective_mfa(rulebook.organization, application.mfa, policy.mfa)
        if requirement is None:
            return Allow(policy)
        return _judge_mfa(application, policy, requirement, evidence, stage=stage, now=now)
    return Refuse(Reason.NO_POLICY_MATCHED)


def mfa_young_enough(requirement: MfaRequirement, evidence: Evidence, *, now: int) -> tuple[MfaSession, ...]:
    """Select the MFA sessions whose age a login with this requirement accepts, whatever their method."""
    began_at = evidence.login_began_at

    def is_young(session: MfaSession) -> bool:
        max_age_s = requirement.amr_max_age_s if session.is_from_identity_provider else requirement.max_age_s
        if max_age_s is None:
            return False
        if max_age_s:
            return now - session.at < max_age_s
        return began_at is not None and session.at >= began_at and session not in evidence.spent

    return tuple(filter(is_young, evidence.mfa))


def _judge_mfa(
    application: Application,
    policy: Policy,
    requirement: MfaRequirement,
    evidence: Evidence,
    *,
    stage: Stage,
    now: int,
) -> Decision:
    counted = [s for s in evidence.mfa if requirement.amr_max_age_s is not None or not s.is_from_identity_provider]
    of_method = [session for session in counted if session.method in requirement.methods]
    if not of_method:
        return StepUp(policy, requirement, Reason.MFA_METHOD if counted else Reason.MFA_MISSING)
    if stage is Stage.LOGIN or (application.mfa_check is MfaCheck.EVERY_REQUEST and requirement.max_age_s > 0):
        young = mfa_young_enough(requirement, evidence, now=now)
        of_method = [session for session in of_method if session in young]
        if not of_method:
            return StepUp(policy, requirement, Reason.MFA_AGE)
    return Allow(policy, requirement, max(of_method, key=lambda session: session.at))


def _may_use_provider(application: Application, identity_provider_id: str) -> bool:
    return not application.allowed_idps or identity_provider_id in application.allowed_idps
