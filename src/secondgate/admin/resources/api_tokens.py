"""Tokens of this API: `/accounts/{account_id}/tokens`. What opens one is told when it is made, and never again.

A token makes and changes only tokens that have no more than it has itself; it may delete any.
"""

from __future__ import annotations

import uuid
from typing import Any

from secondgate.admin.bodies import parse_body
from secondgate.admin.calls import DELETED, ApiRequest, Call, Json, Listed, not_found
from secondgate.admin.permission_groups import ACCOUNT_SCOPE, CATEGORY, GROUP_IDS
from secondgate.admin.schemas import request_schema, result_schema
from secondgate.admin.token_shapes import (
    READ_ONLY,
    ApiTokenShape,
    apply_shape,
    token_answer,
    token_document,
    token_status,
)
from secondgate.errors import Malformed
from secondgate.flows.api_tokens import (
    add_api_token,
    change_api_token,
    load_api_token,
    revoke_api_token,
    rotate_api_token,
)
from secondgate.model.api_token import ApiToken, Permission

_PATH = "/accounts/{account_id}/tokens"
_ONE = f"{_PATH}/{{token_id}}"


async def list_(request: ApiRequest) -> Listed:
    """List all, in the order in which they were made; `include_expired=false` leaves out those that have expired."""
    direction, expired, now = request.one("direction"), request.one("include_expired"), request.services.now()
    if direction not in {"", "asc", "desc"}:
        raise Malformed("direction", "must be asc or desc")
    if expired not in {"", "true", "false"}:
        raise Malformed("include_expired", "must be true or false")
    tokens = [
        token
        for token in await request.services.durable.list_api_tokens()
        if expired != "false" or not token.is_expired_at(now)
    ]
    tokens.sort(key=lambda token: (token.created_at, token.id), reverse=direction == "desc")
    return Listed([_answer(request, token) for token in tokens])


async def create(request: ApiRequest) -> dict[str, Any]:
    """Make one; `value` is what opens it."""
    services = request.services
    sent = {name: value for name, value in request.body.items() if value is not None and name not in READ_ONLY}
    shape = parse_body(ApiTokenShape, sent)
    blank = ApiToken(services.new_id(), shape.name, "", frozenset(), (), services.now())
    draft = apply_shape(blank, shape, account_id=request.administration.account_id, now=services.now())
    token, secret = await add_api_token(services, draft, giver=request.token, actor=request.actor)
    return {**_answer(request, token), "value": secret.reveal()}


async def read(request: ApiRequest) -> dict[str, Any]:
    """Give one."""
    return _answer(request, await load_api_token(request.services, _id(request)))


async def replace(request: ApiRequest) -> dict[str, Any]:
    """Change one: what is absent is kept, `null` clears."""
    account_id, now = request.administration.account_id, request.services.now()
    sent = {name: value for name, value in request.body.items() if name not in READ_ONLY}

    def decide(token: ApiToken) -> ApiToken:
        merged = {**token_document(token, account_id=account_id), **sent}
        document = {name: value for name, value in merged.items() if value is not None}
        return apply_shape(token, parse_body(ApiTokenShape, document), account_id=account_id, now=now)

    token = await change_api_token(request.services, _id(request), decide, giver=request.token, actor=request.actor)
    return _answer(request, token)


async def roll(request: ApiRequest) -> str:
    """Let something else open one, and give it."""
    _, secret = await rotate_api_token(request.services, _id(request), giver=request.token, actor=request.actor)
    return secret.reveal()


async def delete(request: ApiRequest) -> dict[str, Any]:
    """Delete one, which ends it at once."""
    token = await revoke_api_token(request.services, _id(request), actor=request.actor)
    return {"id": token.id}


async def verify(request: ApiRequest) -> dict[str, Any]:
    """Tell a token about itself."""
    answer = _answer(request, request.token)
    status = token_status(request.token, now=request.services.now())
    times = {name: value for name, value in answer.items() if name in {"expires_on", "not_before"}}
    return {"id": request.token.id, "status": status, **times}


async def permission_groups(request: ApiRequest) -> Listed:
    """List what tokens may be allowed, and whether this one could allow it."""
    name, scope = request.one("name"), request.one("scope")
    return Listed(
        [
            {
                "id": id_,
                "name": permission.value,
                "scopes": [ACCOUNT_SCOPE],
                "category": CATEGORY,
                "is_selectable": request.token.may(permission),
            }
            for permission, id_ in GROUP_IDS.items()
            if name in {"", permission.value} and scope in {"", ACCOUNT_SCOPE}
        ],
        is_paged=False,
    )


def _answer(request: ApiRequest, token: ApiToken) -> dict[str, Any]:
    return token_answer(token, account_id=request.administration.account_id, now=request.services.now())


def _id(request: ApiRequest) -> str:
    """Give the id in the path: a name, which is none, finds nothing."""
    try:
        return str(uuid.UUID(request.parameters["token_id"]))
    except ValueError:
        raise not_found("token") from None


_TIME: Json = {"type": "string", "format": "date-time"}
_RESULT = result_schema(
    ApiTokenShape, {"issued_on": _TIME, "modified_on": _TIME, "last_used_on": _TIME, "value": {"type": "string"}}
)
_VERIFIED: Json = {
    "type": "object",
    "required": ["id", "status"],
    "properties": {
        "id": {"type": "string"},
        "status": {"enum": ["active", "disabled", "expired"]},
        "expires_on": _TIME,
        "not_before": _TIME,
    },
}
_GROUP: Json = {
    "type": "object",
    "required": ["id", "name", "scopes"],
    "properties": {
        "id": {"type": "string"},
        "name": {"type": "string"},
        "scopes": {"type": "array", "items": {"type": "string"}},
        "category": {"type": "string"},
        "is_selectable": {"type": "boolean"},
    },
}
_TAG = "API tokens"
CALLS = (
    *(
        Call(
            method="GET",
            path=path,
            summary="Tell a token whether it is valid",
            handler=verify,
            tag=_TAG,
            permission=None,
            result=_VERIFIED,
        )
        for path in ("/user/tokens/verify", f"{_PATH}/verify")
    ),
    Call(
        method="GET",
        path=f"{_PATH}/permission_groups",
        summary="List the permissions that tokens may have",
        handler=permission_groups,
        tag=_TAG,
        permission=Permission.API_TOKENS_READ,
        result=_GROUP,
        query={"name": {"type": "string"}, "scope": {"type": "string"}},
        is_list=True,
    ),
    Call(
        method="GET",
        path=_PATH,
        summary="List the tokens of this API",
        handler=list_,
        tag=_TAG,
        permission=Permission.API_TOKENS_READ,
        result=_RESULT,
        query={"direction": {"enum": ["asc", "desc"]}, "include_expired": {"type": "boolean"}},
        is_list=True,
    ),
    Call(
        method="POST",
        path=_PATH,
        summary="Create a token of this API",
        handler=create,
        tag=_TAG,
        permission=Permission.API_TOKENS_WRITE,
        result=_RESULT,
        body=request_schema(ApiTokenShape),
        status=201,
    ),
    Call(
        method="GET",
        path=_ONE,
        summary="Read a token of this API",
        handler=read,
        tag=_TAG,
        permission=Permission.API_TOKENS_READ,
        result=_RESULT,
    ),
    Call(
        method="PUT",
        path=_ONE,
        summary="Change a token of this API",
        handler=replace,
        tag=_TAG,
        permission=Permission.API_TOKENS_WRITE,
        result=_RESULT,
        body=request_schema(ApiTokenShape, is_partial=True),
    ),
    Call(
        method="DELETE",
        path=_ONE,
        summary="Delete a token of this API",
        handler=delete,
        tag=_TAG,
        permission=Permission.API_TOKENS_WRITE,
        result=DELETED,
    ),
    Call(
        method="PUT",
        path=f"{_ONE}/value",
        summary="Give a token of this API another value",
        handler=roll,
        tag=_TAG,
        permission=Permission.API_TOKENS_WRITE,
        result={"type": "string"},
    ),
)
