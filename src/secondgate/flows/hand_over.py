"""From a login at the portal to a session at an application's host.

The portal makes a single-use code (30 s); the application's host redeems it with the nonce cookie that began
the login, and sets its own cookie. The session holds a grant for the application, and for those of the same
host that would let the person in without asking anything more, each with its own assertion for its upstream.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from secondgate.errors import Forbidden, Reason, Rejected
from secondgate.flows.assertion import sign_assertion
from secondgate.flows.browser import Browser, audit, factor_of
from secondgate.flows.external_evaluation import load_evaluations
from secondgate.flows.login_request import REQUEST_TTL_S, LoginRequest
from secondgate.flows.proof import load_evidence
from secondgate.flows.services import Services
from secondgate.model.application import Application
from secondgate.model.audit import NO_FACTOR
from secondgate.model.decision import (
    Allow,
    Decision,
    Evidence,
    Refuse,
    SignIn,
    Stage,
    decide,
    lacks_claims,
    mfa_young_enough,
)
from secondgate.model.person import Identity
from secondgate.model.policy import Visitor
from secondgate.model.session import ApplicationSession, Evaluation, Grant, Login, MfaSession
from secondgate.protocol.jwt import TokenKind
from secondgate.protocol.opaque_token import new_token, token_hash
from secondgate.store.ports import Kind
from secondgate.store.sessions import decode, encode

HAND_OVER_TTL_S = 30


@dataclass(frozen=True, slots=True)
class HandOver:
    """What a hand-over code stands for."""

    host: str
    nonce_hash: str
    return_path: str
    person_id: str
    device_id: str
    login: Login
    grants: tuple[Grant, ...]


@dataclass(frozen=True, slots=True)
class HandedOver:
    """The cookie's token for the application's host, how long it lives, and where the person wanted to go."""

    token: str
    max_age_s: int
    return_path: str


async def decide_login(
    services: Services, browser: Browser, login: Login, request: LoginRequest
) -> tuple[Decision, Evidence, Application | None]:
    """Decide whether this login may go on to the application now. Raises Unavailable, TooManyAttempts.

    SignIn asks for a new login at the same provider, which was not asked yet for a claim that a policy looks at.
    """
    access = services.access()
    application = access.by_id.get(request.application_id)
    if application is None or application not in access.index.at_host(request.host):
        return Refuse(Reason.NO_APPLICATION), Evidence(), None
    provider_id = login.identity.identity_provider_id
    is_accepted = not application.allowed_idps or provider_id in application.allowed_idps
    if is_accepted and lacks_claims(login.identity, access.claims[application.id]):
        return SignIn(Reason.NO_SESSION), Evidence(), application
    evidence = await load_evidence(services, login, login_began_at=request.at)
    evidence = replace(evidence, spent=await _load_spent(services, evidence, request))
    evaluations = await load_evaluations(services, login, request)
    said_yes = frozenset(one.rule for one in evaluations if one.said_yes)
    visitor = Visitor(browser.address, login.identity, evaluations=said_yes)
    decision = decide(access.rulebook, application, visitor, evidence, stage=Stage.LOGIN, now=services.now())
    return decision, evidence, application


async def begin_hand_over(
    services: Services, browser: Browser, login: Login, request: LoginRequest, *, decision: Allow, evidence: Evidence
) -> str:
    """Use up the login request and give the URL that finishes the login at the application's host.

    Raises Rejected(UNKNOWN_OR_USED) when the request was used before, or its proof, where each login asks for one of
    its own; Forbidden(NO_APPLICATION) when there is
    nothing to log in to: everybody may pass, or the settings changed meanwhile.
    """
    if not await services.live.claim_once(Kind.USED, request.id, ttl_s=REQUEST_TTL_S):
        raise Rejected(Reason.UNKNOWN_OR_USED, "this login was completed already")
    proof = _proof_of_one_login(decision)
    if proof and not await services.live.claim_once(Kind.USED, _proof_key(proof), ttl_s=REQUEST_TTL_S):
        raise Rejected(Reason.UNKNOWN_OR_USED, "another login used this proof already")
    evaluations = await load_evaluations(services, login, request)
    grants = _grants(services, browser, login, request, decision=decision, evidence=evidence, evaluations=evaluations)
    if not grants:
        raise Forbidden(Reason.NO_APPLICATION, "there is nothing to log in to")
    code = new_token(services.random_bytes)
    value = HandOver(
        request.host, request.nonce_hash, request.return_path, login.person_id, login.device_id, login, grants
    )
    await services.live.save(
        Kind.HAND_OVER, token_hash(code), encode(value), ttl_s=HAND_OVER_TTL_S, owner=login.person_id
    )
    await audit(
        services,
        browser,
        login,
        "application.login",
        factor=factor_of(decision.by) if decision.by else NO_FACTOR,
        **login_detail(services.access().by_id.get(request.application_id), login.identity),
        policy=decision.policy.id,
        method=decision.by.method if decision.by else "",
        proved_at=_where(decision),
    )
    return f"{services.origin_of(request.host)}/.secondgate/callback?{urlencode({'code': code})}"


def login_detail(application: Application | None, identity: Identity) -> dict[str, str]:
    """Give what the audit log says of a login to an application: to which, and who vouched for the person."""
    connection = {"connection": identity.source.value, "identity_provider": identity.identity_provider_id}
    if application is None:
        return {"application": "", "application_name": "", "domain": "", **connection}
    domain = str(application.destinations[0]) if application.destinations else ""
    return {"application": application.id, "application_name": application.name, "domain": domain, **connection}


def _proof_of_one_login(decision: Allow) -> MfaSession | None:
    """Give the proof that is good for this login alone, where each login asks for one of its own."""
    requirement, by = decision.requirement, decision.by
    if requirement is None or by is None:
        return None
    max_age_s = requirement.amr_max_age_s if by.is_from_identity_provider else requirement.max_age_s
    return by if max_age_s == 0 else None


async def _load_spent(services: Services, evidence: Evidence, request: LoginRequest) -> frozenset[MfaSession]:
    """Find the proofs since a login began that another login used up; older ones do not count for it anyway."""
    fresh = [mfa for mfa in evidence.mfa if mfa.at >= request.at]
    if fresh and await services.live.load(Kind.USED, request.id) is not None:
        return frozenset()  # this very login is complete: `begin_hand_over` says so, and nobody is asked once more
    return frozenset([mfa for mfa in fresh if await services.live.load(Kind.USED, _proof_key(mfa)) is not None])


def _proof_key(mfa: MfaSession) -> str:
    # All that an identity provider vouches for at once is one proof
    kind = "identity_provider" if mfa.is_from_identity_provider else mfa.method
    return f"proof:{mfa.person_id}:{mfa.device_id}:{kind}:{mfa.at}"


def _where(decision: Allow) -> str:
    if decision.by is None:
        return ""
    return "identity_provider" if decision.by.is_from_identity_provider else "secondgate"


async def complete_hand_over(
    services: Services, *, host: str, code: str, nonce: str | None, old: ApplicationSession | None
) -> HandedOver:
    """Redeem a code, once and whatever comes of it, for a session at this host.

    Raises Forbidden: UNKNOWN_OR_USED, OTHER_BROWSER (the nonce cookie is missing or another's), UNKNOWN_HOST,
    PERSON_DISABLED, SESSION_ENDED (an authenticator or the login ended meanwhile).
    """
    value = decode(HandOver, await services.live.claim(Kind.HAND_OVER, token_hash(code)))
    if value is None:
        raise Forbidden(Reason.UNKNOWN_OR_USED)
    if nonce is None or not hmac.compare_digest(token_hash(nonce), value.nonce_hash):
        raise Forbidden(Reason.OTHER_BROWSER)
    if host != value.host:
        raise Forbidden(Reason.UNKNOWN_HOST)
    # Used up before its grants are kept: what others ended meanwhile does not come back.
    if old is not None and not await services.sessions.delete_application_session(old.id):
        old = None
    now = services.now()
    grants = value.grants + _kept_grants(old, value, now=now)
    identifier = new_token(services.random_bytes)
    session = ApplicationSession(
        id=token_hash(identifier),
        host=host,
        person_id=value.person_id,
        device_id=value.device_id,
        identity=value.login.identity,
        created_at=now,
        expires_at=max(grant.expires_at for grant in grants),
        grants=grants,
    )
    await services.sessions.save_application_session(session, now=now)
    await _verify_still_valid(services, session)
    claims = {
        "iss": services.portal_origin,
        "aud": services.origin_of(host),
        "sub": value.person_id,
        "sid": identifier,
        "iat": now,
        "exp": session.expires_at,
    }
    return HandedOver(services.keys.sign(TokenKind.SESSION, claims), session.expires_at - now, value.return_path)


async def _verify_still_valid(services: Services, session: ApplicationSession) -> None:
    """Look at what may have ended since the code was made, after the session was written.

    Whoever disables, deletes or revokes does so first and lists sessions then: one of the two sees the other.
    """
    person = await services.durable.load_person(session.person_id)
    reason = None
    if person is None or person.disabled:
        reason = Reason.PERSON_DISABLED
    else:
        existing = {a.id for a in await services.durable.list_authenticators(person.id)}
        logins = await services.sessions.list_logins(person.id)
        own = [mfa for grant in session.grants for mfa in grant.mfa if not mfa.is_from_identity_provider]
        if any(mfa.authenticator_id not in existing for mfa in own) or not any(
            login.device_id == session.device_id for login in logins
        ):
            reason = Reason.SESSION_ENDED
    if reason is not None:
        await services.sessions.delete_application_session(session.id)
        raise Forbidden(reason)


def _kept_grants(old: ApplicationSession | None, value: HandOver, *, now: int) -> tuple[Grant, ...]:
    """Keep the grants of the session that is replaced, of the same person in the same browser."""
    if old is None or (old.host, old.person_id, old.device_id) != (value.host, value.person_id, value.device_id):
        return ()
    renewed = {grant.application_id for grant in value.grants}
    return tuple(grant for grant in old.grants if grant.application_id not in renewed and grant.expires_at > now)


def _grants(
    services: Services,
    browser: Browser,
    login: Login,
    request: LoginRequest,
    *,
    decision: Allow,
    evidence: Evidence,
    evaluations: tuple[Evaluation, ...],
) -> tuple[Grant, ...]:
    access, now = services.access(), services.now()
    grants = []
    for application in access.index.at_host(request.host):
        verdict: Decision = decision
        if application.id != request.application_id:
            if access.evaluations[application.id]:
                continue  # those are asked when somebody logs in to it
            visitor = Visitor(browser.address, login.identity)
            known = Evidence(evidence.mfa)
            verdict = decide(access.rulebook, application, visitor, known, stage=Stage.LOGIN, now=now)
        if isinstance(verdict, Allow) and not verdict.is_of_nobody:
            # Where nothing is asked for, an old proof says nothing: neither to the application, nor here later.
            max_age_s = access.rulebook.organization.mfa.session_duration_s
            own = (mfa for mfa in evidence.mfa if not mfa.is_from_identity_provider)
            young = tuple(mfa for mfa in own if now - mfa.at < max_age_s)
            if verdict.requirement is not None:
                young = mfa_young_enough(verdict.requirement, evidence, now=now)
            said = evaluations if application.id == request.application_id else ()
            grants.append(replace(_grant(services, login, application, verdict, young), evaluations=said))
    return tuple(grants)


def _grant(
    services: Services, login: Login, application: Application, verdict: Allow, mfa: tuple[MfaSession, ...]
) -> Grant:
    now = services.now()
    expires_at = now + (verdict.policy.session_duration_s or application.session_duration_s)
    assertion = sign_assertion(services, login, application, mfa=mfa, expires_at=expires_at)
    return Grant(application.id, now, expires_at, mfa, assertion, revocation=application.revocation)
