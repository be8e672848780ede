"""Service tokens: what machines prove themselves with, instead of a person who logs in."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ServiceToken:
    """One token. `client_id` is public; of the secret only its hash is known here (SHA-256, hexadecimal).

    `expires_at` is Unix seconds, exclusive; None never expires. `duration_s` is what it is given again when it is
    refreshed; None: for ever. Until `previous_expires_at` the secret that was replaced last is as good as its own.
    `revision` counts every change but `last_seen_at`.
    """

    id: str
    name: str
    client_id: str
    secret_hash: str = field(repr=False)
    created_at: int
    expires_at: int | None = None
    duration_s: int | None = None
    is_enabled: bool = True
    previous_secret_hash: str = field(default="", repr=False)
    previous_expires_at: int | None = None
    updated_at: int | None = None
    last_seen_at: int | None = None
    revision: int = 0

    def is_valid_at(self, now: int) -> bool:
        """Whether it is not disabled, and has not expired at `now`, Unix seconds."""
        return self.is_enabled and not self.is_expired_at(now)

    def is_expired_at(self, now: int) -> bool:
        """Whether it has expired at `now`, Unix seconds."""
        return self.expires_at is not None and now >= self.expires_at

    def secret_hashes_at(self, now: int) -> tuple[str, ...]:
        """Give the hashes of the secrets that prove it at `now`, Unix seconds."""
        if self.previous_expires_at is None or now >= self.previous_expires_at:
            return (self.secret_hash,)
        return self.secret_hash, self.previous_secret_hash
