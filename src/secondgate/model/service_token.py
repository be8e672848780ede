"""Service tokens: what machines prove themselves with, instead of a person who logs in."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ServiceToken:
    """One token. `client_id` is public; of the secret only its hash is known here (SHA-256, hexadecimal).

    `expires_at` is Unix seconds, exclusive; None never expires.
    """

    id: str
    name: str
    client_id: str
    secret_hash: str = field(repr=False)
    created_at: int
    expires_at: int | None = None

    def is_valid_at(self, now: int) -> bool:
        """Whether it has not expired at `now`, Unix seconds."""
        return self.expires_at is None or now < self.expires_at
