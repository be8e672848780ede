"""Service tokens: `/access/service_tokens`. A secret is told when it is made, and never again.

The configuration file manages none of them. One that a rule names cannot be deleted, nor renamed if it is named by its
name: disable it to let nobody pass at once.
"""

from __future__ import annotations

import uuid
from dataclasses import replace as replace_field
from typing import Any, ClassVar

from secondgate.access.fields import Flag, Name, Shape
from secondgate.access.moment import Moment, moment_s
from secondgate.admin.bodies import parse_body
from secondgate.admin.calls import ApiRequest, Call, Json, Listed, not_found, timestamp
from secondgate.admin.schemas import request_schema
from secondgate.administration.token_rules import find_token_users
from secondgate.errors import Conflict, Malformed, Reason
from secondgate.flows.service_tokens import (
    change_service_token,
    create_service_token,
    list_service_tokens,
    load_service_token,
    refresh_service_token,
    revoke_service_token,
    rotate_service_token,
)
from secondgate.model.api_token import Permission
from secondgate.model.service_token import ServiceToken
from secondgate.protocol.duration import format_token_duration, parse_token_duration

_PATH = "/accounts/{account_id}/access/service_tokens"
_ONE = f"{_PATH}/{{service_token_id}}"
DEFAULT_DURATION = "8760h"


class ServiceTokenChangeShape(Shape):
    """What a PUT may say; the secret is changed by `rotate`."""

    NOT_YET: ClassVar[frozenset[str]] = frozenset(("client_secret_version",))

    name: Name
    duration: str = DEFAULT_DURATION
    enabled: Flag = True
    previous_client_secret_expires_at: Moment | None = None


class ServiceTokenShape(Shape):
    """What a POST may say."""

    NOT_YET: ClassVar[frozenset[str]] = frozenset(("client_secret_version", "previous_client_secret_expires_at"))

    name: Name
    duration: str = DEFAULT_DURATION
    enabled: Flag = True


class RotateShape(Shape):
    """Until when the old secret is as good as the new one; absent: it ends at once."""

    previous_client_secret_expires_at: Moment | None = None


_READ_ONLY = frozenset(("id", "client_id", "client_secret", "expires_at", "created_at", "updated_at", "last_seen_at"))


async def list_(request: ApiRequest) -> Listed:
    """List them by name; `name` is the whole of it, `search` a part."""
    wanted, part = request.one("name"), request.one("search").lower()
    return Listed(
        [
            _answer(token)
            for token in await list_service_tokens(request.services)
            if wanted in {"", token.name} and part in token.name.lower()
        ]
    )


async def create(request: ApiRequest) -> dict[str, Any]:
    """Make one."""
    shape = parse_body(ServiceTokenShape, _sent(request))
    token, secret = await create_service_token(
        request.services,
        name=shape.name,
        duration_s=parse_token_duration(shape.duration, field="duration"),
        is_enabled=shape.enabled,
        actor=request.actor,
    )
    return {**_answer(token), "client_secret": secret.reveal()}


async def read(request: ApiRequest) -> dict[str, Any]:
    """Give one."""
    return _answer(await load_service_token(request.services, _id(request)))


async def replace(request: ApiRequest) -> dict[str, Any]:
    """Change one: what is absent is kept. Another duration begins now."""
    sent = {name: value for name, value in request.body.items() if name not in _READ_ONLY}

    def decide(token: ServiceToken) -> ServiceToken:
        before = {
            "name": token.name,
            "duration": format_token_duration(token.duration_s),
            "enabled": token.is_enabled,
        }
        if token.previous_expires_at is not None:
            before["previous_client_secret_expires_at"] = timestamp(token.previous_expires_at)
        merged = {name: value for name, value in {**before, **sent}.items() if value is not None}
        shape = parse_body(ServiceTokenChangeShape, merged)
        if shape.name != token.name:
            _verify_not_named(request, token, {token.name}, "renamed")
        ends = shape.previous_client_secret_expires_at
        if ends is not None and token.previous_expires_at is None:
            raise Malformed("previous_client_secret_expires_at", "there is no previous secret: it ended already")
        return replace_field(
            token,
            name=shape.name,
            duration_s=parse_token_duration(shape.duration, field="duration"),
            is_enabled=shape.enabled,
            previous_expires_at=None if ends is None else moment_s(ends),
            previous_secret_hash="" if ends is None else token.previous_secret_hash,
        )

    return _answer(await change_service_token(request.services, _id(request), decide, actor=request.actor))


async def delete(request: ApiRequest) -> dict[str, Any]:
    """Delete one that no rule names."""
    token = await load_service_token(request.services, _id(request))
    _verify_not_named(request, token, {token.name, token.id}, "deleted")
    return _answer(await revoke_service_token(request.services, token.id, actor=request.actor))


async def refresh(request: ApiRequest) -> dict[str, Any]:
    """Let its duration begin anew."""
    return _answer(await refresh_service_token(request.services, _id(request), actor=request.actor))


async def rotate(request: ApiRequest) -> dict[str, Any]:
    """Give it another secret."""
    ends = parse_body(RotateShape, _sent(request)).previous_client_secret_expires_at
    token, secret = await rotate_service_token(
        request.services,
        _id(request),
        previous_expires_at=None if ends is None else moment_s(ends),
        actor=request.actor,
    )
    return {**_answer(token), "client_secret": secret.reveal()}


def _sent(request: ApiRequest) -> dict[str, object]:
    return {name: value for name, value in request.body.items() if value is not None and name not in _READ_ONLY}


def _id(request: ApiRequest) -> str:
    """Give the id in the path: a name, which is none, finds nothing."""
    try:
        return str(uuid.UUID(request.parameters["service_token_id"]))
    except ValueError:
        raise not_found("service token") from None


def _verify_not_named(request: ApiRequest, token: ServiceToken, references: set[str], done: str) -> None:
    if users := find_token_users(request.documents, references):
        raise Conflict(
            Reason.STILL_USED,
            f"the service token {token.name!r} cannot be {done}: it is named by {', '.join(users)}",
        )


def _answer(token: ServiceToken) -> dict[str, Any]:
    times = {
        "expires_at": token.expires_at,
        "last_seen_at": token.last_seen_at,
        "previous_client_secret_expires_at": token.previous_expires_at,
    }
    return {
        "id": token.id,
        "name": token.name,
        "client_id": token.client_id,
        "duration": format_token_duration(token.duration_s),
        "enabled": token.is_enabled,
        "created_at": timestamp(token.created_at),
        "updated_at": timestamp(token.updated_at or token.created_at),
        **{name: timestamp(at) for name, at in times.items() if at is not None},
    }


_TIME: Json = {"type": "string", "format": "date-time"}
_RESULT: Json = {
    "type": "object",
    "required": ["id", "name", "client_id", "duration", "enabled", "created_at", "updated_at"],
    "properties": {
        "id": {"type": "string"},
        "name": {"type": "string"},
        "client_id": {"type": "string"},
        "duration": {"type": "string"},
        "enabled": {"type": "boolean"},
        "created_at": _TIME,
        "updated_at": _TIME,
        "expires_at": _TIME,
        "last_seen_at": _TIME,
        "previous_client_secret_expires_at": _TIME,
    },
    "additionalProperties": False,
}
_WITH_SECRET: Json = {**_RESULT, "properties": {**_RESULT["properties"], "client_secret": {"type": "string"}}}
_TAG = "service tokens"
_READING, _WRITING = Permission.SERVICE_TOKENS_READ, Permission.SERVICE_TOKENS_WRITE
CALLS = (
    Call(
        method="GET",
        path=_PATH,
        summary="List service tokens",
        handler=list_,
        tag=_TAG,
        permission=_READING,
        result=_RESULT,
        query={"name": {"type": "string"}, "search": {"type": "string"}},
        is_list=True,
    ),
    Call(
        method="POST",
        path=_PATH,
        summary="Create a service token",
        handler=create,
        tag=_TAG,
        permission=_WRITING,
        result=_WITH_SECRET,
        body=request_schema(ServiceTokenShape),
        status=201,
    ),
    Call(
        method="GET",
        path=_ONE,
        summary="Read a service token",
        handler=read,
        tag=_TAG,
        permission=_READING,
        result=_RESULT,
    ),
    Call(
        method="PUT",
        path=_ONE,
        summary="Change a service token",
        handler=replace,
        tag=_TAG,
        permission=_WRITING,
        result=_RESULT,
        body=request_schema(ServiceTokenChangeShape, is_partial=True),
    ),
    Call(
        method="DELETE",
        path=_ONE,
        summary="Delete a service token",
        handler=delete,
        tag=_TAG,
        permission=_WRITING,
        result=_RESULT,
    ),
    Call(
        method="POST",
        path=f"{_ONE}/refresh",
        summary="Let the duration of a service token begin anew",
        handler=refresh,
        tag=_TAG,
        permission=_WRITING,
        result=_RESULT,
    ),
    Call(
        method="POST",
        path=f"{_ONE}/rotate",
        summary="Give a service token another secret",
        handler=rotate,
        tag=_TAG,
        permission=_WRITING,
        result=_WITH_SECRET,
        body=request_schema(RotateShape, is_partial=True),
    ),
)
