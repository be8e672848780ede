"""One check, from what was asked to a decision. Reads at most one live session; writes audit, and whom tokens name.

Of somebody who brings nothing that could prove who it is, nothing is read and nothing written: `verify_nobody`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from secondgate.errors import Reason
from secondgate.flows.application_session import load_application_session
from secondgate.flows.jwt_login import decide_by_jwt, identity_of_jwt
from secondgate.flows.services import Services
from secondgate.model.access import Access
from secondgate.model.application import AmbiguousPathError, Application
from secondgate.model.audit import Actor, ActorKind
from secondgate.model.decision import (
    Allow,
    Decision,
    Evidence,
    Refuse,
    SignIn,
    Stage,
    allowed_until,
    decide,
    lacks_claims,
)
from secondgate.model.person import Identity
from secondgate.model.policy import Address, PolicyAction, Visitor
from secondgate.model.session import ApplicationSession, Grant
from secondgate.protocol.forwarded import OriginalRequest
from secondgate.protocol.presented_jwt import PresentedJwt
from secondgate.protocol.service_token import PresentedServiceToken


@dataclass(frozen=True, slots=True)
class Question:
    """What a proxy asks.

    `token` is the host's cookie, `presented_identity` what a trusted proxy says of the person, `jwts` are tokens of
    other login systems, `service_token` is what a machine says that it is.
    """

    original: OriginalRequest
    token: str | None
    address: Address
    presented_identity: Identity | None = None
    jwts: tuple[PresentedJwt, ...] = ()
    service_token: PresentedServiceToken | None = None
    is_preflight: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision, and what the application is told: who it is, where anybody is known, and the signed assertion.

    `session_id` and `lasts_until` (Unix seconds, exclusive) are set where nothing but the end of that session, that
    time and a change of the settings makes another decision of the same question.
    """

    decision: Decision
    application: Application | None = None
    identity: Identity | None = None
    assertion: str = ""
    session_id: str = ""
    lasts_until: float = 0.0


async def verify(services: Services, question: Question) -> Verdict:
    """Decide one request. Raises Unavailable when the live store cannot be asked; nothing is concluded then.

    Whoever came in a way that the application does not allow may have another one: the portal offers it.
    """
    verdict = await _decide(services, question)
    match verdict.decision:
        case Refuse(Reason.IDENTITY_PROVIDER_NOT_ALLOWED as reason):
            return Verdict(SignIn(reason), verdict.application)
        case _:
            return verdict


def verify_nobody(services: Services, question: Question, application: Application) -> Verdict:
    """Decide a request by the settings alone: of nobody, or of a machine. Reads and writes nothing.

    SignIn where somebody who is known may be let through.
    """
    visitor = _anonymous(services, question, now=services.now())
    return _verify_nobody(services, application, visitor)


def _verify_nobody(services: Services, application: Application, visitor: Visitor) -> Verdict:
    rulebook, now = services.access().rulebook, services.now()
    decision = decide(rulebook, application, visitor, Evidence(), stage=Stage.REQUEST, now=now)
    return _of_nobody(services, decision, application, visitor)


async def _decide(services: Services, question: Question) -> Verdict:
    access = services.access()
    try:
        application = access.index.find(question.original.host, question.original.path)
    except AmbiguousPathError:
        return Verdict(Refuse(Reason.AMBIGUOUS_PATH))
    if application is None:
        return Verdict(Refuse(Reason.NO_APPLICATION))
    now = services.now()
    anonymous = _anonymous(services, question, now=now)
    of_nobody = _verify_nobody(services, application, anonymous)
    decision = of_nobody.decision
    if isinstance(decision, Allow):
        return of_nobody
    if question.token is None:
        return await _verify_jwt(services, question, application, anonymous) or of_nobody
    session = await load_application_session(services, token=question.token, host=question.original.host)
    if session is None:
        ended = Verdict(_unknown(anonymous, decision, Reason.SESSION_ENDED), application)
        return await _verify_jwt(services, question, application, anonymous) or ended
    if await _is_another_person(services, question, session):
        return Verdict(SignIn(Reason.IDENTITY_MISMATCH), application)
    grant = session.grant_for(application)
    if grant is None or grant.expires_at <= now:
        unknown = Verdict(_unknown(anonymous, decision, Reason.NO_SESSION), application)
        return await _verify_jwt(services, question, application, anonymous) or unknown
    return _verify_grant(access, application, session, grant, anonymous, now=now)


def _verify_grant(
    access: Access, application: Application, session: ApplicationSession, grant: Grant, visitor: Visitor, *, now: int
) -> Verdict:
    """Decide by what was granted at the login, under today's policies."""
    asked = {one.rule for one in grant.evaluations}
    if not access.evaluations[application.id] <= asked or lacks_claims(session.identity, access.claims[application.id]):
        return Verdict(SignIn(Reason.NO_SESSION), application)  # a rule that was never asked about this person
    said_yes = frozenset(one.rule for one in grant.evaluations if one.said_yes)
    decision = decide(
        access.rulebook,
        application,
        replace(visitor, identity=session.identity, evaluations=said_yes),
        Evidence(grant.mfa, login_began_at=None),
        stage=Stage.REQUEST,
        now=now,
    )
    if not isinstance(decision, Allow):
        return Verdict(decision, application, session.identity, grant.assertion)
    lasts_until = min(session.expires_at, grant.expires_at, allowed_until(application, decision))
    return Verdict(decision, application, session.identity, grant.assertion, session.id, lasts_until)


async def _verify_jwt(
    services: Services, question: Question, application: Application, visitor: Visitor
) -> Verdict | None:
    """Decide by a token of another login system; None where none proves anything. Raises Unavailable."""
    proven = await services.jwts.prove(question.jwts)
    if proven is None:
        return None
    named = question.presented_identity
    if named is not None and named.email != proven.identity.email:
        return Verdict(SignIn(Reason.IDENTITY_MISMATCH), application)
    found = await decide_by_jwt(services, application, proven, visitor)
    return Verdict(found.decision, application, found.identity, found.assertion)


def _anonymous(services: Services, question: Question, *, now: int) -> Visitor:
    """Give what is known of whoever asks before any person is: an address, and a service token if one is proved."""
    presented = question.service_token
    if presented is None:
        return Visitor(question.address, is_preflight=question.is_preflight)
    token = services.service_tokens.find(presented, now=now)
    return Visitor(
        question.address, service_token=token, presents_service_token=True, is_preflight=question.is_preflight
    )


def _unknown(visitor: Visitor, decision: Decision, reason: Reason) -> Decision:
    """Ask for a login, where a cookie stands for none; a machine is told what it would be told without a cookie."""
    is_machine = isinstance(decision, SignIn) and decision.is_machine
    return decision if is_machine or visitor.presents_service_token else SignIn(reason)


def _of_nobody(services: Services, decision: Decision, application: Application, visitor: Visitor) -> Verdict:
    """Give a decision for which no person's identity was looked at; the application is told which machine it is."""
    token = visitor.service_token
    is_machine = isinstance(decision, Allow) and decision.policy.action is PolicyAction.SERVICE_AUTH
    if token is None or not is_machine:
        return Verdict(decision, application)
    assertion = services.machine_assertions.assertion(
        token, application, keys=services.keys, issuer=services.portal_origin, now=services.now()
    )
    return Verdict(decision, application, assertion=assertion)


async def _is_another_person(services: Services, question: Question, session: ApplicationSession) -> bool:
    presented = question.presented_identity or await identity_of_jwt(services, question.jwts)
    if presented is None or presented.email == session.identity.email:
        return False
    await services.audit_seldom(
        "identity.mismatch",
        of=f"{session.id}:{presented.email}",
        actor=Actor(ActorKind.PERSON, presented.email),
        person_id=session.person_id,
        address=str(question.address),
        host=session.host,
    )
    return True
