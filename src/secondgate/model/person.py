"""People, how they came in, and what they can prove.

Authentication method references: RFC 8176, section 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from secondgate.model.organization import Method


class IdentitySource(StrEnum):
    """What vouched for an identity."""

    ONE_TIME_PIN = "onetimepin"
    HEADERS = "headers"
    OIDC = "oidc"
    JWT = "jwt"


ADDRESS_SOURCES = (IdentitySource.ONE_TIME_PIN, IdentitySource.HEADERS)
"""The sources that know people by nothing but their address."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who an identity provider says somebody is. `email` is in lower case.

    `subject` is the provider's own name for the person, which never changes, and `issuer` says whose name it is; both
    are empty where only the address is known.
    `claims` are those that the provider's settings ask to keep, each with its values: none where it was not sent.
    `provider_session_id` is the provider's name for its own session (`sid`), by which it can end ours.
    """

    email: str
    name: str = ""
    groups: tuple[str, ...] = ()
    amr: tuple[str, ...] = ()
    auth_time: int | None = None
    source: IdentitySource = IdentitySource.ONE_TIME_PIN
    identity_provider_id: str = ""
    subject: str = ""
    issuer: str = ""
    claims: tuple[tuple[str, tuple[str, ...]], ...] = ()
    provider_session_id: str = ""

    @property
    def namespace(self) -> str:
        """Whose names for people `known_as` is one of: an issuer's, or those of a source that has none.

        It is not the provider's id, so that a provider that is renamed in the settings locks nobody out.
        """
        return self.source.value if self.source in ADDRESS_SOURCES else self.issuer

    @property
    def known_as(self) -> str:
        """By what the source knows the person: the subject, or the folded address."""
        return folded_email(self.email) if self.source in ADDRESS_SOURCES else self.subject


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who has logged in, or whom an administrator made for their first login.

    `updated_at` is when address, name or being disabled changed last; None: never since they were made.
    """

    id: str
    email: str
    name: str
    created_at: int
    last_login_at: int | None = None
    disabled: bool = False
    last_method: Method | None = None
    updated_at: int | None = None


@dataclass(frozen=True, slots=True)
class Authenticator:
    """One enrolled authenticator. The TOTP seed is not here: it never leaves the store but sealed.

    For WebAuthn `credential_id`, `public_key` (COSE), `sign_count`, `backup_eligible` and `aaguid` (32
    hexadecimal digits) are set; for TOTP they are empty.
    """

    id: str
    person_id: str
    method: Method
    name: str
    created_at: int
    last_used_at: int | None = None
    credential_id: bytes = b""
    public_key: bytes = b""
    sign_count: int = 0
    backup_eligible: bool = False
    aaguid: str = ""
    transports: tuple[str, ...] = ()


def folded_email(email: str) -> str:
    """Give the one spelling under which an address is compared, stored and counted.

    A character outside of ASCII never becomes one of ASCII: with U+212A, the Kelvin sign, whose lower case is `k`,
    somebody would else become another person.
    """
    return "".join(
        folded if (folded := character.lower()).isascii() == character.isascii() else character
        for character in email.strip()
    )
