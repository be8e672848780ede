"""A login at the portal: from an identity that something vouched for to a person known in this browser.

People are known by what a source calls them, in its own namespace, and the same rule holds for every source: an
address that is somebody's already joins nobody, since another source may vouch for the same one.
"""

from __future__ import annotations

from dataclasses import replace

from secondgate.errors import Forbidden, NotFound, Reason
from secondgate.flows.browser import Browser, RenewedLogin, factor_of, renew_device
from secondgate.flows.provider_logout import seal_id_token
from secondgate.flows.services import Services
from secondgate.flows.window import load_verified_window, move_window
from secondgate.model.amr import CLOCK_SKEW_S, identity_provider_mfa
from secondgate.model.audit import NO_FACTOR
from secondgate.model.person import ADDRESS_SOURCES, Identity, Person, folded_email
from secondgate.model.session import Login
from secondgate.protocol.opaque_token import new_token, token_hash
from secondgate.store.ports import Kind


async def sign_in(
    services: Services,
    browser: Browser,
    identity: Identity,
    *,
    kept_id_token: str = "",
    vouched_at: int | None = None,
) -> RenewedLogin:
    """Log a person in under new tokens; the person is made at the first login.

    `kept_id_token` is sealed and kept with the login, for logging out at the provider. `vouched_at` is that of
    `find_person`.

    Raises as `find_person`.
    """
    now = services.now()
    person = await find_person(services, browser, identity, vouched_at=vouched_at)
    await services.durable.save_last_login(person.id, name=identity.name, now=now)
    address = str(browser.address)
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
    vouched_for = identity_provider_mfa(login)
    await services.audit(
        "login.succeeded",
        actor=person.email,
        person_id=person.id,
        address=address,
        factor=factor_of(vouched_for[0]) if vouched_for else NO_FACTOR,
        source=identity.source,
        identity_provider=identity.identity_provider_id,
    )
    return RenewedLogin(login, login_token, device_token)


async def find_person(
    services: Services, browser: Browser, identity: Identity, *, vouched_at: int | None = None
) -> Person:
    """Give the person that an identity is of, made where there is none.

    `vouched_at` is when the source said so, in Unix seconds; None: just now.

    Raises Forbidden: PERSON_DISABLED; IDENTITY_NOT_JOINED when the address is known from another way of logging in, and
    the person is not logged in here with the device window open; IDENTITY_MISMATCH when the address has changed to one
    that is somebody else's, or was said to be another one before the person logged in last. Raises Unavailable.
    """
    person = await services.durable.load_person_by_subject(identity.namespace, identity.known_as)
    if person is None:
        return await _claim_or_join(services, browser, identity)
    await _verify_enabled(services, browser, person)
    if person.email != folded_email(identity.email):
        if vouched_at is not None and vouched_at + CLOCK_SKEW_S < (person.last_login_at or 0):
            detail = f"{person.email} logged in after it was said that the address is {folded_email(identity.email)}"
            raise Forbidden(Reason.IDENTITY_MISMATCH, detail)
        return await _change_email(services, browser, person, identity)
    return person


async def refuse_login(services: Services, browser: Browser, identity: Identity, error: Forbidden) -> None:
    """Write down, at most once a minute, why somebody does not get in whom no provider vouches for."""
    await services.audit_seldom(
        "login.failed",
        of=f"{identity.namespace}:{identity.known_as}:{error.reason}",
        actor="",
        address=str(browser.address),
        provider=identity.namespace,
        reason=error.reason,
        detail=error.detail,
    )


async def _verify_enabled(services: Services, browser: Browser, person: Person) -> None:
    """Raise Forbidden(PERSON_DISABLED), written down, for a person whose access was turned off."""
    if person.disabled:
        await services.audit_seldom(
            "login.refused", of=person.id, actor=person.email, person_id=person.id, address=str(browser.address)
        )
        raise Forbidden(Reason.PERSON_DISABLED)


async def _claim_or_join(services: Services, browser: Browser, identity: Identity) -> Person:
    """Give the person whose an unknown subject becomes.

    Whoever has this address and neither a subject nor an authenticator, made just now perhaps, is whoever comes first.
    Anybody else must be logged in in this browser, with an existing authenticator verified within the device window.
    """
    durable = services.durable
    namespace, subject, now = identity.namespace, identity.known_as, services.now()
    person = await durable.find_or_create_person(
        new_id=services.new_id(), email=identity.email, name=identity.name, now=now
    )
    await _verify_enabled(services, browser, person)
    try:
        if await durable.add_subject(person.id, namespace=namespace, subject=subject, only_as_first=True, now=now):
            return person
        known = await durable.load_person_by_subject(namespace, subject)
        if known is not None and known.id == person.id:  # two first logins at once
            return person
        await _verify_may_join(services, browser, person)
        if not await durable.add_subject(person.id, namespace=namespace, subject=subject, only_as_first=False, now=now):
            raise Forbidden(Reason.IDENTITY_NOT_JOINED, "the subject was joined to somebody meanwhile")
    except NotFound:
        raise Forbidden(Reason.PERSON_DISABLED, "the person was deleted meanwhile") from None
    await services.audit(
        "identity.joined",
        actor=person.email,
        person_id=person.id,
        address=str(browser.address),
        namespace=namespace,
    )
    return person


async def _verify_may_join(services: Services, browser: Browser, person: Person) -> None:
    """Prove that the person is logged in in this browser and verified an authenticator in it.

    Raises Forbidden(IDENTITY_NOT_JOINED).
    """
    login = browser.login
    if login is None or login.person_id != person.id:
        known = f"{person.email} is known from another way of logging in"
        raise Forbidden(Reason.IDENTITY_NOT_JOINED, f"{known}, and is not logged in in this browser")
    if await load_verified_window(services, login) is None:
        raise Forbidden(Reason.IDENTITY_NOT_JOINED, f"{person.email} must verify an authenticator before another way")


async def _change_email(services: Services, browser: Browser, person: Person, identity: Identity) -> Person:
    """Follow a provider that calls a person it knows by another address; what is live under the old one ends.

    Raises Forbidden(IDENTITY_MISMATCH) when the address is somebody else's.
    """
    email = folded_email(identity.email)
    # A source that knows nothing but addresses cannot say that one has changed.
    if identity.source in ADDRESS_SOURCES or not await services.durable.save_person_email(
        person.id, email, now=services.now()
    ):
        detail = f"{person.email} now has the address {email}, which is somebody else's"
        raise Forbidden(Reason.IDENTITY_MISMATCH, detail)
    await services.live.delete_owned(
        person.id, kinds=(Kind.LOGIN, Kind.APPLICATION_SESSION, Kind.HAND_OVER, Kind.DEVICE_WINDOW)
    )
    await services.audit(
        "person.email_changed",
        actor=email,
        person_id=person.id,
        address=str(browser.address),
        before=person.email,
        after=email,
        namespace=identity.namespace,
    )
    return replace(person, email=email)


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
