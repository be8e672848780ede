"""A login at the portal: from an identity that something vouched for to a person known in this browser."""

from __future__ import annotations

from dataclasses import replace

from secondgate.errors import Forbidden, Reason
from secondgate.flows.browser import Browser, RenewedLogin, renew_device
from secondgate.flows.provider_logout import seal_id_token
from secondgate.flows.services import Services
from secondgate.flows.window import load_window, move_window
from secondgate.model.person import Identity, Person
from secondgate.model.session import Login
from secondgate.protocol.opaque_token import new_token, token_hash
from secondgate.store.ports import Kind


async def sign_in(services: Services, browser: Browser, identity: Identity, *, kept_id_token: str = "") -> RenewedLogin:
    """Log a person in under new tokens; the person is made at the first login.

    `kept_id_token` is sealed and kept with the login, for logging out at the provider.

    Raises Forbidden: PERSON_DISABLED; IDENTITY_NOT_JOINED and IDENTITY_MISMATCH as `_find_by_subject`. Raises
    Unavailable.
    """
    now = services.now()
    if identity.subject:
        await _find_by_subject(services, browser, identity)
    person = await services.durable.find_or_create_person(
        new_id=services.new_id(), email=identity.email, name=identity.name, now=now
    )
    address = str(browser.address)
    if person.disabled:
        await services.audit_seldom(
            "login.refused", of=person.id, actor=person.email, person_id=person.id, address=address
        )
        raise Forbidden(Reason.PERSON_DISABLED)
    if browser.login is not None:
        await services.sessions.delete_login(browser.login.id)
    device_id, device_token = await renew_device(services, browser.device_token_id)
    login_token = new_token(services.random_bytes)
    expires_at = now + services.access().rulebook.organization.session_duration_s
    login = Login(token_hash(login_token), person.id, device_id, identity, now, expires_at)
    if kept_id_token:
        login = replace(login, sealed_id_token=seal_id_token(services, login, kept_id_token))
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


async def _find_by_subject(services: Services, browser: Browser, identity: Identity) -> Person:
    """Give the person whom a provider knows by a subject, made or joined where there is none.

    An address alone joins nobody: another provider may vouch for the same one. Whoever has it here must be logged in
    in this browser and have verified an existing authenticator within the device window. Raises
    Forbidden(IDENTITY_NOT_JOINED) otherwise, and Forbidden(IDENTITY_MISMATCH) when the provider now gives a person
    another address.
    """
    durable, now = services.durable, services.now()
    provider_id, subject = identity.identity_provider_id, identity.subject
    known = await durable.load_person_by_subject(provider_id, subject)
    if known is None:
        made = await durable.create_person_with_subject(
            new_id=services.new_id(),
            email=identity.email,
            name=identity.name,
            provider_id=provider_id,
            subject=subject,
            now=now,
        )
        if made is not None:
            return made
        known = await durable.load_person_by_subject(provider_id, subject)
    if known is None:
        return await _join(services, browser, identity)
    if known.email != identity.email:
        raise Forbidden(Reason.IDENTITY_MISMATCH, "the provider gives this person another address than before")
    return known


async def _join(services: Services, browser: Browser, identity: Identity) -> Person:
    person = await services.durable.load_person_by_email(identity.email)
    if person is None:
        raise Forbidden(Reason.IDENTITY_NOT_JOINED, "the person was deleted meanwhile")
    if not await services.durable.list_authenticators(person.id):
        raise Forbidden(Reason.IDENTITY_NOT_JOINED, "the address is another login's, and has no authenticator")
    login = browser.login
    if login is None or login.person_id != person.id or await load_window(services, login) is None:
        raise Forbidden(Reason.IDENTITY_NOT_JOINED, "the address is another login's: verify an authenticator first")
    joined = await services.durable.add_subject(
        person.id, provider_id=identity.identity_provider_id, subject=identity.subject, now=services.now()
    )
    if not joined:
        raise Forbidden(Reason.IDENTITY_NOT_JOINED, "the subject was joined to somebody meanwhile")
    await services.audit(
        "identity.joined",
        actor=person.email,
        person_id=person.id,
        address=str(browser.address),
        provider=identity.identity_provider_id,
    )
    return person


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
