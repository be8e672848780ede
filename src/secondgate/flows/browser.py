"""Who sits at this browser: the cookies that the portal knows it by, as values.

`state` binds what happens before a login (a PIN, CSRF tokens), `device` names the browser over logins,
`login` names the person. Each is an opaque token in a cookie; the stores hold hashes.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network

from secondgate.errors import Unavailable
from secondgate.flows.services import Services
from secondgate.model.amr import identity_provider_mfa
from secondgate.model.audit import NO_FACTOR, Factor
from secondgate.model.policy import Address
from secondgate.model.session import ApplicationSession, Login, MfaSession
from secondgate.protocol.opaque_token import new_token, token_hash
from secondgate.store.ports import Kind

DEVICE_TTL_S = 400 * 86400


@dataclass(frozen=True, slots=True)
class Browser:
    """One browser's request: hashes of its tokens, where it comes from, and its login if it has one."""

    state_id: str
    device_token_id: str
    address: Address
    login: Login | None = None

    @property
    def network(self) -> str:
        """Give what limits count as one address: with IPv6 the /64 of one subscriber (RFC 4291, section 2.5.4)."""
        if isinstance(self.address, IPv6Address):
            return str(IPv6Network((self.address, 64), strict=False))
        return str(self.address)


@dataclass(frozen=True, slots=True)
class RenewedLogin:
    """A login under new tokens: the browser must take both cookies."""

    login: Login
    login_token: str
    device_token: str


async def audit(
    services: Services, browser: Browser, login: Login, action: str, *, factor: Factor | None = None, **detail: str
) -> None:
    """Write to the audit log what a person did in a browser, with the factor in use there unless another is given."""
    await services.audit(
        action,
        actor=login.identity.email,
        person_id=login.person_id,
        address=str(browser.address),
        factor=await factor_in_use(services, login) if factor is None else factor,
        **detail,
    )


async def factor_in_use(services: Services, login: Login | ApplicationSession) -> Factor:
    """Give what was proved last in this browser: here, or at the identity provider.

    Whoever asks wants to write down what was done already, so that an outage makes no difference but this one.
    """
    try:
        proofs = list(await services.sessions.list_mfa_sessions(login.person_id))
    except Unavailable:
        return NO_FACTOR
    if isinstance(login, Login):
        proofs += identity_provider_mfa(login)
    own = [proof for proof in proofs if proof.device_id == login.device_id]
    last = max(own, key=lambda proof: proof.at, default=None)
    return NO_FACTOR if last is None else factor_of(last)


def factor_of(proof: MfaSession) -> Factor:
    """Give a proof as the audit log names it."""
    return Factor(proof.method, proof.authenticator_id)


async def load_login(services: Services, *, login_token: str, device_token_id: str) -> Login | None:
    """Give the login of a cookie, if it lives and belongs to this browser. Raises Unavailable."""
    login = await services.sessions.load_login(token_hash(login_token))
    if login is None or login.expires_at <= services.now():
        return None
    device_id = await services.live.load(Kind.DEVICE, device_token_id)
    if device_id is None or device_id.decode() != login.device_id:
        return None
    return login


async def renew_device(services: Services, device_token_id: str) -> tuple[str, str]:
    """Give this browser a new token, and its lasting id: (device id, token).

    The old token stops working, so that a token that somebody else planted or copied is worth nothing
    after the next login or MFA.
    """
    known = await services.live.claim(Kind.DEVICE, device_token_id) if device_token_id else None
    device_id = known.decode() if known else services.new_id()
    token = new_token(services.random_bytes)
    await services.live.save(Kind.DEVICE, token_hash(token), device_id.encode(), ttl_s=DEVICE_TTL_S)
    return device_id, token
