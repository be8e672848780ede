"""Tokens of the admin API, and what each may do.

The names of permissions are Cloudflare's (`product.md`, M21), so that tokens made for one mean the same here; one is
ours, for a helpdesk.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from secondgate.model.policy import Address, Network


class Permission(StrEnum):
    """What a token may do. A write permission includes the reading of the same."""

    ORGANIZATIONS_READ = "Access: Organizations, Identity Providers, and Groups Read"
    ORGANIZATIONS_WRITE = "Access: Organizations, Identity Providers, and Groups Write"
    ORGANIZATIONS_REVOKE = "Access: Organizations, Identity Providers, and Groups Revoke"
    APPS_READ = "Access: Apps and Policies Read"
    APPS_WRITE = "Access: Apps and Policies Write"
    APPS_REVOKE = "Access: Apps and Policies Revoke"
    USERS_READ = "Access: Users Read"
    USERS_WRITE = "Access: Users Write"
    AUDIT_LOGS_READ = "Access: Audit Logs Read"
    SERVICE_TOKENS_READ = "Access: Service Tokens Read"
    SERVICE_TOKENS_WRITE = "Access: Service Tokens Write"
    ZERO_TRUST_READ = "Zero Trust Read"
    ZERO_TRUST_WRITE = "Zero Trust Write"
    API_TOKENS_READ = "API Tokens Read"
    API_TOKENS_WRITE = "API Tokens Write"
    MFA_RESET = "Access: MFA Reset"

    @property
    def reading(self) -> Permission | None:
        """The permission to read what this one lets change."""
        name = self.value.removesuffix(" Write")
        return Permission(f"{name} Read") if name != self.value else None


@dataclass(frozen=True, slots=True)
class ApiToken:
    """One token. Of the token itself only its hash is known; `networks` empty: from everywhere.

    `expires_at` is Unix seconds, exclusive; None never expires.
    """

    id: str
    name: str
    token_hash: str = field(repr=False)
    permissions: frozenset[Permission]
    networks: tuple[Network, ...]
    created_at: int
    expires_at: int | None = None
    last_used_at: int | None = None

    def is_valid_at(self, now: int) -> bool:
        """Whether it has not expired at `now`, Unix seconds."""
        return self.expires_at is None or now < self.expires_at

    def may_come_from(self, address: Address) -> bool:
        """Whether it may be used from an address."""
        return not self.networks or any(address in network for network in self.networks)

    def may(self, permission: Permission) -> bool:
        """Whether it has a permission, or the one to change what that one lets read."""
        return permission in self.permissions or any(one.reading is permission for one in self.permissions)
