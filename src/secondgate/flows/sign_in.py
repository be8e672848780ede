"""A login at the portal: from an identity that something vouched for to a person known in this browser."""

from __future__ import annotations

from dataclasses import replace

from secondgate.errors import Forbidden, Reason
from secondgate.flows.browser import Browser, RenewedLogin, renew_device
from secondgate.flows.services import Services
from secondgate.flows.window import move_window
from secondgate.model.person import Identity
from secondgate.model.session import Login
from secondgate.protocol.opaque_token import new_token, token_hash
from secondgate.store.ports import Kind


async def sign_in(services: Services, browser: Browser, identity: Identity) -> RenewedLogin:
    """Log a person in under new tokens; the person is made at the first login.

    Raises Forbidden(PERSON_DISABLED), Unavailable.
    """
    now = services.now()
    person = await services.durable.find_or_create_person(
        new_id=services.new_id(), email=identity.email, name=identity.name, now=now
    )
    address = str(browser.address)
    if person.disabled:
        await services.audit("login.refused", actor=person.email, person_id=person.id, address=address)
        raise Forbidden(Reason.PERSON_DISABLED)
    if browser.login is not None:
        await services.sessions.delete_login(browser.login.id)
    device_id, device_token = await renew_device(services, browser.device_token_id)
    login_token = new_token(services.random_bytes)
    expires_at = now + services.access().rulebook.organization.session_duration_s
    login = Login(token_hash(login_token), person.id, device_id, identity, now, expires_at)
    await services.sessions.save_login(login, now=now)
    # Looked at again after the login was written: whoever disables or deletes a person lists logins afterwards.
    person_now = await services.durable.load_person(person.id)
    if person_now is None or person_now.disabled:
        await services.sessions.delete_login(login.id)
        raise Forbidden(Reason.PERSON_DISABLED)
    await services.audit(
        "login.succeeded", actor=person.email, person_id=person.id, address=address, source=identity.source
    )
    return RenewedLogin(login, login_token, device_token)


async def renew_login(services: Services, browser: Browser, login: Login) -> RenewedLogin:
    """Give a login new tokens, as after every MFA (session fixation); the old ones stop working.

    The new login is written before the old one is used up, so that whoever ends logins meanwhile finds one of them.
    Raises Forbidden(SESSION_ENDED) when the login ended meanwhile: a login that was ended is not renewed.
    """
    login_token = new_token(services.random_bytes)
    renewed = replace(login, id=token_hash(login_token))
    await services.sessions.save_login(renewed, now=services.now())
    if await services.live.claim(Kind.LOGIN, login.id) is None:
        await services.sessions.delete_login(renewed.id)
        raise Forbidden(Reason.SESSION_ENDED, "the login ended meanwhile")
    _, device_token = await renew_device(services, browser.device_token_id)
    await move_window(services, old=login, new=renewed)
    return RenewedLogin(renewed, login_token, device_token)
