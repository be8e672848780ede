"""What is known of somebody without their being here, for whoever asks what would be decided for them.

`secondgate explain`, a user policy check and a policy test all begin here, and all decide by `model.explanation`, which
asks what the gate asks. How it is worded is not decided here.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from secondgate.flows.services import Services
from secondgate.model.amr import identity_provider_mfa
from secondgate.model.person import Identity, IdentitySource, Person
from secondgate.model.session import Login, MfaSession

NO_ADDRESS = ip_address("0.0.0.0")  # noqa: S104 - nobody's address, and no listener's


@dataclass(frozen=True, slots=True)
class Known:
    """Somebody as they would come in now.

    `person` is None for somebody who never logged in. `identity` is that of the newest login that is live, or else the
    likeliest: that of the first identity provider. `mfa` are the MFA sessions of all browsers whose authenticators
    exist, and what the provider of the newest login says it saw.
    """

    person: Person | None
    identity: Identity
    mfa: tuple[MfaSession, ...] = ()
    login: Login | None = None


async def load_known(services: Services, email: str) -> Known:
    """Give what is known of the person with this (folded) address. Raises Unavailable."""
    person = await services.durable.load_person_by_email(email)
    if person is None:
        return Known(None, _assumed_identity(services, email, ""))
    newest = await _newest_login(services, person)
    existing = {one.id for one in await services.durable.list_authenticators(person.id)}
    mfa = tuple(
        session
        for session in await services.sessions.list_mfa_sessions(person.id)
        if session.authenticator_id in existing
    )
    if newest is not None:
        mfa += identity_provider_mfa(newest)
    return Known(person, _identity(services, person, newest), mfa, newest)


async def load_identity(services: Services, person: Person) -> Identity:
    """Give the identity with which a person would come in. Raises Unavailable."""
    return _identity(services, person, await _newest_login(services, person))


async def _newest_login(services: Services, person: Person) -> Login | None:
    logins = await services.sessions.list_logins(person.id)
    return max(logins, key=lambda login: login.at, default=None)


def _identity(services: Services, person: Person, newest: Login | None) -> Identity:
    return newest.identity if newest else _assumed_identity(services, person.email, person.name)


def _assumed_identity(services: Services, email: str, name: str) -> Identity:
    provider = next(iter(services.access().identity_providers), None)
    if provider is None:
        return Identity(email, name, source=IdentitySource.HEADERS)
    return Identity(email, name, source=provider.type, identity_provider_id=provider.id)
