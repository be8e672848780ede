"""What follows when a person has proved a method: an MFA session, and new tokens for the browser."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from secondgate.errors import Forbidden, NotFound, Reason
from secondgate.flows.browser import Browser, RenewedLogin
from secondgate.flows.services import Services
from secondgate.flows.sign_in import renew_login
from secondgate.model.amr import identity_provider_mfa
from secondgate.model.decision import Evidence
from secondgate.model.person import Authenticator
from secondgate.model.session import Login, MfaSession


class Purpose(StrEnum):
    """What a proof is for; a proof made for one purpose serves no other."""

    APPLICATION = "application"
    DEVICES = "devices"


@dataclass(frozen=True, slots=True)
class Ceremony:
    """What a WebAuthn challenge is bound to, besides the browser's login. `challenge` is base64url."""

    login_id: str
    person_id: str
    kind: str
    purpose: str
    method: str
    application_id: str
    challenge: str


async def complete_proof(
    services: Services, browser: Browser, login: Login, authenticator: Authenticator
) -> RenewedLogin:
    """Write the MFA session of a proof, remember the method, and renew the login.

    Raises Forbidden(SESSION_ENDED) when the login ended meanwhile, NotFound when the authenticator was
    deleted meanwhile: the MFA session is written before either is looked at, so that whoever deletes
    sees it or is seen.
    """
    renewed = await renew_login(services, browser, login)
    session = MfaSession(
        login.person_id, renewed.login.device_id, authenticator.method, authenticator.id, services.now()
    )
    await services.sessions.save_mfa_session(session)
    if await services.sessions.load_login(renewed.login.id) is None:
        await services.sessions.delete_mfa_session(session)
        raise Forbidden(Reason.SESSION_ENDED, "the login ended meanwhile")
    if await services.durable.load_authenticator(login.person_id, authenticator.id) is None:
        await services.sessions.delete_mfa_session(session)
        raise NotFound(Reason.NOT_FOUND, "the authenticator was deleted meanwhile")
    await services.durable.save_last_method(login.person_id, authenticator.method)
    return renewed


async def load_evidence(services: Services, login: Login, *, login_began_at: int | None) -> Evidence:
    """Give the proofs of this login: MFA sessions of this browser, and the MFA that the identity provider vouches for.

    An MFA session counts only while its authenticator exists.
    """
    existing = {authenticator.id for authenticator in await services.durable.list_authenticators(login.person_id)}
    sessions = tuple(
        session
        for session in await services.sessions.list_mfa_sessions(login.person_id)
        if session.device_id == login.device_id and session.authenticator_id in existing
    )
    return Evidence((*sessions, *identity_provider_mfa(login)), login_began_at)
