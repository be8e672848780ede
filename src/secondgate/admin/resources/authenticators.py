"""A person's authenticators: `…/users/{user_id}/mfa_authenticators`. Whoever has none left enrols anew.

Deleting one is open to a helpdesk too. It ends the sessions that the authenticator carried, on every replica.
"""

from __future__ import annotations

from typing import Any

from secondgate.admin.calls import DELETED, ApiRequest, Call, Json, Listed, not_found, timestamp
from secondgate.admin.resources import users
from secondgate.errors import Conflict, Reason
from secondgate.flows.sessions import delete_authenticators
from secondgate.model.api_token import Permission
from secondgate.model.organization import Method
from secondgate.model.person import Authenticator

_PATH = f"{users.ONE}/mfa_authenticators"


async def list_(request: ApiRequest) -> Listed:
    """List them, the oldest first."""
    person = await users.load_user(request)
    found = await request.services.durable.list_authenticators(person.id)
    return Listed([_answer(one) for one in found], is_paged=False)


async def delete(request: ApiRequest) -> dict[str, Any]:
    """Delete one, while MFA is on for the organization."""
    if not request.services.access().rulebook.organization.mfa.allowed_authenticators:
        raise Conflict(
            Reason.MFA_OFF, "the organization's MFA is off: mfa_config.allowed_authenticators names no method"
        )
    person = await users.load_user(request)
    authenticator_id = request.parameters["authenticator_id"].lower()
    if not users.is_id(authenticator_id) or not await delete_authenticators(
        request.services, person.id, actor=request.actor, authenticator_id=authenticator_id
    ):
        raise not_found("authenticator")
    return {"id": authenticator_id}


def _answer(one: Authenticator) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "type": one.method.value,
        **({"aaguid": one.aaguid} if one.aaguid else {}),
        "created_at": timestamp(one.created_at),
        **({} if one.last_used_at is None else {"last_used_at": timestamp(one.last_used_at)}),
    }


_RESULT: Json = {
    "type": "object",
    "required": ["id", "name", "type", "created_at"],
    "properties": {
        "id": {"type": "string"},
        "name": {"type": "string"},
        "type": {"enum": [method.value for method in Method]},
        "aaguid": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        "created_at": {"type": "string", "format": "date-time"},
        "last_used_at": {"type": "string", "format": "date-time"},
    },
    "additionalProperties": False,
}
CALLS = (
    Call(
        method="GET",
        path=_PATH,
        summary="List a user's MFA devices",
        handler=list_,
        tag=users.TAG,
        permission=Permission.USERS_READ,
        result=_RESULT,
        is_list=True,
    ),
    Call(
        method="DELETE",
        path=f"{_PATH}/{{authenticator_id}}",
        summary="Delete one of a user's MFA devices, and end the sessions that it carried",
        handler=delete,
        tag=users.TAG,
        permission=Permission.USERS_WRITE,
        or_permission=Permission.MFA_RESET,
        result=DELETED,
    ),
)
