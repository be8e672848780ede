"""What a call of the API is: its place, what it needs, what it takes and gives; routes and description follow it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from secondgate.administration.documents import Documents
from secondgate.administration.managed import Change, Changed, ManagedAccess
from secondgate.administration.token_rules import verify_tokens_known
from secondgate.errors import Malformed, NotFound, Reason
from secondgate.flows.services import Services, log_event
from secondgate.model.api_token import ApiToken, Permission
from secondgate.model.audit import Actor, ActorKind, AuditEvent

Json = Mapping[str, Any]
"""A JSON Schema (draft 2020-12), or a JSON object."""

ANY_OBJECT: Json = {"type": "object"}
DELETED: Json = {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}
"""The result of a deletion: which object it was."""


DEFAULT_PER_PAGE, MAX_PER_PAGE = 25, 1000
MAX_PAGE = 10**6


@dataclass(frozen=True, slots=True)
class Listed:
    """A list as the result. `is_paged` lists are given a page at a time, as the query says; others are one page, whole.

    With a `total` the items are that page already, read from a store: so many there are on all pages. `answer` makes
    what is told of an item, of those on the page alone.
    """

    items: Sequence[Any]
    is_paged: bool = True
    total: int | None = None
    answer: Callable[[Any], object] = lambda item: item


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a list that nobody counts. `cursor` asks for the next part; it is empty where there is none."""

    items: Sequence[object]
    cursor: str


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page of a list is asked for, the first being 1, and how many items stand on one."""

    page: int
    per_page: int

    @property
    def offset(self) -> int:
        """How many items stand before the page."""
        return (self.page - 1) * self.per_page


@dataclass(frozen=True, slots=True)
class Administration:
    """What the API's handlers work with."""

    services: Services
    managed: ManagedAccess
    account_id: str
    portal_host: str


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One call, authenticated: what is in its path, its query and its body. `called` is its method and path."""

    administration: Administration
    token: ApiToken
    address: str
    parameters: Mapping[str, str]
    query: Mapping[str, Sequence[str]]
    body: Json = field(default_factory=dict)
    called: str = ""

    @property
    def services(self) -> Services:
        """The flows' services."""
        return self.administration.services

    @property
    def documents(self) -> Documents:
        """The managed objects of this moment."""
        return self.administration.managed.documents

    @property
    def actor(self) -> Actor:
        """Who it is, and from where, for the audit log."""
        return Actor(ActorKind.TOKEN, self.token.name, self.token.id, self.address, self.called)

    def one(self, name: str) -> str:
        """Give a parameter of the query that may stand once; empty where it does not. Raises Malformed."""
        values = self.query.get(name, ())
        if len(values) > 1:
            raise Malformed(name, "must stand once in the query")
        if any("\0" in value for value in values):  # of which PostgreSQL knows none, wherever it is looked for
            raise Malformed(name, "must be text without NUL")
        return values[0] if values else ""

    def verify_keys(self, known: Collection[str]) -> None:
        """Raise Malformed for a key of the body that nothing honours, where no shape reads it."""
        for name in self.body:
            if name not in known:
                raise Malformed(name, f"unknown key; known here: {', '.join(sorted(known))}")

    @property
    def paging(self) -> Paging:
        """The page that the query asks for. Raises Malformed."""
        page = self._number("page", default=1, most=MAX_PAGE)
        return Paging(page, self._number("per_page", default=DEFAULT_PER_PAGE, most=MAX_PER_PAGE))

    async def change(self, decide: Callable[[Documents], Change]) -> Changed:
        """Change a managed object, and write it to the audit log. Raises what `ManagedAccess.change` raises.

        A rule that names a service token which is not there is refused: a file cannot be asked that, since tokens do
        not stand in it.
        """
        events: list[AuditEvent] = []
        tokens = await self.services.durable.list_service_tokens()
        known = {reference for token in tokens for reference in (token.id, token.name)}

        def judge(documents: Documents) -> Change:
            change = decide(documents)
            verify_tokens_known(documents, change, known)
            return change

        def event(changed: Changed) -> AuditEvent:
            events.append(self.services.new_event(changed.action, actor=self.actor, detail=changed.detail))
            return events[-1]

        changed = await self.administration.managed.change(judge, event=event)
        log_event(events[-1])
        return changed

    def _number(self, name: str, *, default: int, most: int) -> int:
        text = self.one(name)
        if not text:
            return default
        if not text.isascii() or not text.isdigit() or not 1 <= int(text[:12]) <= most:
            raise Malformed(name, f"must be a whole number from 1 to {most}")
        return int(text)


Handler = Callable[[ApiRequest], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call. `path` stands under `/client/v4`; `permission` None: any valid token will do.

    `or_permission` is another one that is as good, for this call alone. `needed` are the parameters of the query that
    must be there. A list with `has_cursor` is given as a Chunk.
    """

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
    or_permission: Permission | None = None
    needed: tuple[str, ...] = ()
    has_cursor: bool = False

    @property
    def permissions(self) -> tuple[Permission, ...]:
        """The permissions of which one is needed; none: any valid token will do."""
        return tuple(one for one in (self.permission, self.or_permission) if one is not None)

    def is_open_to(self, token: ApiToken) -> bool:
        """Whether a token may make the call."""
        return not self.permissions or any(token.may(one) for one in self.permissions)


def not_found(what: str) -> NotFound:
    """Make the rejection for what is not there."""
    return NotFound(Reason.NOT_FOUND, f"there is no such {what}")


def timestamp(at: float) -> str:
    """Give Unix seconds in RFC 3339."""
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
