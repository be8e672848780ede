"""What a signed token of another login system opens at the gate: it is a login that lasts for one request.

The issuer's own MFA counts as it does at the portal; an MFA made here never does, since no browser is known. Everything
found out is remembered for five seconds, within which a person who is disabled is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import structlog

from secondgate.errors import Forbidden, Reason, Unavailable
from secondgate.flows.assertion import sign_assertion
from secondgate.flows.browser import Browser
from secondgate.flows.openid_connect import log_amr
from secondgate.flows.presented_jwts import ProvenJwt
from secondgate.flows.services import Services
from secondgate.flows.sign_in import find_person
from secondgate.model.amr import identity_provider_mfa
from secondgate.model.application import Application
from secondgate.model.decision import Allow, Decision, Evidence, Refuse, SignIn, Stage, decide, mfa_young_enough
from secondgate.model.person import Identity
from secondgate.model.policy import Address, Visitor
from secondgate.model.session import Login
from secondgate.protocol.presented_jwt import PresentedJwt

log = structlog.get_logger("secondgate.flows")


@dataclass(frozen=True, slots=True)
class JwtDecision:
    """What was decided; identity and assertion are set where the request is let through."""

    decision: Decision
    identity: Identity | None = None
    assertion: str = ""


async def decide_by_jwt(
    services: Services, application: Application, proven: ProvenJwt, visitor: Visitor
) -> JwtDecision:
    """Decide a request without a session of ours by what its token proved; `visitor` is what is known besides.

    Raises Unavailable.
    """
    login = await _load_login(services, proven, visitor.address)
    if not isinstance(login, Login):
        return JwtDecision(login)
    access, now = services.access(), services.now()
    if access.evaluations[application.id]:
        return JwtDecision(SignIn(Reason.NO_SESSION))  # those are asked when somebody logs in at the portal
    evidence = Evidence(identity_provider_mfa(login))
    person = replace(visitor, identity=login.identity)
    decision = decide(access.rulebook, application, person, evidence, stage=Stage.LOGIN, now=now)
    if not isinstance(decision, Allow):
        return JwtDecision(decision)
    remembered = services.jwts.assertions.get((proven.id, application.id))
    if remembered is not None and remembered.value[:2] == (application, decision):
        return JwtDecision(decision, login.identity, remembered.value[2])
    mfa = mfa_young_enough(decision.requirement, evidence, now=now) if decision.requirement is not None else ()
    duration_s = decision.policy.session_duration_s or application.session_duration_s
    expires_at = min(now + duration_s, proven.expires_at)
    assertion = sign_assertion(services, login, application, mfa=mfa, expires_at=expires_at)
    services.jwts.assertions.put((proven.id, application.id), (application, decision, assertion))
    return JwtDecision(decision, login.identity, assertion)


async def identity_of_jwt(services: Services, presented: tuple[PresentedJwt, ...]) -> Identity | None:
    """Give whom a token names beside a session or a login; those go on while its keys cannot be had."""
    try:
        proven = await services.jwts.prove(presented)
    except Unavailable:
        return None
    return proven.identity if proven is not None else None


async def _load_login(services: Services, proven: ProvenJwt, address: Address) -> Login | SignIn | Refuse:
    return await services.jwts.logins.find(proven.id, lambda: _find_login(services, proven, address))


async def _find_login(services: Services, proven: ProvenJwt, address: Address) -> Login | SignIn | Refuse:
    """Find the person of a token, made at the first one.

    A token whose person was deleted is nobody's from then on; the next one makes somebody new.
    """
    seen = services.jwts.person_ids.get(proven.id)
    if seen is not None and await services.durable.load_person(seen.value) is None:
        return Refuse(Reason.PERSON_DISABLED)
    try:
        person = await find_person(services, Browser("", "", address), proven.identity, vouched_at=proven.issued_at)
    except Forbidden as error:
        log.warning("jwt.person_refused", issuer=proven.identity.issuer, reason=error.reason, detail=error.detail)
        # who it is can still be shown at the portal in the way in which the address is known
        return SignIn(error.reason) if error.reason is Reason.IDENTITY_NOT_JOINED else Refuse(error.reason)
    services.jwts.person_ids.put(proven.id, person.id)
    now = services.now()
    login = Login("", person.id, "", proven.identity, min(proven.issued_at, now), proven.expires_at)
    if seen is None:
        await services.durable.save_last_login(person.id, name=proven.identity.name, now=now)
        log.info("jwt.accepted", issuer=proven.identity.issuer, person_id=person.id, address=str(address))
        log_amr(services, login)
    return login
