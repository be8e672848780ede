"""The account: there is one, `/accounts`."""

from __future__ import annotations

from typing import Any

from secondgate.admin.calls import ApiRequest, Call, Json, Listed, timestamp


async def list_(request: ApiRequest) -> Listed:
    """List the one account."""
    account, wanted = await read(request), request.one("name")
    return Listed([account] if not wanted or wanted == account["name"] else [])


async def read(request: ApiRequest) -> dict[str, Any]:
    """Give the account: its name is the organization's."""
    return {
        "id": request.administration.account_id,
        "name": request.services.access().rulebook.organization.name,
        "type": "standard",
        "created_on": timestamp(await request.services.durable.load_created_at()),
    }


_ACCOUNT: Json = {
    "type": "object",
    "required": ["id", "name", "type", "created_on"],
    "properties": {
        "id": {"type": "string"},
        "name": {"type": "string"},
        "type": {"const": "standard"},
        "created_on": {"type": "string", "format": "date-time"},
    },
}
CALLS = (
    Call(
        method="GET",
        path="/accounts",
        summary="List accounts: the one that there is",
        handler=list_,
        tag="accounts",
        permission=None,
        result=_ACCOUNT,
        query={"name": {"type": "string"}, "direction": {"enum": ["asc", "desc"]}},
        is_list=True,
    ),
    Call(
        method="GET",
        path="/accounts/{account_id}",
        summary="Read the account",
        handler=read,
        tag="accounts",
        permission=None,
        result=_ACCOUNT,
    ),
)
