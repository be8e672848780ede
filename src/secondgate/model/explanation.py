"""Why a person may or may not reach a URL: the steps of `decide`, laid open.

Every decision here is taken by `decision.decide` itself, so that an explanation never says anything else than the
gate does; what stands beside it (which policies match, and by what) is only shown. How a URL is read and how an
explanation is worded is not decided here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from secondgate.model.access import Access
from secondgate.model.application import AmbiguousPathError, Application
from secondgate.model.decision import Decision, Evidence, Refuse, Stage, decide, external_evaluations
from secondgate.model.organization import FirstEnrollment, Level, MfaRequirement, Organization, effective_mfa
from secondgate.model.policy import (
    ADDRESS_RULES,
    Criteria,
    ExternalEvaluation,
    Group,
    Policy,
    PolicyAction,
    Visitor,
    is_match,
    is_rule_match,
    rules_in,
)
from secondgate.model.session import MfaSession


class Outcome(StrEnum):
    """How a policy's criteria came out for the visitor."""

    MATCHED = "matched"
    NOT_INCLUDED = "not_included"
    REQUIRED_MISSING = "required_missing"
    EXCLUDED = "excluded"


class NoMfa(StrEnum):
    """Why a policy that lets somebody through asks for no MFA."""

    BYPASS = "bypass"
    SERVICE_AUTH = "service_auth"
    OFF = "off"
    DISABLED_BY_POLICY = "disabled_by_policy"
    DISABLED_BY_APPLICATION = "disabled_by_application"
    NOT_REQUIRED = "not_required"


@dataclass(frozen=True, slots=True)
class JudgedPolicy:
    """A policy in the order of judgement. The first that matched decides; the later ones are only shown."""

    policy: Policy
    outcome: Outcome
    decides: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """All of it.

    `application` is None where there is none, or where the path has readings that belong to several
    (`is_ambiguous`): then nothing else is set, and the gate refuses. `requirement` is what the deciding policy asks
    for, and `no_mfa` why it asks for nothing; both are None where it refuses. `required_aaguids` are the models that
    can be enrolled; None: any. `first_enrollment` is what the first of them takes. The decisions are those for a login
    that begins now: for somebody unknown, for the person without an MFA, and with the MFA sessions `newest`, which
    are all of the browser in which one was proved last.
    """

    application: Application | None
    is_ambiguous: bool = False
    policies: tuple[JudgedPolicy, ...] = ()
    is_about_addresses: bool = False
    requirement: MfaRequirement | None = None
    no_mfa: NoMfa | None = None
    required_aaguids: frozenset[str] | None = None
    first_enrollment: FirstEnrollment = FirstEnrollment.OPEN
    newest: tuple[MfaSession, ...] = ()
    unknown: Decision | None = None
    without_mfa: Decision | None = None
    with_newest: Decision | None = None


def explain(
    access: Access, *, host: str, path: str, visitor: Visitor, mfa: tuple[MfaSession, ...], now: int
) -> Explanation:
    """Explain one URL for one visitor.

    `host` is in lower case and without a port, `path` as the client sends it, without a query. `mfa` are all MFA
    sessions of the person, in any browser, whose authenticators exist; `now` is Unix seconds.
    """
    try:
        application = access.index.find(host, path)
    except AmbiguousPathError:
        return Explanation(None, is_ambiguous=True)
    if application is None:
        return Explanation(None)
    return explain_application(access, application, visitor=visitor, mfa=mfa, now=now)


def explain_application(
    access: Access, application: Application, *, visitor: Visitor, mfa: tuple[MfaSession, ...], now: int
) -> Explanation:
    """Explain one application for one visitor, as `explain` does."""
    rulebook = access.rulebook
    judged = _judge(application, visitor, rulebook.groups)
    deciding = next((one.policy for one in judged if one.decides), None)
    requirement, no_mfa = _mfa_of(rulebook.organization, application, deciding)
    newest = newest_browser(mfa)

    def decided(who: Visitor, sessions: tuple[MfaSession, ...]) -> Decision:
        return decide(rulebook, application, who, Evidence(sessions, now), stage=Stage.LOGIN, now=now)

    return Explanation(
        application=application,
        policies=judged,
        is_about_addresses=any(
            isinstance(rule, ADDRESS_RULES)
            for policy in application.policies
            for rule in rules_in(policy.criteria, rulebook.groups)
        ),
        requirement=requirement,
        no_mfa=no_mfa,
        required_aaguids=rulebook.organization.mfa.required_aaguids,
        first_enrollment=rulebook.organization.first_enrollment,
        newest=newest,
        unknown=decided(Visitor(visitor.address), ()),
        without_mfa=decided(visitor, ()),
        with_newest=decided(visitor, newest) if newest else None,
    )


class Prospect(StrEnum):
    """What somebody can hope for at an application, when all that is asked of them were done."""

    APPROVED = "approved"
    BLOCKED = "blocked"
    UNKNOWN = "error"


def prospect(access: Access, application: Application, visitor: Visitor, *, now: int) -> Prospect:
    """Say whether an application would let a visitor in, once they log in and do the MFA it asks for.

    Unknown: it depends on what an external evaluation says, which is asked at a login alone.
    """

    def is_refused(said_yes: frozenset[ExternalEvaluation]) -> bool:
        asking = replace(visitor, evaluations=said_yes)
        decided = decide(access.rulebook, application, asking, Evidence(), stage=Stage.LOGIN, now=now)
        return isinstance(decided, Refuse)

    refused = {is_refused(said) for said in (frozenset(), external_evaluations(access.rulebook, application))}
    if len(refused) > 1:
        return Prospect.UNKNOWN
    return Prospect.BLOCKED if True in refused else Prospect.APPROVED


def newest_browser(mfa: tuple[MfaSession, ...]) -> tuple[MfaSession, ...]:
    """Select the MFA sessions of the browser in which one was proved last, the newest first."""
    ordered = sorted(mfa, key=lambda session: session.at, reverse=True)
    return tuple(session for session in ordered if session.device_id == ordered[0].device_id)


def _judge(application: Application, visitor: Visitor, groups: Mapping[str, Group]) -> tuple[JudgedPolicy, ...]:
    judged = []
    is_decided = False
    for policy in application.policies:
        outcome = _outcome(policy.criteria, visitor, groups)
        decides = outcome is Outcome.MATCHED and not is_decided
        is_decided = is_decided or decides
        judged.append(JudgedPolicy(policy, outcome, decides))
    return tuple(judged)


def _outcome(criteria: Criteria, visitor: Visitor, groups: Mapping[str, Group]) -> Outcome:
    if is_match(criteria, visitor, groups):
        return Outcome.MATCHED
    if not any(is_rule_match(rule, visitor, groups) for rule in criteria.include):
        return Outcome.NOT_INCLUDED
    if not all(is_rule_match(rule, visitor, groups) for rule in criteria.require):
        return Outcome.REQUIRED_MISSING
    return Outcome.EXCLUDED


def _mfa_of(
    organization: Organization, application: Application, policy: Policy | None
) -> tuple[MfaRequirement | None, NoMfa | None]:
    if policy is None or policy.action is PolicyAction.DENY:
        return None, None
    if not policy.action.needs_identity:
        return None, NoMfa.BYPASS if policy.action is PolicyAction.BYPASS else NoMfa.SERVICE_AUTH
    requirement = effective_mfa(organization, application.mfa, policy.mfa)
    if requirement is not None:
        return requirement, None
    if not organization.mfa.allowed_authenticators:
        return None, NoMfa.OFF
    disabled_by = next(
        (
            level
            for level, override in ((Level.POLICY, policy.mfa), (Level.APPLICATION, application.mfa))
            if override is not None
        ),
        None,
    )
    if disabled_by is None:
        return None, NoMfa.NOT_REQUIRED
    return None, NoMfa.DISABLED_BY_POLICY if disabled_by is Level.POLICY else NoMfa.DISABLED_BY_APPLICATION
