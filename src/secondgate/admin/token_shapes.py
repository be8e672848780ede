"""Tokens of the API on the wire, and what they are: policies of permission groups, conditions, times.

There is one account and nothing below it, so that a policy allows, and its resources are the account.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from ipaddress import ip_network
from typing import Annotated, Any, Literal

from pydantic import Field

from secondgate.access.fields import Name, Network, Shape, Text, only
from secondgate.access.moment import Moment, moment_s
from secondgate.admin.calls import timestamp
from secondgate.admin.permission_groups import ACCOUNT_SCOPE, GROUP_IDS, PERMISSIONS
from secondgate.errors import Malformed
from secondgate.model.api_token import ApiToken, Permission


class PermissionGroupShape(Shape):
    """A permission group; only the `id` counts."""

    id: Text
    name: Text | None = None
    meta: dict[str, str | None] | None = None


class TokenPolicyShape(Shape):
    """What a token may do."""

    id: Text | None = None
    effect: Annotated[Literal["allow"], only(value="allow", reason="what a token is not allowed it may not do")]
    permission_groups: tuple[PermissionGroupShape, ...]
    resources: dict[Text, Literal["*"]]


class RequestIpShape(Shape):
    """Where a token may be used from."""

    in_: tuple[Network, ...] = Field(default=(), alias="in")
    not_in: tuple[Network, ...] = ()


class ConditionShape(Shape):
    """Where a token may be used from."""

    request_ip: RequestIpShape | None = None


class ApiTokenShape(Shape):
    """A token. `status` expired follows from `expires_on`."""

    name: Name
    policies: tuple[TokenPolicyShape, ...]
    condition: ConditionShape | None = None
    expires_on: Moment | None = None
    not_before: Moment | None = None
    status: Literal["active", "disabled", "expired"] = "active"


READ_ONLY = frozenset(("id", "issued_on", "modified_on", "last_used_on", "value"))
"""What answers add: clients send whole objects back."""


def token_answer(token: ApiToken, *, account_id: str, now: int) -> dict[str, Any]:
    """Give a token with its id and times; its fields are those of the shape."""
    answer: dict[str, Any] = {
        "id": token.id,
        "name": token.name,
        "status": token_status(token, now=now),
        "issued_on": timestamp(token.created_at),
        "modified_on": timestamp(token.updated_at or token.created_at),
    }
    if token.last_used_at is not None:
        answer["last_used_on"] = timestamp(token.last_used_at)
    return {**answer, **_fields(token, account_id)}


def token_status(token: ApiToken, *, now: int) -> str:
    """Give whether it is active, disabled or expired at `now`, Unix seconds."""
    if token.is_expired_at(now):
        return "expired"
    return "active" if token.is_enabled else "disabled"


def token_document(token: ApiToken, *, account_id: str) -> dict[str, Any]:
    """Give a token as a body that would make it, so that a PUT can keep what it does not name."""
    status = "active" if token.is_enabled else "disabled"
    return {"name": token.name, "status": status, **_fields(token, account_id)}


def apply_shape(token: ApiToken, shape: ApiTokenShape, *, account_id: str, now: int) -> ApiToken:
    """Give a token with what a body says. Raises Malformed for what is well formed and makes no sense.

    `now` is Unix seconds: a new expiry must be later.
    """
    grants = tuple(
        _grant(policy, account_id=account_id, at=f"policies[{number}]") for number, policy in enumerate(shape.policies)
    )
    if not all((grants, *grants)):
        raise Malformed("policies", "must name at least one permission group each, and there must be one")
    address = (shape.condition.request_ip if shape.condition else None) or RequestIpShape()
    expires_at = moment_s(shape.expires_on) if shape.expires_on is not None else None
    not_before = moment_s(shape.not_before) if shape.not_before is not None else None
    if expires_at is not None and expires_at != token.expires_at and expires_at <= now:
        raise Malformed("expires_on", "must be in the future")
    if expires_at is not None and not_before is not None and not_before >= expires_at:
        raise Malformed("not_before", "must be before expires_on")
    is_expired = expires_at is not None and expires_at <= now
    if shape.status == "expired" and not is_expired:
        raise Malformed("status", "must be active or disabled; when a token expires is said by expires_on")
    return replace(
        token,
        name=shape.name,
        permissions=frozenset(permission for grant in grants for permission in grant),
        grants=grants,
        networks=tuple(ip_network(text) for text in address.in_),
        excluded_networks=tuple(ip_network(text) for text in address.not_in),
        expires_at=expires_at,
        not_before=not_before,
        is_enabled=token.is_enabled if shape.status == "expired" else shape.status == "active",
    )


def _grant(policy: TokenPolicyShape, *, account_id: str, at: str) -> tuple[Permission, ...]:
    account = f"{ACCOUNT_SCOPE}.{account_id}"
    if tuple(policy.resources) != (account,):
        raise Malformed(f"{at}.resources", f'must be {{"{account}": "*"}}: there is this account, and nothing below it')
    for number, group in enumerate(policy.permission_groups):
        if group.id not in PERMISSIONS:
            place = f"{at}.permission_groups[{number}].id"
            raise Malformed(place, "is no permission group: they are listed at …/tokens/permission_groups")
    return tuple(dict.fromkeys(PERMISSIONS[group.id] for group in policy.permission_groups))


def _fields(token: ApiToken, account_id: str) -> dict[str, Any]:
    """Give what was set, in the order in which it was sent."""
    fields: dict[str, Any] = {
        "policies": [
            {
                "id": hashlib.sha256(f"{token.id}/{number}".encode()).hexdigest()[:32],
                "effect": "allow",
                "permission_groups": [{"id": GROUP_IDS[one], "name": one.value} for one in grant],
                "resources": {f"{ACCOUNT_SCOPE}.{account_id}": "*"},
            }
            for number, grant in enumerate(token.grants or (tuple(sorted(token.permissions)),))
        ]
    }
    addresses = {"in": token.networks, "not_in": token.excluded_networks}
    set_ = {name: [str(network) for network in networks] for name, networks in addresses.items() if networks}
    if set_:
        fields["condition"] = {"request_ip": set_}
    for name, at in (("expires_on", token.expires_at), ("not_before", token.not_before)):
        if at is not None:
            fields[name] = timestamp(at)
    return fields
