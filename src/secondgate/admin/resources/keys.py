"""Signing keys: `/access/keys`: when they are rotated, and that it is done now."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from secondgate.access.fields import Count, Shape
from secondgate.admin.bodies import parse_body
from secondgate.admin.calls import ApiRequest, Call, Json, timestamp
from secondgate.admin.schemas import request_schema
from secondgate.flows.keys import (
    MAX_INTERVAL_DAYS,
    MIN_INTERVAL_DAYS,
    KeyTimes,
    load_key_times,
    rotate_keys,
    save_key_interval,
)
from secondgate.model.api_token import Permission

_PATH = "/accounts/{account_id}/access/keys"
_READ_ONLY = frozenset(("days_until_next_rotation", "last_key_rotation_at"))


class KeysShape(Shape):
    """How keys are rotated."""

    key_rotation_interval_days: Count = Field(ge=MIN_INTERVAL_DAYS, le=MAX_INTERVAL_DAYS)


async def read(request: ApiRequest) -> dict[str, Any]:
    """Give when the keys are rotated."""
    return _answer(request, await load_key_times(request.services))


async def replace(request: ApiRequest) -> dict[str, Any]:
    """Say after how many days they are."""
    sent = {name: value for name, value in request.body.items() if name not in _READ_ONLY}
    days = parse_body(KeysShape, sent).key_rotation_interval_days
    return _answer(request, await save_key_interval(request.services, days, actor=request.actor))


async def rotate(request: ApiRequest) -> dict[str, Any]:
    """Rotate them now."""
    return _answer(request, await rotate_keys(request.services, actor=request.actor))


def _answer(request: ApiRequest, times: KeyTimes) -> dict[str, Any]:
    return {
        "key_rotation_interval_days": times.interval_days,
        "days_until_next_rotation": times.days_left_at(request.services.now()),
        "last_key_rotation_at": timestamp(times.last_at),
    }


_RESULT: Json = {
    "type": "object",
    "required": ["key_rotation_interval_days", "days_until_next_rotation", "last_key_rotation_at"],
    "properties": {
        "key_rotation_interval_days": {"type": "integer"},
        "days_until_next_rotation": {"type": "integer", "minimum": 0},
        "last_key_rotation_at": {"type": "string", "format": "date-time"},
    },
    "additionalProperties": False,
}
CALLS = (
    Call(
        method="GET",
        path=_PATH,
        summary="Read when the signing keys are rotated",
        handler=read,
        tag="keys",
        permission=Permission.ORGANIZATIONS_READ,
        result=_RESULT,
    ),
    Call(
        method="PUT",
        path=_PATH,
        summary="Change how often the signing keys are rotated",
        handler=replace,
        tag="keys",
        permission=Permission.ORGANIZATIONS_WRITE,
        result=_RESULT,
        body=request_schema(KeysShape),
    ),
    Call(
        method="POST",
        path=f"{_PATH}/rotate",
        summary="Rotate the signing keys now",
        handler=rotate,
        tag="keys",
        permission=Permission.ORGANIZATIONS_WRITE,
        result=_RESULT,
    ),
)
