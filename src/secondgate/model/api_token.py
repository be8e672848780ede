"""Tokens of the admin API, and what each may do.

The names of permissions are Cloudflare's (`product.md`, M21), so that tokens made for one mean the same here; one is
ours, for a helpdesk.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv6Address

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

    It is never taken from `excluded_networks`. `expires_at` is Unix seconds, exclusive; None never expires.
    `grants` are the permissions in the order in which they were given, policy by policy; empty: in one policy.
    `revision` counts every change but `last_used_at`.
    """

    id: str
    name: str
    token_hash: str = field(repr=False)
    permissions: frozenset[Permission]
    networks: tuple[Network, ...]
    created_at: int
    expires_at: int | None = None
    last_used_at: int | None = None
    excluded_networks: tuple[Network, ...] = ()
    not_before: int | None = None
    is_enabled: bool = True
    updated_at: int | None = None
    grants: tuple[tuple[Permission, ...], ...] = ()
    revision: int = 0

    def is_valid_at(self, now: int) -> bool:
        """Whether it is enabled, and `now`, Unix seconds, is in its time."""
        return self.is_enabled and not self.is_expired_at(now) and (self.not_before is None or now >= self.not_before)

    def is_expired_at(self, now: int) -> bool:
        """Whether it has expired at `now`, Unix seconds."""
        return self.expires_at is not None and now >= self.expires_at

    def may_come_from(self, address: Address) -> bool:
        """Whether it may be used from an address. An IPv4 address mapped into IPv6 is the IPv4 address."""
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if any(address in network for network in self.excluded_networks):
            return False
        return not self.networks or any(address in network for network in self.networks)

    def reason_not_to_give(self, other: ApiToken) -> str:
        """Give why this token must not make or change another one: that would be more than it has. Empty: it may.

        More is a permission that it lacks, a longer life, or a place that it may not be used from itself.
        """
        for permission in sorted(other.permissions):
            if not self.may(permission):
                return f"a token without the permission {str(permission)!r} cannot give it"
        if self.expires_at is not None and (other.expires_at is None or other.expires_at > self.expires_at):
            return "a token that expires cannot give one that lives longer"
        if self.networks and not (other.networks and all(_is_within(one, self.networks) for one in other.networks)):
            return "a token that is bound to addresses cannot give one that is used from others"
        for excluded in self.excluded_networks:
            is_reached = not other.networks or any(_is_overlap(one, excluded) for one in other.networks)
            if is_reached and not _is_within(excluded, other.excluded_networks):
                return "a token that is not taken from some addresses cannot give one that is"
        return ""

    def may(self, permission: Permission) -> bool:
        """Whether it has a permission, or the one to change what that one lets read."""
        return permission in self.permissions or any(one.reading is permission for one in self.permissions)


def _is_within(network: Network, others: Iterable[Network]) -> bool:
    return any(
        network.version == other.version
        and int(other.network_address) <= int(network.network_address)
        and int(network.broadcast_address) <= int(other.broadcast_address)
        for other in others
    )


def _is_overlap(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)
