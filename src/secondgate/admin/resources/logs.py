"""The audit log, `/logs/audit` (Cloudflare's audit logs, version 2), and the log of logins to applications.

Both are read from the same events, so that there is one truth that is kept for one time: a login to an application,
or its refusal, is written once. Nothing here changes a log.
"""

from __future__ import annotations

from typing import Any

from secondgate.admin.calls import ApiRequest, Call, Chunk, Json, timestamp
from secondgate.admin.log_query import (
    ACCESS_QUERY,
    AUDIT_QUERY,
    cursor_of,
    parse_access_filter,
    parse_audit_filter,
    parse_cursor,
    parse_limit,
    parse_oldest_first,
)
from secondgate.model.api_token import Permission
from secondgate.model.audit import ActorKind, AuditEvent, Effect, Outcome, place_of

LOGINS = frozenset(("application.login", "application.refused", "login.failed", "login.refused"))
"""Logins that got to an application, and those that got to none."""
_PERMISSION = Permission.AUDIT_LOGS_READ
_TYPES = {
    ActorKind.TOKEN: "account",
    ActorKind.PERSON: "user",
    ActorKind.COMMAND_LINE: "system",
    ActorKind.SYSTEM: "system",
}
_ID_DETAILS = ("id", "application")


async def list_audit(request: ApiRequest) -> Chunk:
    """GET /logs/audit: what was done between two times, and by whom."""
    matching, limit, after = parse_audit_filter(request), parse_limit(request), parse_cursor(request)
    found = await request.services.durable.list_events(
        matching, limit=limit + 1, after=after, oldest_first=parse_oldest_first(request)
    )
    shown = found[:limit]
    cursor = cursor_of(place_of(shown[-1])) if len(found) > limit else ""
    return Chunk([_audited(request, event) for event in shown], cursor)


async def list_access_requests(request: ApiRequest) -> list[dict[str, Any]]:
    """GET /access/logs/access_requests: who logged in to what, and who was refused."""
    matching, limit = parse_access_filter(request, LOGINS), parse_limit(request)
    found = await request.services.durable.list_events(matching, limit=limit, oldest_first=parse_oldest_first(request))
    return [_access_request(event) for event in found]


def _audited(request: ApiRequest, event: AuditEvent) -> dict[str, Any]:
    organization = request.services.access().rulebook.organization.name
    noun = event.action.rpartition(".")[0]
    subject = next((event.detail[name] for name in _ID_DETAILS if event.detail.get(name)), event.person_id)
    answer: dict[str, Any] = {
        "id": event.id,
        "account": {"id": request.administration.account_id, "name": organization},
        "action": {
            "type": event.effect,
            "result": event.outcome,
            "time": timestamp(event.at),
            "description": event.action,
        },
        "actor": _actor(event),
        "resource": _set({"id": subject, "type": noun, "product": "access", "scope": "accounts"}),
        "secondgate": {
            "actor": _set({"kind": event.actor_kind, "name": event.actor}),
            "person_id": event.person_id,
            "factor": _set({"method": event.factor.method, "authenticator_id": event.factor.authenticator_id}),
            "detail": dict(event.detail),
        },
    }
    method, _, uri = event.detail.get("call", "").partition(" ")
    return {**answer, **({"raw": {"method": method, "uri": uri}} if uri else {})}


def _actor(event: AuditEvent) -> dict[str, str]:
    actor = {"id": event.actor_id, "type": _TYPES.get(event.actor_kind, ""), "ip_address": event.address}
    if event.actor_kind is ActorKind.TOKEN:
        actor |= {"context": "api_token", "token_id": event.actor_id, "token_name": event.actor}
    elif event.actor_kind is not ActorKind.SYSTEM and "@" in event.actor:
        actor["email"] = event.actor
    return _set(actor)


def _access_request(event: AuditEvent) -> dict[str, Any]:
    detail = event.detail
    return {
        "action": "login",
        "allowed": event.outcome is Outcome.SUCCESS,
        "app_domain": detail.get("domain", ""),
        "app_uid": detail.get("application", ""),
        "connection": detail.get("connection", ""),
        "country": "",
        "created_at": timestamp(event.at),
        "ip_address": event.address,
        "ray_id": event.id,
        "user_email": event.actor,
    }


def _set(fields: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value}


_TEXT: Json = {"type": "string"}
_TIME: Json = {"type": "string", "format": "date-time"}


def _object(properties: dict[str, Json], *, required: tuple[str, ...] = ()) -> Json:
    return {"type": "object", "required": list(required), "properties": properties, "additionalProperties": False}


_NAMES = ("id", "type", "ip_address", "context", "token_id", "token_name", "email")
_EVENT = _object(
    {
        "id": _TEXT,
        "account": _object({"id": _TEXT, "name": _TEXT}),
        "action": _object(
            {
                "type": {"enum": list(Effect)},
                "result": {"enum": list(Outcome)},
                "time": _TIME,
                "description": _TEXT,
            }
        ),
        "actor": _object(dict.fromkeys(_NAMES, _TEXT)),
        "resource": _object(dict.fromkeys(("id", "type", "product", "scope"), _TEXT)),
        "raw": _object({"method": _TEXT, "uri": _TEXT}),
        "secondgate": _object(
            {
                "actor": _object({"kind": {"enum": list(ActorKind)}, "name": _TEXT}),
                "person_id": _TEXT,
                "factor": _object({"method": _TEXT, "authenticator_id": _TEXT}),
                "detail": {"type": "object", "additionalProperties": _TEXT},
            }
        ),
    },
    required=("id", "account", "action", "actor", "resource", "secondgate"),
)
_REQUEST = _object(
    {
        **dict.fromkeys(("action", "app_domain", "app_uid", "connection", "country"), _TEXT),
        **dict.fromkeys(("ip_address", "ray_id", "user_email"), _TEXT),
        "allowed": {"type": "boolean"},
        "created_at": _TIME,
    },
    required=("action", "allowed", "created_at", "user_email"),
)
CALLS = (
    Call(
        method="GET",
        path="/accounts/{account_id}/logs/audit",
        summary="Read the audit log, between two times",
        handler=list_audit,
        tag="logs",
        permission=_PERMISSION,
        result=_EVENT,
        query=AUDIT_QUERY,
        needed=("since", "before"),
        is_list=True,
        has_cursor=True,
    ),
    Call(
        method="GET",
        path="/accounts/{account_id}/access/logs/access_requests",
        summary="Read who logged in to applications, and who was refused",
        handler=list_access_requests,
        tag="logs",
        permission=_PERMISSION,
        result={"type": "array", "items": _REQUEST},
        query=ACCESS_QUERY,
    ),
)
