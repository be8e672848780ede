"""Proving an existing authenticator: by a TOTP code, or by a WebAuthn assertion (Level 3, section 7.2).

Wrong codes are counted before a code is looked at, so that any number at once passes no more than the
limits say; while a limit holds, a right code gets the same answer as a wrong one.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable

from secondgate.errors import NotFound, ProofRejected, Reason, Rejected
from secondgate.flows.browser import Browser, RenewedLogin, audit
from secondgate.flows.proof import Ceremony, Purpose, complete_proof
from secondgate.flows.services import Services
from secondgate.flows.window import close_window, open_window
from secondgate.model.audit import Factor
from secondgate.model.organization import Method
from secondgate.model.person import Authenticator
from secondgate.model.session import Login
from secondgate.protocol.opaque_token import new_token, token_hash
from secondgate.protocol.totp import parse_code, verify_code
from secondgate.protocol.webauthn import assertion_options, parse_credential_id, verify_assertion
from secondgate.store.ports import Kind
from secondgate.store.sessions import decode, encode

CHALLENGE_TTL_S = 300
CHALLENGE_BYTES = 32


async def offered_methods(services: Services, login: Login, allowed: Iterable[Method]) -> tuple[Method, ...]:
    """Give the allowed methods that the person has an authenticator for, the one used last first."""
    enrolled = {authenticator.method for authenticator in await services.durable.list_authenticators(login.person_id)}
    person = await services.durable.load_person(login.person_id)
    last_method = person.last_method if person else None
    return tuple(sorted((m for m in allowed if m in enrolled), key=lambda method: method is not last_method))


async def complete_totp(
    services: Services, browser: Browser, login: Login, *, code: object, purpose: Purpose
) -> RenewedLogin:
    """Accept a code once.

    Raises Malformed (nothing is counted), TooManyAttempts, ProofRejected: WRONG_CODE, CODE_USED.
    """
    presented_code = parse_code(code)
    attempt_id = await services.durable.claim_attempt(
        person_id=login.person_id, address=browser.network, limits=services.limits, now=services.now()
    )
    try:
        authenticator = await _verify_and_claim_code(services, login, presented_code)
    except ProofRejected as error:
        await audit(services, browser, login, "totp.rejected", factor=Factor(Method.TOTP), reason=error.reason)
        raise
    await services.durable.refund_attempt(attempt_id)
    return await _succeed(services, browser, login, authenticator, purpose)


async def _verify_and_claim_code(services: Services, login: Login, presented_code: str) -> Authenticator:
    found = await services.durable.load_totp(login.person_id)
    if found is None:
        raise ProofRejected(Reason.WRONG_CODE)
    authenticator, seed = found
    step = verify_code(seed, presented_code, now=services.now())
    if not await services.durable.claim_totp_step(authenticator.id, step=step, now=services.now()):
        raise ProofRejected(Reason.CODE_USED)
    return authenticator


async def begin_assertion(
    services: Services, login: Login, *, method: Method, purpose: Purpose, application_id: str = ""
) -> tuple[dict[str, object], str]:
    """Give options for `navigator.credentials.get` and the ceremony's token, good for five minutes and one try.

    Raises ProofRejected(UNKNOWN_CREDENTIAL) when the person has no authenticator of this method.
    """
    authenticators = await _authenticators_of(services, login, method)
    if not authenticators:
        raise ProofRejected(Reason.UNKNOWN_CREDENTIAL)
    challenge = services.random_bytes(CHALLENGE_BYTES)
    options = assertion_options(services.relying_party, challenge=challenge, allowed=authenticators, method=method)
    ceremony = await save_ceremony(
        services, login, "get", purpose=purpose, method=method, application_id=application_id, challenge=challenge
    )
    return options, ceremony


async def complete_assertion(
    services: Services,
    browser: Browser,
    login: Login,
    *,
    ceremony: object,
    response: object,
    purpose: Purpose,
    application_id: str = "",
) -> RenewedLogin:
    """Verify an assertion. Its challenge is used up whatever comes of it. Raises Malformed, ProofRejected."""
    claimed, challenge = await claim_ceremony(
        services, login, "get", ceremony, purpose=purpose, application_id=application_id
    )
    method = Method(claimed.method)
    tried = Factor(method)
    try:
        credential_id = parse_credential_id(response)
        authenticator = next(
            (a for a in await _authenticators_of(services, login, method) if a.credential_id == credential_id), None
        )
        if authenticator is None:
            raise ProofRejected(Reason.UNKNOWN_CREDENTIAL)
        tried = Factor(method, authenticator.id)
        facts = verify_assertion(
            response, rp=services.relying_party, expected_challenge=challenge, authenticator=authenticator
        )
        if not await services.durable.claim_sign_count(
            authenticator.id, presented=facts.sign_count, now=services.now()
        ):
            raise ProofRejected(Reason.SIGNATURE_COUNTER, "the authenticator may have been cloned")
    except Rejected as error:
        await audit(services, browser, login, "webauthn.rejected", factor=tried, reason=error.reason, method=method)
        raise
    return await _succeed(services, browser, login, authenticator, purpose)


async def save_ceremony(
    services: Services,
    login: Login,
    kind: str,
    *,
    purpose: Purpose,
    method: Method,
    application_id: str,
    challenge: bytes,
) -> str:
    """Keep a challenge for five minutes and give the token under which it is claimed."""
    token = new_token(services.random_bytes)
    encoded = base64.urlsafe_b64encode(challenge).decode()
    value = Ceremony(login.id, login.person_id, kind, purpose, method, application_id, encoded)
    await services.live.save(
        Kind.CHALLENGE, token_hash(token), encode(value), ttl_s=CHALLENGE_TTL_S, owner=login.person_id
    )
    return token


async def claim_ceremony(
    services: Services, login: Login, kind: str, token: object, *, purpose: Purpose, application_id: str
) -> tuple[Ceremony, bytes]:
    """Use up a challenge; it must be of this person, browser, kind, purpose and application.

    Raises ProofRejected: UNKNOWN_OR_USED for what is not there, WRONG_CEREMONY for another's.
    """
    key = token_hash(token) if isinstance(token, str) else ""
    value = decode(Ceremony, await services.live.claim(Kind.CHALLENGE, key)) if key else None
    if value is None:
        raise ProofRejected(Reason.UNKNOWN_OR_USED)
    expected = (login.id, login.person_id, kind, purpose, application_id)
    if (value.login_id, value.person_id, value.kind, value.purpose, value.application_id) != expected:
        raise ProofRejected(Reason.WRONG_CEREMONY)
    return value, base64.urlsafe_b64decode(value.challenge)


async def _authenticators_of(services: Services, login: Login, method: Method) -> list[Authenticator]:
    return [a for a in await services.durable.list_authenticators(login.person_id) if a.method is method]


async def _succeed(
    services: Services, browser: Browser, login: Login, authenticator: Authenticator, purpose: Purpose
) -> RenewedLogin:
    renewed = await complete_proof(services, browser, login, authenticator)
    if purpose is Purpose.DEVICES:
        await open_window(services, renewed.login)
        # Looked at again after the window was written: whoever deletes an authenticator closes windows afterwards.
        if await services.durable.load_authenticator(login.person_id, authenticator.id) is None:
            await close_window(services, renewed.login)
            raise NotFound(Reason.NOT_FOUND, "the authenticator was deleted meanwhile")
    factor = Factor(authenticator.method, authenticator.id)
    await audit(services, browser, login, "mfa.succeeded", factor=factor, method=authenticator.method, purpose=purpose)
    return renewed
