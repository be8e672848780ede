"""What a query of the logs asks for: times, cursors and filters, as Cloudflare's clients write them.

A filter is honoured or refused by its name; none is passed over, since whoever asks for the failures of one person
must not take everybody's for an answer.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from datetime import UTC, datetime
from typing import TypeVar

from secondgate.admin.calls import ApiRequest, Json
from secondgate.errors import Malformed
from secondgate.model.audit import EFFECTS, FAILURES, ActorKind, Effect, EventField, EventFilter, EventPlace, Outcome
from secondgate.model.person import folded_email

T = TypeVar("T", bound=str)
DEFAULT_LIMIT, MAX_LIMIT = 100, 1000
_KINDS_OF_CONTEXT: Mapping[str, tuple[ActorKind, ...]] = {
    "api": (),
    "api_key": (),
    "api_token": (ActorKind.TOKEN,),
    "dash": (),
    "oauth": (),
    "origin_ca_key": (),
}
_KINDS_OF_TYPE: Mapping[str, tuple[ActorKind, ...]] = {
    "account": (ActorKind.TOKEN,),
    "cloudflare_admin": (),
    "delegated_service": (),
    "system": (ActorKind.SYSTEM, ActorKind.COMMAND_LINE),
    "user": (ActorKind.PERSON,),
}
_FIELDS = {
    "id": EventField.ID,
    "audit_log_id": EventField.ID,
    "actor_email": EventField.ACTOR,
    "actor_id": EventField.ACTOR_ID,
    "actor_ip_address": EventField.ADDRESS,
    "actor_token_id": EventField.ACTOR_ID,
    "actor_token_name": EventField.ACTOR,
}
_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})?)?", re.ASCII | re.IGNORECASE
)
_LIMIT = re.compile(r"(\d{1,6})(?:\.0+)?", re.ASCII)
_PLACE = re.compile(r"(\d{1,12})\.(\d{1,18})", re.ASCII)
_TEXTS: Json = {"type": "array", "items": {"type": "string"}}


def _one_of(values: Iterable[str]) -> Json:
    return {"type": "array", "items": {"enum": list(values)}}


_FILTERS: Mapping[str, Json] = {
    **dict.fromkeys(_FIELDS, _TEXTS),
    "action_type": _one_of(Effect),
    "action_result": _one_of(Outcome),
    "actor_context": _one_of(_KINDS_OF_CONTEXT),
    "actor_type": _one_of(_KINDS_OF_TYPE),
}
RANGE: Mapping[str, Json] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT},
    "direction": {"enum": ["desc", "asc"]},
}
TIME: Json = {"type": "string", "description": "RFC 3339, or a date; UTC where nothing else is said"}
AUDIT_QUERY: Mapping[str, Json] = {
    "since": TIME,
    "before": TIME,
    "cursor": {"type": "string"},
    **RANGE,
    **{f"{name}{suffix}": schema for name, schema in _FILTERS.items() for suffix in ("", ".not")},
}


def parse_time(request: ApiRequest, name: str) -> float | None:
    """Give a time of the query in Unix seconds, None where there is none. A date is its first moment, UTC.

    Raises Malformed.
    """
    text = request.one(name)
    if not text:
        return None
    match = _TIME.fullmatch(text)
    try:
        if match is not None:
            at = datetime.fromisoformat(text.upper())
            return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        pass
    raise Malformed(name, "must be a time as 2026-01-31T12:00:00Z (RFC 3339), or a date as 2026-01-31")


def parse_limit(request: ApiRequest) -> int:
    """Give how many events are asked for at most. Raises Malformed."""
    text = request.one("limit")
    if not text:
        return DEFAULT_LIMIT
    match = _LIMIT.fullmatch(text)
    if match is None or not 1 <= int(match[1]) <= MAX_LIMIT:
        raise Malformed("limit", f"must be a whole number from 1 to {MAX_LIMIT}")
    return int(match[1])


def parse_oldest_first(request: ApiRequest) -> bool:
    """Give whether the oldest come first; without a direction the newest do. Raises Malformed."""
    return _choice(request, "direction", ("asc", "desc")) == "asc"


def parse_cursor(request: ApiRequest) -> EventPlace | None:
    """Give the place after which the events are asked for. Raises Malformed for what `cursor_of` did not make."""
    text = request.one("cursor")
    if not text:
        return None
    try:
        match = _PLACE.fullmatch(base64.urlsafe_b64decode(text.encode("ascii")).decode("ascii"))
    except ValueError:
        match = None
    if match is None:
        raise Malformed("cursor", "must be one that an earlier answer gave")
    return EventPlace(int(match[1]), int(match[2]))


def cursor_of(place: EventPlace) -> str:
    """Write a place for whoever asks for what comes after it."""
    return base64.urlsafe_b64encode(f"{place.at}.{place.sequence}".encode()).decode()


def parse_audit_filter(request: ApiRequest) -> EventFilter:
    """Give which events of the audit log are asked for. Raises Malformed, for a filter that is not known too."""
    verify_known(request, AUDIT_QUERY)
    since, before = parse_time(request, "since"), parse_time(request, "before")
    for name, time in (("since", since), ("before", before)):
        if time is None:
            raise Malformed(name, "is required: a time (RFC 3339) or a date")
    selection = _Selection()
    for name, field in _FIELDS.items():
        read = folded_email if name == "actor_email" else str
        if named := _values(request, name):
            selection.only(field, map(read, named))
        selection.without(field, map(read, _values(request, f"{name}.not")))
    for name, kinds in (("actor_context", _KINDS_OF_CONTEXT), ("actor_type", _KINDS_OF_TYPE)):
        if named := _checked(name, _values(request, name), kinds):
            selection.only(EventField.ACTOR_KIND, _kinds(kinds, named))
        hidden = _checked(name, _values(request, f"{name}.not"), kinds)
        selection.without(EventField.ACTOR_KIND, _kinds(kinds, hidden))  # who has no type is not of this one
    _select_verbs(request, selection)
    return EventFilter(
        since=None if since is None else math.ceil(since),
        before=None if before is None else math.ceil(before),
        wanted=selection.wanted,
        unwanted=selection.unwanted,
    )


def _kinds(kinds: Mapping[str, tuple[ActorKind, ...]], named: Iterable[str]) -> Iterator[ActorKind]:
    return (kind for name in named for kind in kinds[name])


def _select_verbs(request: ApiRequest, selection: _Selection) -> None:
    outcomes, effects = _chosen(request, "action_result", Outcome), _chosen(request, "action_type", Effect)
    if Outcome.SUCCESS not in outcomes:
        selection.only(EventField.VERB, FAILURES)
    if Outcome.FAILURE not in outcomes:
        selection.without(EventField.VERB, FAILURES)
    if Effect.VIEW not in effects:
        selection.only(EventField.VERB, (verb for effect in effects for verb in EFFECTS[effect]))
    for effect in EFFECTS.keys() - set(effects):  # whatever changes nothing may have any other verb
        selection.without(EventField.VERB, EFFECTS[effect])


ACCESS_QUERY: Mapping[str, Json] = {
    "since": TIME,
    "until": TIME,
    **RANGE,
    "email": {"type": "string"},
    "email_exact": {"enum": ["true", "false"]},
    "emailOp": {"enum": ["eq", "neq", "contains"]},
}


def parse_access_filter(request: ApiRequest, actions: Collection[str]) -> EventFilter:
    """Give which logins are asked for: those of an address, or of all whose address has a part, or of all others.

    Raises Malformed, for a filter that is not known too.
    """
    verify_known(request, ACCESS_QUERY)
    since, until = parse_time(request, "since"), parse_time(request, "until")
    email = folded_email(request.one("email"))
    operator = _choice(request, "emailOp", ("eq", "neq", "contains"))
    is_exact = _choice(request, "email_exact", ("true", "false")) == "true" or operator == "eq"
    is_not, exact = operator == "neq", frozenset((email,))
    by_address = {EventField.ACTOR: exact} if email and is_exact else {}
    return EventFilter(
        since=None if since is None else math.ceil(since),
        before=None if until is None else math.floor(until) + 1,
        wanted={EventField.ACTION: frozenset(actions), **({} if is_not else by_address)},
        unwanted=by_address if is_not else {},
        actor_part="" if is_exact or is_not else email,
        not_actor_part=email if is_not and not is_exact else "",
    )


def verify_known(request: ApiRequest, known: Collection[str]) -> None:
    """Raise Malformed for a parameter of the query that nothing honours."""
    for name in request.query:
        if _plain(name) not in known:
            raise Malformed(name, f"is not a filter of this log: use {', '.join(sorted(known))}")


def _plain(name: str) -> str:
    """Give a parameter's one spelling: clients write `name.not` or `name[not]`, with `[]` where it may be repeated."""
    return name.removesuffix("[]").replace("[not]", ".not")


def _values(request: ApiRequest, name: str) -> list[str]:
    return [value for key, values in request.query.items() if _plain(key) == name for value in values]


def _checked(name: str, values: Iterable[str], allowed: Collection[str]) -> list[str]:
    chosen = list(values)
    if not all(value in allowed for value in chosen):
        raise Malformed(name, f"must be one of {', '.join(allowed)}")
    return chosen


def _choice(request: ApiRequest, name: str, allowed: Collection[str]) -> str:
    text = request.one(name)
    return _checked(name, [text], allowed)[0] if text else ""


def _chosen(request: ApiRequest, name: str, all_of: Iterable[T]) -> list[T]:
    """Give which of some few are asked for: those that are named, without those that are not to be; else all."""
    known = list(all_of)
    named, hidden = _values(request, name), _values(request, f"{name}.not")
    _checked(name, [*named, *hidden], known)
    return [one for one in known if (not named or one in named) and one not in hidden]


@dataclass(frozen=True, slots=True)
class _Selection:
    """What fields may be and must not be, as filter after filter narrows it."""

    wanted: dict[EventField, frozenset[str]] = dataclass_field(default_factory=dict)
    unwanted: dict[EventField, frozenset[str]] = dataclass_field(default_factory=dict)

    def only(self, field: EventField, values: Iterable[str]) -> None:
        allowed = frozenset(map(str, values))
        self.wanted[field] = self.wanted[field] & allowed if field in self.wanted else allowed

    def without(self, field: EventField, values: Iterable[str]) -> None:
        if hidden := self.unwanted.get(field, frozenset()) | frozenset(map(str, values)):
            self.unwanted[field] = hidden
