"""Temporary passes: for a person who has lost every authenticator, or has none yet where the first one is guarded.

An administrator makes sure who it is and issues a code, which the person uses once, logged in, in one browser. It opens
that browser's device window and nothing else: no application takes it for MFA. Wrong ones are counted as wrong TOTP
codes are, before they are looked at, and while a limit holds the right one gets the same answer.
"""

from __future__ import annotations

import hmac

from secondgate.errors import Conflict, Malformed, NotFound, ProofRejected, Reason
from secondgate.flows.browser import Browser, RenewedLogin, audit
from secondgate.flows.notify import tell_pass_created
from secondgate.flows.services import Services
from secondgate.flows.sign_in import renew_login
from secondgate.flows.window import close_window, close_windows_of_passes, open_window
from secondgate.model.audit import Factor, Who, actor_of
from secondgate.model.secret import Secret
from secondgate.model.session import Login
from secondgate.model.temporary_pass import PassState, TemporaryPass
from secondgate.protocol.duration import parse_duration
from secondgate.protocol.temporary_pass import new_pass_code, parse_pass_code

MIN_TTL_S, MAX_TTL_S = 60, 72 * 3600
DEFAULT_TTL = "1h"
_FACTOR = Factor("temporary_pass")


def parse_pass_ttl(text: object, *, field: str) -> int:
    """Give for how many seconds a pass is valid, from a duration such as `1h`: a minute to three days.

    Raises Malformed.
    """
    try:
        ttl_s = parse_duration(text, field=field)
    except Malformed:
        ttl_s = 0
    if not MIN_TTL_S <= ttl_s <= MAX_TTL_S:
        raise Malformed(field, "must be a duration from 1m to 72h, such as 30m, 1h or 1h30m")
    return ttl_s


async def create_pass(
    services: Services, person_id: str, *, ttl_s: int, actor: Who
) -> tuple[TemporaryPass, Secret[str]]:
    """Issue a pass that is valid for `ttl_s` seconds; gives it with its code, which nobody sees again.

    It takes the place of an earlier one, whose device window closes, and ends the person's row of wrong codes. The
    person is told by e-mail. Raises NotFound; Conflict(PERSON_DISABLED) for somebody who could not use it.
    """
    person = await services.durable.load_person(person_id)
    if person is None:
        raise NotFound(Reason.NOT_FOUND, "there is no such person")
    if person.disabled:
        raise Conflict(Reason.PERSON_DISABLED, f"{person.email} is disabled: a pass would open nothing")
    code, now = new_pass_code(services.random_bytes), services.now()
    issued = TemporaryPass(
        id=services.new_id(),
        person_id=person.id,
        code_mac=_code_mac(services, person.id, code),
        created_at=now,
        created_by=actor_of(actor, person_id="").name,
        expires_at=now + ttl_s,
    )
    await services.durable.save_pass(issued)
    await close_windows_of_passes(services, person.id)
    await services.audit("pass.created", actor=actor, person_id=person.id, id=issued.id, ttl_s=str(ttl_s))
    tell_pass_created(services, email=person.email, expires_at=issued.expires_at)
    return issued, code


async def revoke_pass(services: Services, person_id: str, *, actor: Who) -> TemporaryPass:
    """Delete a person's pass; the device window that it opened closes. Raises NotFound."""
    revoked = await services.durable.delete_pass(person_id)
    if revoked is None:
        raise NotFound(Reason.NOT_FOUND, "this person has no temporary pass")
    await close_windows_of_passes(services, person_id)
    await services.audit("pass.revoked", actor=actor, person_id=person_id, id=revoked.id)
    return revoked


async def complete_pass(services: Services, browser: Browser, login: Login, *, code: object) -> RenewedLogin:
    """Use up the pass of the person who is logged in here, and open this browser's device window.

    Raises Malformed (nothing is counted), TooManyAttempts, ProofRejected(WRONG_PASS): for a wrong one, one of another
    person, one that was used, has expired or was revoked. Raises Forbidden(SESSION_ENDED).
    """
    presented_code = parse_pass_code(code)
    attempt_id = await services.durable.claim_attempt(
        person_id=login.person_id, address=browser.network, limits=services.limits, now=services.now()
    )
    code_mac = _code_mac(services, login.person_id, presented_code)
    claimed = await services.durable.claim_pass(login.person_id, code_mac=code_mac, now=services.now())
    if claimed is None:
        reason = await _why_not(services, login, code_mac)
        await audit(services, browser, login, "pass.rejected", factor=_FACTOR, reason=reason)
        raise ProofRejected(Reason.WRONG_PASS)
    await services.durable.refund_attempt(attempt_id)
    renewed = await renew_login(services, browser, login)
    await open_window(services, renewed.login, by_pass=True)
    # Looked at again after the window was written: whoever revokes or replaces a pass closes windows afterwards.
    left = await services.durable.load_pass(login.person_id)
    if left is None or left.id != claimed.id:
        await close_window(services, renewed.login)
        raise ProofRejected(Reason.WRONG_PASS)
    await audit(services, browser, login, "pass.used", factor=_FACTOR, id=claimed.id, created_by=claimed.created_by)
    return renewed


def _code_mac(services: Services, person_id: str, code: Secret[str]) -> str:
    """Give what is stored of a code: keyed, so that the database alone does not let anybody try codes."""
    return hmac.new(services.mac_key, f"pass:{person_id}:{code.reveal()}".encode(), "sha256").hexdigest()


async def _why_not(services: Services, login: Login, code_mac: str) -> str:
    """Say for the log why a pass is none; the person is told the same of each."""
    known = await services.durable.load_pass(login.person_id)
    if known is None or not hmac.compare_digest(known.code_mac, code_mac):
        return Reason.WRONG_PASS
    return Reason.EXPIRED if known.state_at(services.now()) is PassState.EXPIRED else Reason.UNKNOWN_OR_USED
