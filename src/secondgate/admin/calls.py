"""What a call of the API is: its place, what it needs, what it takes and gives; routes and description follow it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from secondgate.administration.documents import Documents
from secondgate.administration.managed import Change, Changed, ManagedAccess
from secondgate.errors import Malformed, NotFound, Reason
from secondgate.flows.services import Services
from secondgate.model.api_token import ApiToken, Permission

Json = Mapping[str, Any]
"""A JSON Schema (draft 2020-12), or a JSON object."""

ANY_OBJECT: Json = {"type": "object"}


@dataclass(frozen=True, slots=True)
class Listed:
    """A list as the result. `is_paged` lists are given a page at a time, as the query says."""

    items: Sequence[object]
    is_paged: bool = True


@dataclass(frozen=True, slots=True)
class Administration:
    """What the API's handlers work with."""

    services: Services
    managed: ManagedAccess
    account_id: str
    portal_host: str


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One call, authenticated: what is in its path, its query and its body."""

    administration: Administration
    token: ApiToken
    address: str
    parameters: Mapping[str, str]
    query: Mapping[str, Sequence[str]]
    body: Json = field(default_factory=dict)

    @property
    def services(self) -> Services:
        """The flows' services."""
        return self.administration.services

    @property
    def documents(self) -> Documents:
        """The managed objects of this moment."""
        return self.administration.managed.documents

    @property
    def actor(self) -> str:
        """Who it is, for the audit log."""
        return f"token:{self.token.name}"

    def one(self, name: str) -> str:
        """Give a parameter of the query that may stand once; empty where it does not. Raises Malformed."""
        values = self.query.get(name, ())
        if len(values) > 1:
            raise Malformed(name, "must stand once in the query")
        return values[0] if values else ""

    async def change(self, decide: Callable[[Documents], Change]) -> Changed:
        """Change a managed object, and write it to the audit log. Raises what `ManagedAccess.change` raises."""
        changed = await self.administration.managed.change(decide)
        event = changed.event(now=self.services.now(), actor=self.actor, address=self.address)
        await self.services.durable.append_event(event)
        return changed


Handler = Callable[[ApiRequest], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call. `path` stands under `/client/v4`; `permission` None: any valid token will do."""

    method: str
    path: str
    summary: str
    handler: Handler
    tag: str
    permission: Permission | None
    result: Json = field(default_factory=lambda: ANY_OBJECT)
    body: Json | None = None
    query: Mapping[str, Json] = field(default_factory=dict)
    is_list: bool = False
    status: int = 200


def not_found(what: str) -> NotFound:
    """Make the rejection for what is not there."""
    return NotFound(Reason.NOT_FOUND, f"there is no such {what}")


def timestamp(at: float) -> str:
    """Give Unix seconds in RFC 3339."""
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
