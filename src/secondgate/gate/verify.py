"""One check, from what was asked to a decision. Reads at most one live session; writes nothing but audit events."""

from __future__ import annotations

from dataclasses import dataclass

from secondgate.errors import Reason
from secondgate.flows.application_session import load_application_session
from secondgate.flows.services import Services
from secondgate.model.application import AmbiguousPathError, Application
from secondgate.model.decision import Allow, Decision, Evidence, Refuse, SignIn, Stage, decide
from secondgate.model.person import Identity
from secondgate.model.policy import Address, Criteria, Everyone, Policy, PolicyAction, Visitor
from secondgate.model.session import ApplicationSession
from secondgate.protocol.forwarded import OriginalRequest


@dataclass(frozen=True, slots=True)
class Question:
    """What a proxy asks. `token` is the host's cookie, `presented_identity` what a trusted proxy says of the person."""

    original: OriginalRequest
    token: str | None
    address: Address
    presented_identity: Identity | None = None
    is_preflight: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision, and what the application is told: who it is, where anybody is known, and the signed assertion."""

    decision: Decision
    application: Application | None = None
    identity: Identity | None = None
    assertion: str = ""


async def verify(services: Services, question: Question) -> Verdict:
    """Decide one request. Raises Unavailable when the live store cannot be asked; nothing is concluded then."""
    access = services.access()
    try:
        application = access.index.find(question.original.host, question.original.path)
    except AmbiguousPathError:
        return Verdict(Refuse(Reason.AMBIGUOUS_PATH))
    if application is None:
        return Verdict(Refuse(Reason.NO_APPLICATION))
    now = services.now()
    anonymous = Visitor(question.address)
    decision = decide(access.rulebook, application, anonymous, Evidence(), stage=Stage.REQUEST, now=now)
    if question.is_preflight and application.options_preflight_bypass:
        decision = _preflight(application)
    if isinstance(decision, Allow) or question.token is None:
        return Verdict(decision, application)
    session = await load_application_session(services, token=question.token, host=question.original.host)
    if session is None:
        return Verdict(SignIn(Reason.SESSION_ENDED), application)
    if await _is_another_person(services, question, session):
        return Verdict(SignIn(Reason.IDENTITY_MISMATCH), application)
    grant = session.grant_for(application.id)
    if grant is None or grant.expires_at <= now:
        return Verdict(SignIn(Reason.NO_SESSION), application)
    if not access.evaluations[application.id] <= {one.rule for one in grant.evaluations}:
        return Verdict(SignIn(Reason.NO_SESSION), application)  # a rule that was never asked about this person
    said_yes = frozenset(one.rule for one in grant.evaluations if one.said_yes)
    decision = decide(
        access.rulebook,
        application,
        Visitor(question.address, session.identity, evaluations=said_yes),
        Evidence(grant.mfa, login_began_at=None),
        stage=Stage.REQUEST,
        now=now,
    )
    return Verdict(decision, application, session.identity, grant.assertion)


def _preflight(application: Application) -> Allow:
    """A CORS preflight carries no cookies, so an application may let all of them through (Fetch, section 4.8)."""
    policy = Policy(application.id, "options_preflight_bypass", PolicyAction.BYPASS, Criteria((Everyone(),)), 0)
    return Allow(policy)


async def _is_another_person(services: Services, question: Question, session: ApplicationSession) -> bool:
    presented = question.presented_identity
    if presented is None or presented.email == session.identity.email:
        return False
    await services.audit_seldom(
        "identity.mismatch",
        of=f"{session.id}:{presented.email}",
        actor=presented.email,
        person_id=session.person_id,
        address=str(question.address),
        host=session.host,
    )
    return True
