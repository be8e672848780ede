"""Seeing and ending sessions. Ending is deleting: what is not in the live store opens nothing."""

from __future__ import annotations

from secondgate.errors import NotFound, Reason
from secondgate.flows.browser import factor_in_use
from secondgate.flows.services import Services
from secondgate.model.audit import Who
from secondgate.model.session import ApplicationSession, Login
from secondgate.store.ports import ChangeKind, Kind

ALL_KINDS = (
    Kind.LOGIN,
    Kind.APPLICATION_SESSION,
    Kind.MFA_SESSION,
    Kind.DEVICE_WINDOW,
    Kind.PENDING_TOTP,
    Kind.CHALLENGE,
    Kind.HAND_OVER,
)


async def log_out(
    services: Services, login: Login | ApplicationSession, *, everywhere: bool, forget_device: bool, address: str
) -> None:
    """End a login and all application sessions of its browser, or of every browser.

    An application's session, which may outlive the login that it came from, stands for the same browser.
    MFA sessions stay, so that the next login within their duration asks for none, unless `forget_device`.
    """
    factor = await factor_in_use(services, login)
    if everywhere:
        await services.live.delete_owned(
            login.person_id, kinds=tuple(kind for kind in ALL_KINDS if kind is not Kind.MFA_SESSION)
        )
    else:
        await services.live.delete_owned(login.person_id, kinds=(Kind.HAND_OVER,))
        await services.sessions.delete_login(login.id)
        await services.live.delete(Kind.DEVICE_WINDOW, login.id)
        for other in await services.sessions.list_logins(login.person_id):
            if other.device_id == login.device_id:  # under new tokens since the page was loaded
                await services.sessions.delete_login(other.id)
        for session in await services.sessions.list_application_sessions(login.person_id):
            if session.device_id == login.device_id:
                await services.sessions.delete_application_session(session.id)
    if forget_device:
        for mfa in await services.sessions.list_mfa_sessions(login.person_id):
            if everywhere or mfa.device_id == login.device_id:
                await services.sessions.delete_mfa_session(mfa)
    await services.audit(
        "logout.succeeded",
        actor=login.identity.email,
        person_id=login.person_id,
        address=address,
        factor=factor,
        scope="everywhere" if everywhere else "browser",
    )


async def end_sessions(services: Services, person_id: str, *, actor: Who) -> int:
    """End everything live of a person, MFA sessions too; gives how many records there were."""
    ended = await services.live.delete_owned(person_id, kinds=ALL_KINDS)
    await services.audit("sessions.ended", actor=actor, person_id=person_id, count=str(ended))
    return ended


async def end_own_session(services: Services, login: Login, session_id: str) -> None:
    """End one of the person's own logins or application sessions. Raises NotFound."""
    await _end_one(services, login.person_id, session_id)


async def end_session(services: Services, person_id: str, session_id: str, *, actor: Who) -> None:
    """End one login or application session of a person, as an administrator. Raises NotFound."""
    session = await _end_one(services, person_id, session_id)
    host = session.host if isinstance(session, ApplicationSession) else ""
    await services.audit("session.ended", actor=actor, person_id=person_id, device=session.device_id, host=host)


async def _end_one(services: Services, person_id: str, session_id: str) -> Login | ApplicationSession:
    for session in await services.sessions.list_application_sessions(person_id):
        if session.id == session_id:
            await services.sessions.delete_application_session(session_id)
            return session
    for login in await services.sessions.list_logins(person_id):
        if login.id == session_id:
            await services.sessions.delete_login(session_id)
            return login
    raise NotFound(Reason.NOT_FOUND, "there is no such session")


async def list_sessions(services: Services, person_id: str) -> tuple[tuple[Login, ...], tuple[ApplicationSession, ...]]:
    """List a person's logins and application sessions."""
    return await services.sessions.list_logins(person_id), await services.sessions.list_application_sessions(person_id)


async def end_sessions_of_authenticator(services: Services, person_id: str, authenticator_id: str) -> None:
    """End what a deleted authenticator carried; with the last one gone, all application sessions end."""
    is_last = not await services.durable.list_authenticators(person_id)
    for mfa in await services.sessions.list_mfa_sessions(person_id):
        if mfa.authenticator_id == authenticator_id:
            await services.sessions.delete_mfa_session(mfa)
    await services.live.delete_owned(person_id, kinds=(Kind.HAND_OVER,))
    for session in await services.sessions.list_application_sessions(person_id):
        carried = any(mfa.authenticator_id == authenticator_id for grant in session.grants for mfa in grant.mfa)
        if is_last or carried:
            await services.sessions.delete_application_session(session.id)


async def delete_authenticators(
    services: Services, person_id: str, *, actor: Who, authenticator_id: str | None = None
) -> int:
    """Delete one authenticator of a person, or all, as an administrator; gives how many. Raises NotFound."""
    ids = [a.id for a in await services.durable.list_authenticators(person_id)]
    if authenticator_id is not None:
        if authenticator_id not in ids:
            raise NotFound(Reason.NOT_FOUND, "this person has no such authenticator")
        ids = [authenticator_id]
    deleted = 0
    for one in ids:
        deleted += await services.durable.delete_authenticator(person_id, one)
        await end_sessions_of_authenticator(services, person_id, one)
        await services.audit("authenticator.deleted", actor=actor, person_id=person_id, id=one)
    await services.tell(ChangeKind.PERSON, person_id)
    # A window that the authenticator opened in somebody else's hands closes with it.
    await services.live.delete_owned(person_id, kinds=(Kind.DEVICE_WINDOW,))
    return deleted


async def set_person_disabled(services: Services, person_id: str, *, disabled: bool, actor: Who) -> None:
    """Disable a person, which ends all that is theirs and live, or enable one. Raises NotFound."""
    if not await services.durable.change_person(person_id, disabled=disabled, now=services.now()):
        raise NotFound(Reason.NOT_FOUND)
    await services.tell(ChangeKind.PERSON, person_id)
    await services.audit("person.disabled" if disabled else "person.enabled", actor=actor, person_id=person_id)
    if disabled:
        await services.durable.delete_pass(person_id)
        await end_sessions(services, person_id, actor=actor)


async def delete_person(services: Services, person_id: str, *, actor: Who) -> None:
    """Delete a person with factors and sessions. Raises NotFound."""
    if not await services.durable.delete_person(person_id):
        raise NotFound(Reason.NOT_FOUND)
    await services.tell(ChangeKind.PERSON, person_id)
    await services.audit("person.deleted", actor=actor, person_id=person_id)
    await end_sessions(services, person_id, actor=actor)
