"""What is written to the audit log: who did what, with which factor, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One event. `action` is `noun.verb` or `noun.verb.outcome`, as `login.succeeded` or `totp.rejected`.

    `detail` holds facts without secrets: never a code, a seed, a token or a cookie.
    """

    at: int
    action: str
    actor: str
    person_id: str = ""
    address: str = ""
    detail: Mapping[str, str] = field(default_factory=dict)
