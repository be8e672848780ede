"""Enrolling authenticators (WebAuthn Level 3, section 7.1; RFC 6238), and naming and removing them.

With no authenticator yet a login is enough (the first of two at once wins, in the database), except where the
organization guards that; with one, the device window must be open, at the beginning and again at the end. Where it
requires models, a new security key or biometrics proves by attestation that it is of one; those enrolled before go on
as they are.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from secondgate.errors import Conflict, Forbidden, Malformed, NotFound, ProofRejected, Reason, Rejected
from secondgate.flows.browser import Browser, RenewedLogin, audit, factor_in_use
from secondgate.flows.challenge import CHALLENGE_BYTES, claim_ceremony, save_ceremony
from secondgate.flows.proof import Purpose, complete_proof
from secondgate.flows.services import Services
from secondgate.flows.sessions import end_sessions_of_authenticator
from secondgate.flows.window import close_other_windows, may_enrol_first, verify_may_change_authenticators
from secondgate.model.organization import Method
from secondgate.model.person import Authenticator
from secondgate.model.secret import Secret
from secondgate.model.session import Login
from secondgate.protocol.attestation import verify_attestation
from secondgate.protocol.totp import new_seed, parse_code, provisioning_uri, setup_key, verify_code
from secondgate.protocol.webauthn import RegisteredCredential, registration_options, verify_registration
from secondgate.store.ports import Kind

PENDING_TOTP_TTL_S = 600
NAME_MAX_CHARS = 64
_DEFAULT_NAMES = {
    Method.TOTP: "Authenticator app",
    Method.SECURITY_KEY: "Security key",
    Method.BIOMETRICS: "Biometrics",
}


@dataclass(frozen=True, slots=True)
class TotpSetup:
    """What a person needs to set up an authenticator app. Both hold the seed."""

    uri: Secret[str]
    key: Secret[str]


def parse_new_name(text: object, method: Method) -> str:
    """Give a new authenticator's name; nothing gives the method's own. Raises Malformed."""
    if text is None or (isinstance(text, str) and not text.strip()):
        return _DEFAULT_NAMES[method]
    return parse_name(text)


def parse_name(text: object) -> str:
    """Give an authenticator's name: 1 to 64 printable characters. Raises Malformed."""
    name = unicodedata.normalize("NFC", text).strip() if isinstance(text, str) else ""
    if not name or len(name) > NAME_MAX_CHARS or any(unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} for c in name):
        raise Malformed("name", f"use 1 to {NAME_MAX_CHARS} printable characters")
    return name


async def begin_totp_enrolment(services: Services, browser: Browser, login: Login) -> None:
    """Make a seed that waits ten minutes, in this login alone, for a code that confirms it.

    Raises Forbidden: WINDOW_CLOSED, PASS_NEEDED, METHOD_NOT_ALLOWED; Conflict(ALREADY_ENROLLED).
    """
    await _verify_may_enrol(services, browser, login, Method.TOTP)
    seed = new_seed(services.random_bytes)
    sealed = services.sealer.seal(seed.reveal(), place=f"pending-totp/{login.id}")
    await services.live.save(Kind.PENDING_TOTP, login.id, sealed, ttl_s=PENDING_TOTP_TTL_S, owner=login.person_id)


async def load_totp_setup(services: Services, browser: Browser, login: Login) -> TotpSetup | None:
    """Give the seed that waits in this login; never one that is enrolled. Raises as `begin_totp_enrolment`."""
    await _verify_may_enrol(services, browser, login, Method.TOTP)
    seed = await _load_pending_seed(services, login)
    if seed is None:
        return None
    issuer = services.access().rulebook.organization.name
    return TotpSetup(
        Secret(provisioning_uri(seed, account=login.identity.email, issuer=issuer)), Secret(setup_key(seed))
    )


async def complete_totp_enrolment(
    services: Services, browser: Browser, login: Login, *, code: object, name: object
) -> RenewedLogin:
    """Enrol the waiting seed when a code confirms it; that code is used up.

    Raises Malformed, ProofRejected: EXPIRED, WRONG_CODE; TooManyAttempts; and as `begin_totp_enrolment`.
    """
    only_as_first = await _verify_may_enrol(services, browser, login, Method.TOTP)
    presented_name = parse_new_name(name, Method.TOTP)
    presented_code = parse_code(code)
    seed = await _load_pending_seed(services, login)
    if seed is None:
        raise ProofRejected(Reason.EXPIRED)
    attempt_id = await services.durable.claim_attempt(
        person_id=login.person_id, address=browser.network, limits=services.limits, now=services.now()
    )
    step = verify_code(seed, presented_code, now=services.now())
    if await services.live.claim(Kind.PENDING_TOTP, login.id) is None:
        raise ProofRejected(Reason.EXPIRED)
    authenticator = Authenticator(
        services.new_id(), login.person_id, Method.TOTP, presented_name, services.now(), services.now()
    )
    await services.durable.add_authenticator(authenticator, only_as_first=only_as_first, totp_seed=seed, totp_step=step)
    await services.durable.refund_attempt(attempt_id)
    return await _enrolled(services, browser, login, authenticator)


async def begin_registration(
    services: Services, browser: Browser, login: Login, *, method: Method
) -> tuple[dict[str, object], str]:
    """Give options for `navigator.credentials.create` and the ceremony's token, good for five minutes and one try.

    Raises Forbidden: WINDOW_CLOSED, PASS_NEEDED, METHOD_NOT_ALLOWED.
    """
    await _verify_may_enrol(services, browser, login, method)
    challenge = services.random_bytes(CHALLENGE_BYTES)
    options = registration_options(
        services.relying_party,
        person_id=login.person_id,
        email=login.identity.email,
        challenge=challenge,
        method=method,
        enrolled=await services.durable.list_authenticators(login.person_id),
        attested=services.access().rulebook.organization.mfa.required_aaguids is not None,
    )
    ceremony = await save_ceremony(
        services, login, "create", purpose=Purpose.DEVICES, method=method, application_id="", challenge=challenge
    )
    return options, ceremony


async def complete_registration(
    services: Services, browser: Browser, login: Login, *, ceremony: object, response: object, name: object
) -> RenewedLogin:
    """Enrol the credential of a response. Its challenge is used up whatever comes of it.

    Raises Malformed, ProofRejected (ATTESTATION for a model that is not required or not proven),
    Conflict(CREDENTIAL_TAKEN), Forbidden: WINDOW_CLOSED, PASS_NEEDED.
    """
    claimed, challenge = await claim_ceremony(
        services, login, "create", ceremony, purpose=Purpose.DEVICES, application_id=""
    )
    method = Method(claimed.method)
    only_as_first = await _verify_may_enrol(services, browser, login, method)
    presented_name = parse_new_name(name, method)
    try:
        credential = verify_registration(
            response, rp=services.relying_party, expected_challenge=challenge, expected_method=method
        )
        _verify_model(services, credential)
    except Rejected as error:
        told = error.detail if error.reason is Reason.ATTESTATION else ""
        await audit(services, browser, login, "authenticator.rejected", reason=error.reason, method=method, detail=told)
        raise
    authenticator = Authenticator(
        id=services.new_id(),
        person_id=login.person_id,
        method=method,
        name=presented_name,
        created_at=services.now(),
        last_used_at=services.now(),
        credential_id=credential.credential_id,
        public_key=credential.public_key,
        sign_count=credential.sign_count,
        backup_eligible=credential.backup_eligible,
        aaguid=credential.aaguid,
        transports=credential.transports,
    )
    await services.durable.add_authenticator(authenticator, only_as_first=only_as_first)
    return await _enrolled(services, browser, login, authenticator)


async def rename_authenticator(services: Services, login: Login, authenticator_id: str, *, name: object) -> None:
    """Give an authenticator another name. Raises Forbidden(WINDOW_CLOSED), NotFound, Malformed."""
    await verify_may_change_authenticators(services, login)
    presented_name = parse_name(name)
    if not await services.durable.save_authenticator_name(login.person_id, authenticator_id, presented_name):
        raise NotFound(Reason.NOT_FOUND)


async def remove_authenticator(services: Services, browser: Browser, login: Login, authenticator_id: str) -> None:
    """Delete one of the person's authenticators; the sessions that it carried end.

    So do device windows in other browsers: one may have been opened with it by somebody who found or stole it.

    Raises Forbidden(WINDOW_CLOSED), NotFound.
    """
    await verify_may_change_authenticators(services, login)
    authenticator = await load_own_authenticator(services, login, authenticator_id)
    factor = await factor_in_use(services, login)  # perhaps the one that goes
    if not await services.durable.delete_authenticator(login.person_id, authenticator_id):
        raise NotFound(Reason.NOT_FOUND)
    await end_sessions_of_authenticator(services, login.person_id, authenticator_id)
    await close_other_windows(services, login)
    method = authenticator.method
    await audit(services, browser, login, "authenticator.removed", factor=factor, id=authenticator_id, method=method)


async def load_own_authenticator(services: Services, login: Login, authenticator_id: str) -> Authenticator:
    """Load one of the person's own authenticators. Raises NotFound, for another person's too."""
    authenticator = await services.durable.load_authenticator(login.person_id, authenticator_id)
    if authenticator is None:
        raise NotFound(Reason.NOT_FOUND)
    return authenticator


async def _verify_may_enrol(services: Services, browser: Browser, login: Login, method: Method) -> bool:
    """Prove that this login may enrol this method; gives whether it must be the person's first authenticator."""
    if method not in services.access().rulebook.organization.mfa.allowed_authenticators:
        raise Forbidden(Reason.METHOD_NOT_ALLOWED, method)
    only_as_first = await verify_may_change_authenticators(services, login)
    if only_as_first and not await may_enrol_first(services, browser, login):
        raise Forbidden(Reason.PASS_NEEDED, "the first authenticator is guarded by the organization")
    if method is Method.TOTP and await services.durable.load_totp(login.person_id) is not None:
        raise Conflict(Reason.ALREADY_ENROLLED, "there is an authenticator app already; remove it first")
    return only_as_first


def _verify_model(services: Services, credential: RegisteredCredential) -> None:
    """Prove that a new authenticator is of a model that the organization requires, where it requires any."""
    required = services.access().rulebook.organization.mfa.required_aaguids
    if required is not None:
        verify_attestation(
            credential.attestation,
            allowed_aaguids=required,
            metadata=services.authenticator_metadata(),
            now=services.now(),
        )


async def _load_pending_seed(services: Services, login: Login) -> Secret[bytes] | None:
    sealed = await services.live.load(Kind.PENDING_TOTP, login.id)
    return None if sealed is None else Secret(services.sealer.unseal(sealed, place=f"pending-totp/{login.id}"))


async def _enrolled(services: Services, browser: Browser, login: Login, authenticator: Authenticator) -> RenewedLogin:
    await audit(services, browser, login, "authenticator.added", id=authenticator.id, method=authenticator.method)
    return await complete_proof(services, browser, login, authenticator)
