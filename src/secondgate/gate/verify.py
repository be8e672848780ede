"""One check, from what was asked to a decision. Reads at most one live session; writes audit, and whom tokens name."""

from __future__ import annotations

from dataclasses import dataclass, replace

from secondgate.errors import Reason
from secondgate.flows.application_session import load_application_session
from secondgate.flows.jwt_login import decide_by_jwt, identity_of_jwt
from secondgate.flows.services import Services
from secondgate.model.application import AmbiguousPathError, Application
from secondgate.model.audit import Actor, ActorKind
from secondgate.model.decision import Allow, Decision, Evidence, Refuse, SignIn, Stage, decide, lacks_claims
from secondgate.model.person import Identity
from secondgate.model.policy import Address, PolicyAction, Visitor
from secondgate.model.session import ApplicationSession
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
    """The decision, and what the application is told: who it is, where anybody is known, and the signed assertion."""

    decision: Decision
    application: Application | None = None
    identity: Identity | None = None
    assertion: str = ""


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
    decision = decide(access.rulebook, application, anonymous, Evidence(), stage=Stage.REQUEST, now=now)
    if isinstance(decision, Allow):
        return _of_nobody(services, decision, application, anonymous)
    if question.token is None:
        return await _verify_jwt(services, question, application, anonymous) or Verdict(decision, application)
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
    asked = {one.rule for one in grant.evaluations}
    if not access.evaluations[application.id] <= asked or lacks_claims(session.identity, access.claims[application.id]):
        return Verdict(SignIn(Reason.NO_SESSION), application)  # a rule that was never asked about this person
    said_yes = frozenset(one.rule for one in grant.evaluations if one.said_yes)
    decision = decide(
        access.rulebook,
        application,
        replace(anonymous, identity=session.identity, evaluations=said_yes),
        Evidence(grant.mfa, login_began_at=None),
        stage=Stage.REQUEST,
        now=now,
    )
    return Verdict(decision, application, session.identity, grant.assertion)


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


def _of_nobody(services: Services, decision: Allow, application: Application, visitor: Visitor) -> Verdict:
    """Let through what no person's identity was looked at for; the application is told which machine it is."""
    token = visitor.service_token
    if token is None or decision.policy.action is not PolicyAction.SERVICE_AUTH:
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
