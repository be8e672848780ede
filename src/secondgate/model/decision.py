"""The decision: may this visitor reach this application, now?

`decide` is pure and returns a closed union. It is asked in two places: at the portal when somebody logs
in to an application (`Stage.LOGIN`) and at the gate for every request (`Stage.REQUEST`). Policies, the
person's state and MFA methods are judged in both; the age of an MFA is judged at login, and at every
request where the application says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from secondgate.errors import Reason
from secondgate.model.application import Application, MfaCheck
from secondgate.model.organization import MfaRequirement, Organization, effective_mfa
from secondgate.model.person import Identity
from secondgate.model.policy import (
    ADDRESS_RULES,
    ExternalEvaluation,
    Group,
    OidcClaim,
    Policy,
    PolicyAction,
    Visitor,
    is_match,
    rules_in,
)
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
    def is_of_nobody(self) -> bool:
        """Whether nobody's identity was looked at."""
        return not self.policy.action.needs_identity


@dataclass(frozen=True, slots=True)
class StepUp:
    """Known and allowed, but one more proof is needed."""

    policy: Policy
    requirement: MfaRequirement
    reason: Reason


@dataclass(frozen=True, slots=True)
class SignIn:
    """Nobody is known yet. No login page is of use where `is_machine`: what asks is a machine, or only one may."""

    reason: Reason
    is_machine: bool = False


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
    who is not known can only match a policy that looks at no identity, and is asked to sign in otherwise.
    """
    identity = visitor.identity
    for policy in application.policies:
        if policy.action.needs_identity and identity is None:
            return _stranger(application, visitor)
        if not is_match(policy.criteria, visitor, rulebook.groups):
            continue
        if not policy.action.needs_identity:
            return Allow(policy)
        if policy.action is PolicyAction.DENY:
            return Refuse(Reason.POLICY_DENIED, policy)
        if identity is not None and not _may_use_provider(application, identity.identity_provider_id):
            return Refuse(Reason.IDENTITY_PROVIDER_NOT_ALLOWED, policy)
        requirement = effective_mfa(rulebook.organization, application.mfa, policy.mfa)
        if requirement is None:
            return Allow(policy)
        return _judge_mfa(application, policy, requirement, evidence, stage=stage, now=now)
    if identity is None and any(policy.action is PolicyAction.SERVICE_AUTH for policy in application.policies):
        return _stranger(application, visitor, is_machine=True)
    return Refuse(Reason.NO_POLICY_MATCHED)


def _stranger(application: Application, visitor: Visitor, *, is_machine: bool = False) -> Decision:
    """Ask who it is; a machine whose token was proved is known, and not allowed."""
    if visitor.service_token is not None:
        return Refuse(Reason.NO_POLICY_MATCHED)
    if visitor.presents_service_token:
        return SignIn(Reason.SERVICE_TOKEN, is_machine=True)
    return SignIn(Reason.NO_SESSION, is_machine=is_machine or application.service_auth_401_redirect)


def may_be_allowed(rulebook: Rulebook, application: Application, visitor: Visitor, *, now: int) -> bool:
    """Whether somebody may get in, whatever is not known yet: an MFA, and what external evaluations say."""

    def is_refused(said_yes: frozenset[ExternalEvaluation]) -> bool:
        asking = replace(visitor, evaluations=said_yes)
        return isinstance(decide(rulebook, application, asking, Evidence(), stage=Stage.LOGIN, now=now), Refuse)

    return not is_refused(frozenset()) or not is_refused(external_evaluations(rulebook, application))


def external_evaluations(rulebook: Rulebook, application: Application) -> frozenset[ExternalEvaluation]:
    """Give the external evaluations that an application's policies depend on."""
    return frozenset(
        rule
        for policy in application.policies
        for rule in rules_in(policy.criteria, rulebook.groups)
        if isinstance(rule, ExternalEvaluation)
    )


def oidc_claims(rulebook: Rulebook, application: Application) -> frozenset[tuple[str, str]]:
    """Give the claims that an application's policies look at, each with the identity provider that sends it."""
    return frozenset(
        (rule.identity_provider_id, rule.name)
        for policy in application.policies
        for rule in rules_in(policy.criteria, rulebook.groups)
        if isinstance(rule, OidcClaim)
    )


def lacks_claims(identity: Identity, looked_at: frozenset[tuple[str, str]]) -> bool:
    """Whether a login is from before its provider was asked for a claim: what it would have said is not known."""
    return any(
        provider_id == identity.identity_provider_id and name not in dict(identity.claims)
        for provider_id, name in looked_at
    )


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
    if stage is Stage.LOGIN:
        young = mfa_young_enough(requirement, evidence, now=now)
        of_method = [session for session in of_method if session in young]
    elif application.mfa_check is MfaCheck.EVERY_REQUEST and requirement.max_age_s > 0:
        of_method = [
            session for session in of_method if now - session.at < _max_age_since_login_s(requirement, session)
        ]
    if not of_method:
        return StepUp(policy, requirement, Reason.MFA_AGE)
    return Allow(policy, requirement, max(of_method, key=lambda session: session.at))


def _max_age_since_login_s(requirement: MfaRequirement, session: MfaSession) -> int:
    """Give how old an MFA may become where requests are asked about its age.

    One made at the identity provider that is good for one login alone lives as long as one made here: no page could
    ever load otherwise.
    """
    return (session.is_from_identity_provider and requirement.amr_max_age_s) or requirement.max_age_s


def allowed_until(application: Application, allow: Allow) -> float:
    """Give when the age of the MFA that a request was allowed by ends this: Unix seconds, exclusive, or infinity.

    As long as nothing else changes, the same decision is made until then.
    """
    requirement, by = allow.requirement, allow.by
    if application.mfa_check is not MfaCheck.EVERY_REQUEST or requirement is None or by is None:
        return math.inf
    return by.at + _max_age_since_login_s(requirement, by) if requirement.max_age_s > 0 else math.inf


def looks_at_address(rulebook: Rulebook, application: Application) -> bool:
    """Whether any rule of an application's policies looks at where a request comes from."""
    return any(
        isinstance(rule, ADDRESS_RULES)
        for policy in application.policies
        for rule in rules_in(policy.criteria, rulebook.groups)
    )


def _may_use_provider(application: Application, identity_provider_id: str) -> bool:
    return not application.allowed_idps or identity_provider_id in application.allowed_idps
