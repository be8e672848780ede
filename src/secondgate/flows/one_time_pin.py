"""One-time PIN by e-mail: six digits, ten minutes, five tries, in the browser that asked.

The answer is the same whether or not the address may log in anywhere: the message goes out after the
answer, and only to addresses that some policy could allow.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, replace

from secondgate.errors import Malformed, ProofRejected, Reason, TooManyAttempts
from secondgate.flows.browser import Browser
from secondgate.flows.notify import send_mail
from secondgate.flows.services import Services
from secondgate.model.access import IdentityProvider
from secondgate.model.audit import Actor, ActorKind
from secondgate.model.decision import may_be_allowed
from secondgate.model.person import Identity, IdentitySource
from secondgate.model.policy import Visitor, is_match
from secondgate.protocol.email_address import parse_email
from secondgate.store.ports import Kind
from secondgate.store.sessions import decode, encode

PIN_TTL_S = 600
PIN_TRIES = 5
REQUESTS_PER_ADDRESS = (20, 600)
REQUESTS_PER_EMAIL = (5, 600)
REQUESTS_PER_EMAIL_AND_DAY = (30, 86400)
"""With five tries a PIN, 150 guesses a day at one address, from however many places they come."""
_PIN = re.compile(r"[0-9]{6}", re.ASCII)


@dataclass(frozen=True, slots=True)
class PendingPin:
    """A PIN that was asked for in a browser. `mac` is keyed, since six digits are soon guessed."""

    id: str
    email: str
    identity_provider_id: str
    mac: str


async def begin_one_time_pin(services: Services, browser: Browser, *, email: str, provider: IdentityProvider) -> None:
    """Make a PIN for this browser (it replaces an earlier one) and send it after the answer.

    Raises Malformed, TooManyAttempts, Unavailable.
    """
    email = parse_email(email)
    await _count(services, f"pin-address:{browser.network}", *REQUESTS_PER_ADDRESS)
    device_id = await _proven_device(services, browser, email=email)
    key = f"pin-email:{hashlib.sha256(email.encode()).hexdigest()}:{device_id}"
    await _count(services, key, *REQUESTS_PER_EMAIL)
    await _count(services, f"{key}:day", *REQUESTS_PER_EMAIL_AND_DAY)
    pin = f"{int.from_bytes(services.random_bytes(16), 'big') % 1_000_000:06d}"
    pending = PendingPin(services.new_id(), email, provider.id, "")
    pending = PendingPin(pending.id, email, provider.id, _pin_mac(services, pending.id, pin))
    await services.live.save(Kind.PIN, browser.state_id, encode(pending), ttl_s=PIN_TTL_S)
    if may_log_in_somewhere(services, browser, email=email, provider=provider):
        services.spawn(_send(services, email, pin))


async def load_pending_email(services: Services, browser: Browser) -> str | None:
    """Give the address whose PIN this browser waits for."""
    pending = decode(PendingPin, await services.live.load(Kind.PIN, browser.state_id))
    return pending.email if pending else None


async def complete_one_time_pin(services: Services, browser: Browser, *, pin: object) -> Identity:
    """Check the PIN and use it up.

    Raises Malformed for anything but six digits (not counted), ProofRejected: WRONG_CODE, EXPIRED (none is
    waiting, or its tries are used up), TooManyAttempts for the address.
    """
    digits = pin.strip().replace(" ", "") if isinstance(pin, str) else ""
    if not _PIN.fullmatch(digits):
        raise Malformed("pin", "enter the six digits from the e-mail")
    pending = decode(PendingPin, await services.live.load(Kind.PIN, browser.state_id))
    if pending is None:
        raise ProofRejected(Reason.EXPIRED)
    tries = await services.live.increment(Kind.COUNTER, f"pin-tries:{pending.id}", ttl_s=PIN_TTL_S)
    if tries > PIN_TRIES:
        await services.live.delete(Kind.PIN, browser.state_id)
        raise ProofRejected(Reason.EXPIRED)
    attempt_id = await services.durable.claim_attempt(
        person_id="", address=browser.network, limits=services.limits, now=services.now()
    )
    if not hmac.compare_digest(pending.mac, _pin_mac(services, pending.id, digits)):
        unproven = Actor(ActorKind.UNKNOWN, pending.email)
        await services.audit("pin.rejected", actor=unproven, address=str(browser.address))
        raise ProofRejected(Reason.WRONG_CODE)
    claimed = decode(PendingPin, await services.live.claim(Kind.PIN, browser.state_id))
    if claimed is None or claimed.id != pending.id:
        raise ProofRejected(Reason.EXPIRED)
    await services.durable.refund_attempt(attempt_id)
    return Identity(
        email=pending.email,
        auth_time=services.now(),
        source=IdentitySource.ONE_TIME_PIN,
        identity_provider_id=pending.identity_provider_id,
    )


def may_log_in_somewhere(services: Services, browser: Browser, *, email: str, provider: IdentityProvider) -> bool:
    """Whether some application's policies could let this address in, or it is an administrator's.

    Policies that look at no identity do not count: what they let through asks nobody to log in.
    """
    access = services.access()
    identity = Identity(email=email, identity_provider_id=provider.id)
    visitor = Visitor(browser.address, identity)
    if access.administrators and is_match(access.administrators, visitor, access.rulebook.groups):
        return True
    for application in access.applications:
        asked = replace(application, policies=tuple(one for one in application.policies if one.action.needs_identity))
        if may_be_allowed(access.rulebook, asked, visitor, now=services.now()):
            return True
    return False


async def _proven_device(services: Services, browser: Browser, *, email: str) -> str:
    """Give the browser's lasting id where the person proved MFA in it; otherwise nothing.

    What is asked for in such a browser is counted apart, so that strangers who ask for PINs lock nobody out of it.
    """
    known = await services.live.load(Kind.DEVICE, browser.device_token_id) if browser.device_token_id else None
    person = await services.durable.load_person_by_email(email) if known else None
    if known is None or person is None:
        return ""
    device_id = known.decode()
    proven = {mfa.device_id for mfa in await services.sessions.list_mfa_sessions(person.id)}
    return device_id if device_id in proven else ""


def _pin_mac(services: Services, pending_id: str, pin: str) -> str:
    return hmac.new(services.mac_key, f"pin:{pending_id}:{pin}".encode(), "sha256").hexdigest()


async def _count(services: Services, key: str, most: int, window_s: int) -> None:
    if await services.live.increment(Kind.COUNTER, key, ttl_s=window_s) > most:
        raise TooManyAttempts(window_s, "too many PINs were asked for")


async def _send(services: Services, email: str, pin: str) -> None:
    name = services.access().rulebook.organization.name
    text = (
        f"Your code to log in to {name} is\n\n    {pin}\n\n"
        "It works once, for ten minutes, in the browser that asked for it.\n"
        "If you did not ask for it, ignore this message: nobody gets in without the code.\n"
    )
    await send_mail(services, to=email, subject=f"Your {name} login code", text=text)
