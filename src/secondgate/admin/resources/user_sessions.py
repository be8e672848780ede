"""What is live of a person, and their logins: active sessions, failed logins, the identity seen last.

A session is a browser's login at the portal, or at an application's host; `nonce` names it and opens nothing.
"""

from __future__ import annotations

from typing import Any

from secondgate.admin.calls import ApiRequest, Call, Json, Listed, not_found, timestamp
from secondgate.admin.resources import users
from secondgate.flows.people import list_failed_logins, load_last_login
from secondgate.flows.sessions import end_session, list_sessions
from secondgate.model.api_token import Permission
from secondgate.model.audit import AuditEvent
from secondgate.model.person import Person
from secondgate.model.session import ApplicationSession, Login

_SESSIONS = f"{users.ONE}/active_sessions"
_SESSION = f"{_SESSIONS}/{{nonce}}"
_NEITHER = {"is_gateway": False, "is_warp": False}
_TOLD = {"app_name": "application_name", "app_uid": "application", "reason": "reason"}
"""What failed logins tell of the details in the audit log, where they are there."""


async def list_active(request: ApiRequest) -> Listed:
    """List a person's sessions, the newest first."""
    person = await users.load_user(request)
    found = await _active(request, person)
    return Listed([_listed(request, session) for session in found], is_paged=False)


async def read_active(request: ApiRequest) -> dict[str, Any]:
    """Give the identity of one session."""
    person = await users.load_user(request)
    nonce = request.parameters["nonce"]
    session = next((one for one in await _active(request, person) if one.id == nonce), None)
    if session is None:
        raise not_found("session")
    identity = session.identity
    return {
        "account_id": request.administration.account_id,
        "user_uuid": person.id,
        "email": identity.email,
        "name": identity.name,
        "groups": list(identity.groups),
        "amr": list(identity.amr),
        "idp": _provider(identity.identity_provider_id, identity.source),
        "iat": _began_at(session),
        "isActive": True,
        **_NEITHER,
        "secondgate": _ours(session),
    }


async def end_active(request: ApiRequest) -> dict[str, Any]:
    """End one session."""
    person = await users.load_user(request)
    nonce = request.parameters["nonce"]
    await end_session(request.services, person.id, nonce, actor=request.actor)
    return {"nonce": nonce}


async def list_failed(request: ApiRequest) -> Listed:
    """List what a person's logins failed by, the newest first."""
    person = await users.load_user(request)
    events = await list_failed_logins(request.services, person)
    return Listed([_failed(person, event) for event in events], is_paged=False)


async def read_last_seen(request: ApiRequest) -> dict[str, Any]:
    """Give who the person was at their last login."""
    person = await users.load_user(request)
    if person.last_login_at is None:
        raise not_found("identity: this user has never logged in")
    answer: dict[str, Any] = {
        "account_id": request.administration.account_id,
        "user_uuid": person.id,
        "email": person.email,
        "name": person.name,
        "iat": person.last_login_at,
        **_NEITHER,
    }
    event = await load_last_login(request.services, person)
    if event is not None:
        answer["ip"] = event.address
        answer["idp"] = _provider(event.detail.get("identity_provider", ""), event.detail.get("source", ""))
    return answer


async def _active(request: ApiRequest, person: Person) -> list[Login | ApplicationSession]:
    logins, applications = await list_sessions(request.services, person.id)
    now = request.services.now()
    found: list[Login | ApplicationSession] = [*logins, *applications]
    return sorted((session for session in found if session.expires_at > now), key=_newest_first)


def _newest_first(session: Login | ApplicationSession) -> tuple[int, str]:
    return -_began_at(session), session.id


def _listed(request: ApiRequest, session: Login | ApplicationSession) -> dict[str, Any]:
    began_at = _began_at(session)
    return {
        "name": request.administration.portal_host if isinstance(session, Login) else session.host,
        "expiration": session.expires_at,
        "metadata": {
            "apps": {} if isinstance(session, Login) else _applications(request, session),
            "expires": session.expires_at,
            "iat": began_at,
            "nonce": session.id,
            "ttl": session.expires_at - began_at,
        },
        "secondgate": _ours(session),
    }


def _applications(request: ApiRequest, session: ApplicationSession) -> dict[str, dict[str, str]]:
    """Give the applications that the session is logged in to, by their ids."""
    access, now = request.services.access(), request.services.now()
    shown = {}
    for grant in session.grants:
        application = access.by_id.get(grant.application_id)
        if application is not None and session.grant_for(application) is grant and grant.expires_at > now:
            facts = {"uid": application.id, "name": application.name, "hostname": session.host, "type": "self_hosted"}
            shown[application.id] = facts
    return shown


def _ours(session: Login | ApplicationSession) -> dict[str, str]:
    kind = "login" if isinstance(session, Login) else "application"
    return {"kind": kind, "device_id": session.device_id}


def _began_at(session: Login | ApplicationSession) -> int:
    return session.at if isinstance(session, Login) else session.created_at


def _provider(id_: str, type_: str) -> dict[str, str]:
    return {**({"id": id_} if id_ else {}), "type": type_}


def _failed(person: Person, event: AuditEvent) -> dict[str, Any]:
    detail = event.detail
    metadata = {
        "datetime": timestamp(event.at),
        "user_email": person.email,
        "user_uuid": person.id,
        "ip_address": event.address,
        "action": event.action,
    }
    told = {shown: detail.get(name, "") for shown, name in _TOLD.items()}
    return {"metadata": {**metadata, **{shown: text for shown, text in told.items() if text}}}


_TEXT: Json = {"type": "string"}
_TIME: Json = {"type": "integer", "description": "Unix seconds"}
_OURS: Json = {
    "type": "object",
    "required": ["kind", "device_id"],
    "properties": {
        "kind": {"enum": ["login", "application"], "description": "at the portal, or at an application's host"},
        "device_id": {"type": "string", "description": "the browser"},
    },
}
_APPLICATION: Json = {"type": "object", "properties": dict.fromkeys(("uid", "name", "hostname", "type"), _TEXT)}
_LISTED: Json = {
    "type": "object",
    "required": ["name", "expiration", "metadata", "secondgate"],
    "properties": {
        "name": {"type": "string", "description": "the host"},
        "expiration": _TIME,
        "metadata": {
            "type": "object",
            "required": ["apps", "expires", "iat", "nonce", "ttl"],
            "properties": {
                "apps": {"type": "object", "additionalProperties": _APPLICATION},
                "expires": _TIME,
                "iat": _TIME,
                "nonce": {"type": "string", "description": "names the session; opens nothing"},
                "ttl": {"type": "integer", "description": "seconds"},
            },
        },
        "secondgate": _OURS,
    },
    "additionalProperties": False,
}
_IDENTITY: Json = {
    "type": "object",
    "required": ["account_id", "user_uuid", "email", "iat"],
    "properties": {
        **dict.fromkeys(("account_id", "user_uuid", "email", "name", "ip"), _TEXT),
        "groups": {"type": "array", "items": _TEXT},
        "amr": {"type": "array", "items": _TEXT},
        "idp": {"type": "object", "required": ["type"], "properties": {"id": _TEXT, "type": _TEXT}},
        "iat": _TIME,
        "isActive": {"const": True},
        "is_gateway": {"const": False},
        "is_warp": {"const": False},
        "secondgate": _OURS,
    },
    "additionalProperties": False,
}
_FAILED: Json = {
    "type": "object",
    "required": ["metadata"],
    "properties": {"metadata": {"type": "object", "additionalProperties": _TEXT}},
    "additionalProperties": False,
}
CALLS = (
    Call(
        method="GET",
        path=_SESSIONS,
        summary="List a user's active sessions",
        handler=list_active,
        tag=users.TAG,
        permission=Permission.USERS_READ,
        result=_LISTED,
        is_list=True,
    ),
    Call(
        method="GET",
        path=_SESSION,
        summary="Read the identity of an active session",
        handler=read_active,
        tag=users.TAG,
        permission=Permission.USERS_READ,
        result=_IDENTITY,
    ),
    Call(
        method="DELETE",
        path=_SESSION,
        summary="End an active session",
        handler=end_active,
        tag=users.TAG,
        permission=Permission.USERS_WRITE,
        result={"type": "object", "required": ["nonce"], "properties": {"nonce": _TEXT}},
    ),
    Call(
        method="GET",
        path=f"{users.ONE}/failed_logins",
        summary="List a user's failed logins",
        handler=list_failed,
        tag=users.TAG,
        permission=Permission.USERS_READ,
        result=_FAILED,
        is_list=True,
    ),
    Call(
        method="GET",
        path=f"{users.ONE}/last_seen_identity",
        summary="Read who a user was at their last login",
        handler=read_last_seen,
        tag=users.TAG,
        permission=Permission.USERS_READ,
        result=_IDENTITY,
    ),
)
