"""Temporary passes of a user: `/access/users/{user_id}/temporary_passes`. A code is told once, when it is made."""

from __future__ import annotations

from typing import Any

from secondgate.access.fields import Duration, Shape
from secondgate.admin.bodies import parse_body
from secondgate.admin.calls import DELETED, ApiRequest, Call, Json, Listed, not_found, timestamp
from secondgate.admin.resources import users
from secondgate.admin.schemas import request_schema
from secondgate.flows.passes import DEFAULT_TTL, create_pass, parse_pass_ttl, revoke_pass
from secondgate.model.api_token import Permission
from secondgate.model.temporary_pass import PassState, TemporaryPass
from secondgate.protocol.temporary_pass import format_pass_code

_PATH = f"{users.ONE}/temporary_passes"
_TIME: Json = {"type": "string", "format": "date-time"}


class NewPassShape(Shape):
    """What is asked for: how long it is valid, from 1m to 72h."""

    ttl: Duration | None = None


async def create(request: ApiRequest) -> dict[str, Any]:
    """Issue one, in place of the user's earlier one."""
    person = await users.load_user(request)
    asked = parse_body(NewPassShape, request.body)
    ttl_s = parse_pass_ttl(asked.ttl or DEFAULT_TTL, field="ttl")
    issued, code = await create_pass(request.services, person.id, ttl_s=ttl_s, actor=request.actor)
    return {**_answer(request, issued), "code": format_pass_code(code)}


async def list_(request: ApiRequest) -> Listed:
    """Give the user's pass, if there is one."""
    person = await users.load_user(request)
    found = await request.services.durable.load_pass(person.id)
    return Listed([] if found is None else [_answer(request, found)], is_paged=False)


async def revoke(request: ApiRequest) -> dict[str, Any]:
    """Delete it; the device window that it opened closes."""
    person = await users.load_user(request)
    found = await request.services.durable.load_pass(person.id)
    if found is None or found.id != request.parameters["pass_id"].lower():
        raise not_found("temporary pass")
    revoked = await revoke_pass(request.services, person.id, actor=request.actor)
    return {"id": revoked.id}


def _answer(request: ApiRequest, one: TemporaryPass) -> dict[str, Any]:
    used = {} if one.used_at is None else {"used_at": timestamp(one.used_at)}
    return {
        "id": one.id,
        "created_at": timestamp(one.created_at),
        "created_by": one.created_by,
        "expires_at": timestamp(one.expires_at),
        "state": one.state_at(request.services.now()),
        **used,
    }


_PROPERTIES: Json = {
    "id": {"type": "string"},
    "created_at": _TIME,
    "created_by": {"type": "string"},
    "expires_at": _TIME,
    "used_at": _TIME,
    "state": {"enum": list(PassState)},
}
_REQUIRED = ["id", "created_at", "created_by", "expires_at", "state"]
_RESULT: Json = {
    "type": "object",
    "properties": _PROPERTIES,
    "required": _REQUIRED,
    "additionalProperties": False,
}
_CREATED: Json = {
    **_RESULT,
    "properties": {**_PROPERTIES, "code": {"type": "string"}},
    "required": [*_REQUIRED, "code"],
}
CALLS = (
    Call(
        method="POST",
        path=_PATH,
        summary="Issue a temporary pass to a user, in place of an earlier one",
        handler=create,
        tag=users.TAG,
        permission=Permission.USERS_WRITE,
        or_permission=Permission.MFA_RESET,
        result=_CREATED,
        body=request_schema(NewPassShape),
        status=201,
    ),
    Call(
        method="GET",
        path=_PATH,
        summary="List the temporary passes of a user: one at most, without its code",
        handler=list_,
        tag=users.TAG,
        permission=Permission.USERS_READ,
        result=_RESULT,
        is_list=True,
    ),
    Call(
        method="DELETE",
        path=f"{_PATH}/{{pass_id}}",
        summary="Revoke a temporary pass",
        handler=revoke,
        tag=users.TAG,
        permission=Permission.USERS_WRITE,
        or_permission=Permission.MFA_RESET,
        result=DELETED,
    ),
)
