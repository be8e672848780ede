"""What is live: logins, MFA sessions and application sessions. Losing them makes people log in again.

A login belongs to a person at the portal, in one browser (device). An MFA session belongs to a person,
a device and a method. An application session belongs to a person, a device and an application's host,
and holds a grant for each application (host and path) of that host that was logged in to.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from secondgate.model.application import Application
from secondgate.model.organization import Method
from secondgate.model.person import Identity
from secondgate.model.policy import ExternalEvaluation


@dataclass(frozen=True, slots=True)
class Login:
    """A person known at the portal. `id` is the hash of the cookie's token: it opens nothing.

    `sealed_id_token` is kept where logging out here ends the provider's session too.
    """

    id: str
    person_id: str
    device_id: str
    identity: Identity
    at: int
    expires_at: int
    sealed_id_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class MfaSession:
    """That a person proved a method in a browser at a time, with which authenticator.

    `authenticator_id` is empty where the identity provider says that it saw the proof.
    """

    person_id: str
    device_id: str
    method: Method
    authenticator_id: str
    at: int

    @property
    def is_from_identity_provider(self) -> bool:
        """Whether the proof was made at the identity provider, and not here."""
        return not self.authenticator_id


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What an external evaluation said of a person at a login."""

    rule: ExternalEvaluation
    said_yes: bool


@dataclass(frozen=True, slots=True)
class Grant:
    """That an application was logged in to, the MFA that was young enough at that login, and what was said there.

    `revocation` is how often the application's grants had been revoked by then: older ones than today's are none.
    """

    application_id: str
    at: int
    expires_at: int
    mfa: tuple[MfaSession, ...]
    assertion: str
    evaluations: tuple[Evaluation, ...] = ()
    revocation: int = 0


@dataclass(frozen=True, slots=True)
class ApplicationSession:
    """What the host's cookie stands for. `id` is the hash of the identifier in the cookie's token."""

    id: str
    host: str
    person_id: str
    device_id: str
    identity: Identity
    created_at: int
    expires_at: int
    grants: tuple[Grant, ...]

    def grant_for(self, application: Application) -> Grant | None:
        """Find the grant of one application of the host, if it was not revoked."""
        return next(
            (
                grant
                for grant in self.grants
                if grant.application_id == application.id and grant.revocation >= application.revocation
            ),
            None,
        )
