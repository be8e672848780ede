"""An explanation in words and as JSON. What decides is not looked into here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from secondgate.cli.login_text import amr_lines, login_data, login_lines
from secondgate.cli.tables import time_text
from secondgate.errors import Reason
from secondgate.model.application import MfaCheck
from secondgate.model.decision import Allow, Decision, Refuse, SignIn, StepUp
from secondgate.model.explanation import Explanation, JudgedPolicy, NoMfa, Outcome
from secondgate.model.organization import FirstEnrollment, MfaConfig, MfaRequirement
from secondgate.model.person import Identity, Person
from secondgate.model.policy import Address
from secondgate.model.session import Login, MfaSession
from secondgate.protocol.duration import format_duration
from secondgate.protocol.forwarded import OriginalRequest

_OUTCOMES = {
    Outcome.MATCHED: "matches",
    Outcome.NOT_INCLUDED: "does not match: nothing under include does",
    Outcome.REQUIRED_MISSING: "does not match: not all under require do",
    Outcome.EXCLUDED: "does not match: something under exclude does",
}
_FIRST_ENROLLMENT = {
    FirstEnrollment.PASS: "the first MFA device takes a temporary pass besides the login",
    FirstEnrollment.NETWORK: "the first MFA device takes an address in first_enrollment_networks, or a temporary pass",
}
_NO_MFA = {
    NoMfa.BYPASS: "none: the policy lets everybody who matches through without a login",
    NoMfa.SERVICE_AUTH: "none: the policy is for machines, and lets what matches through without a login",
    NoMfa.OFF: "none: the organization allows no authenticators, so MFA is off",
    NoMfa.DISABLED_BY_POLICY: "none: mfa_disabled on the policy",
    NoMfa.DISABLED_BY_APPLICATION: "none: mfa_disabled on the application",
    NoMfa.NOT_REQUIRED: "none: neither the policy nor the application has an mfa_config, and "
    "mfa_required_for_all_apps is off",
}
_REASONS = {
    Reason.NO_POLICY_MATCHED: "no policy matches",
    Reason.POLICY_DENIED: "the policy denies",
    Reason.IDENTITY_PROVIDER_NOT_ALLOWED: "the application does not allow this identity provider",
    Reason.MFA_MISSING: "there is no MFA session",
    Reason.MFA_METHOD: "no MFA session is of an allowed method",
    Reason.MFA_AGE: "the MFA is too old",
}
_AMBIGUOUS = (
    "ambiguous: upstreams read this path in several ways, and the readings belong to different applications, so the "
    "gate refuses it"
)
_NO_APPLICATION = "none: no application has this host and path, so the gate refuses it"
_PORTAL = "none: this is the portal itself, which the gate is not asked about"


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked, and what is known of the person. `person` is None for somebody who never logged in.

    `login` is the newest that is live. `evaluations` are the URLs of services that are asked at each login.
    """

    request: OriginalRequest
    is_portal: bool
    email: str
    person: Person | None
    identity: Identity
    identity_provider: str
    address: Address | None
    mfa: tuple[MfaSession, ...]
    now: int
    login: Login | None
    organization_mfa: MfaConfig
    evaluations: tuple[str, ...] = ()

    @property
    def is_disabled(self) -> bool:
        """Whether the person is refused everywhere."""
        return self.person is not None and self.person.disabled


def explanation_lines(question: Question, explanation: Explanation) -> Iterator[str]:
    """Give the explanation in words, a line at a time."""
    request = question.request
    yield f"URL          {request.scheme}://{request.host}{request.path}"
    yield from _person_lines(question)
    yield from login_lines(question.login, question.identity_provider)
    application = explanation.application
    if application is None:
        words = _PORTAL if question.is_portal else _AMBIGUOUS if explanation.is_ambiguous else _NO_APPLICATION
        yield f"application  {words}"
        return
    yield f"application  {application.name} ({', '.join(map(str, application.destinations))})"
    yield "policies     in the order in which they are judged; the first that matches decides"
    for judged in explanation.policies:
        yield (
            f"  {'->' if judged.decides else '  '} {judged.policy.action} {judged.policy.name!r}: "
            + (_OUTCOMES[judged.outcome])
        )
    if explanation.is_about_addresses and question.address is None:
        yield "  some policies look at the address: give one with --ip"
    for url in question.evaluations:
        yield f"  {url} is asked at each login; here its answer counts as no"
    if explanation.requirement is not None:
        yield from _requirement_lines(explanation.requirement, application.mfa_check)
        yield from _model_lines(explanation.required_aaguids)
        if explanation.first_enrollment is not FirstEnrollment.OPEN:
            yield f"     first_enrollment: {_FIRST_ENROLLMENT[explanation.first_enrollment]}"
        yield from amr_lines(question.login, explanation.requirement, question.organization_mfa, now=question.now)
    elif explanation.no_mfa is not None:
        yield f"MFA          {_NO_MFA[explanation.no_mfa]}"
    yield "MFA sessions" + ("" if question.mfa else " none")
    for session in sorted(question.mfa, key=lambda one: one.at, reverse=True):
        here = "the newest browser" if session in explanation.newest else "another browser"
        yield f"     {session.method}, {time_text(session.at)}, {_age_text(question.now - session.at)} ago, in {here}"
    yield "decision for a login that begins now"
    yield f"     somebody unknown:             {_decision_text(explanation.unknown)}"
    yield f"     this person without MFA:      {_person_decision(question, explanation.without_mfa)}"
    if explanation.with_newest is not None:
        yield f"     with the newest MFA sessions: {_person_decision(question, explanation.with_newest)}"


def explanation_data(question: Question, explanation: Explanation) -> Mapping[str, object]:
    """Give the explanation as JSON's values; times in Unix seconds, durations in seconds."""
    application, request = explanation.application, question.request
    return {
        "url": f"{request.scheme}://{request.host}{request.path}",
        "email": question.email,
        "person_id": question.person.id if question.person else None,
        "disabled": question.is_disabled,
        "identity_provider": question.identity_provider,
        "login": login_data(question.login, question.identity_provider),
        "external_evaluations": list(question.evaluations),
        "ip": str(question.address) if question.address else None,
        "portal": question.is_portal,
        "ambiguous_path": explanation.is_ambiguous,
        "application": None
        if application is None
        else {
            "id": application.id,
            "name": application.name,
            "destinations": [str(one) for one in application.destinations],
            "mfa_check": application.mfa_check,
        },
        "policies": [_policy_data(judged) for judged in explanation.policies],
        "mfa": None if explanation.requirement is None else _requirement_data(explanation.requirement),
        "no_mfa_because": explanation.no_mfa,
        "first_enrollment": explanation.first_enrollment,
        "required_aaguids": None if explanation.required_aaguids is None else sorted(explanation.required_aaguids),
        "mfa_sessions": [
            {"method": one.method, "at": one.at, "device": one.device_id, "authenticator_id": one.authenticator_id}
            for one in question.mfa
        ],
        "decisions": {
            "unknown": _decision_data(explanation.unknown),
            "without_mfa": _decision_data(_held(question, explanation.without_mfa)),
            "with_newest_mfa": _decision_data(_held(question, explanation.with_newest)),
        },
    }


def _person_lines(question: Question) -> Iterator[str]:
    if question.person is None:
        known = "has never logged in"
    elif question.person.disabled:
        known = "is disabled, and refused everywhere"
    else:
        known = f"last login {time_text(question.person.last_login_at) or 'unknown'}"
    yield f"person       {question.email}, {known}; judged as coming in by {question.identity_provider}"
    if question.address is not None:
        yield f"address      {question.address}"


def _requirement_lines(requirement: MfaRequirement, check: MfaCheck) -> Iterator[str]:
    methods = " or ".join(requirement.methods) or "no method at all: nothing satisfies this"
    if requirement.max_age_s == 0:
        age = "0m: at every login"
    else:
        age = f"at most {format_duration(requirement.max_age_s)} old"
    when = "at every request" if check is MfaCheck.EVERY_REQUEST else "at login"
    yield f"MFA          required by the {requirement.required_from}"
    yield f"     allowed_authenticators: {methods} (from the {requirement.methods_from}), checked at every request"
    yield f"     session_duration: {age} (from the {requirement.max_age_from}), checked {when}"
    if requirement.has_floor:
        yield "     mfa_floor: applications and policies can only tighten what the organization asks for"


def _model_lines(required_aaguids: frozenset[str] | None) -> Iterator[str]:
    if required_aaguids is not None:
        count = len(required_aaguids)
        models = "one model" if count == 1 else f"{count} models"
        yield f"     required_aaguids: new security keys and biometrics must be of {models}; the identity provider's"
        yield "     own MFA does not count, as it does not tell the model"


def _age_text(age_s: int) -> str:
    minutes = max(0, age_s) // 60
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m" if hours else f"{minutes}m"


def _held(question: Question, decision: Decision | None) -> Decision | None:
    """Give the decision for this person: a disabled one is refused wherever a login is asked for."""
    if not question.is_disabled or decision is None or (isinstance(decision, Allow) and decision.is_of_nobody):
        return decision
    return Refuse(Reason.PERSON_DISABLED)


def _person_decision(question: Question, decision: Decision | None) -> str:
    return _decision_text(_held(question, decision))


def _decision_text(decision: Decision | None) -> str:
    match decision:
        case Allow(policy=policy, by=by):
            proof = f", by {by.method} of {time_text(by.at)}" if by else ""
            return f"allow, by policy {policy.name!r}{proof}"
        case StepUp(requirement=requirement, reason=reason):
            return f"ask for {' or '.join(requirement.methods) or 'what nobody has'}: {_REASONS.get(reason, reason)}"
        case SignIn():
            return "ask to log in"
        case Refuse(reason=Reason.PERSON_DISABLED):
            return "refuse: the person is disabled"
        case Refuse(reason=reason, policy=policy):
            return f"refuse: {_REASONS.get(reason, reason)}" + (f" ({policy.name!r})" if policy else "")
        case _:
            return "none"


def _decision_data(decision: Decision | None) -> Mapping[str, object] | None:
    match decision:
        case Allow(policy=policy, by=by):
            return {"decision": "allow", "policy": policy.name, "by": by.method if by else None}
        case StepUp(policy=policy, reason=reason):
            return {"decision": "step_up", "policy": policy.name, "reason": reason}
        case SignIn(reason=reason):
            return {"decision": "sign_in", "reason": reason}
        case Refuse(reason=reason, policy=refusing):
            return {"decision": "refuse", "policy": refusing.name if refusing else None, "reason": reason}
        case _:
            return None


def _policy_data(judged: JudgedPolicy) -> Mapping[str, object]:
    policy = judged.policy
    return {
        "id": policy.id,
        "name": policy.name,
        "decision": policy.action,
        "precedence": policy.precedence,
        "matched": judged.outcome is Outcome.MATCHED,
        "outcome": judged.outcome,
        "decides": judged.decides,
    }


def _requirement_data(requirement: MfaRequirement) -> Mapping[str, object]:
    return {
        "required_from": requirement.required_from,
        "allowed_authenticators": list(requirement.methods),
        "allowed_authenticators_from": requirement.methods_from,
        "session_duration_s": requirement.max_age_s,
        "session_duration_from": requirement.max_age_from,
        "amr_matching_session_duration_s": requirement.amr_max_age_s,
        "mfa_floor": requirement.has_floor,
    }
