"""Temporary passes: what an administrator issues to a person who has no authenticator at hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class PassState(StrEnum):
    """What has become of a pass."""

    VALID = "valid"
    USED = "used"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class TemporaryPass:
    """One pass of one person, good for one use. Of its code only a keyed hash is known.

    `created_by` says who issued it, as the audit log does. `expires_at` is Unix seconds, exclusive.
    """

    id: str
    person_id: str
    code_mac: str = field(repr=False)
    created_at: int
    created_by: str
    expires_at: int
    used_at: int | None = None

    def state_at(self, now: int) -> PassState:
        """Say what has become of it by `now`, Unix seconds."""
        if self.used_at is not None:
            return PassState.USED
        return PassState.VALID if now < self.expires_at else PassState.EXPIRED
