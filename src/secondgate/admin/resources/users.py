"""People: `/access/users`. Their authenticators and their sessions are modules of their own.

A person is somebody who has logged in, or whom an administrator made for their first login. Their address is what
their identity provider says, and is changed there.
"""

from __future__ import annotations

import re
from typing import Any

from secondgate.access.fields import EmailAddress, Flag, Shape, Text
from secondgate.admin.bodies import parse_body
from secondgate.admin.calls import DELETED, ApiRequest, Call, Json, Listed, not_found, timestamp
from secondgate.admin.objects import created
from secondgate.admin.schemas import TIMES, request_schema
from secondgate.errors import Malformed
from secondgate.flows.people import change_person, create_person
from secondgate.flows.sessions import delete_person
from secondgate.model.api_token import Permission
from secondgate.model.person import Person, folded_email
from secondgate.store.ports import PeopleFilter

PATH = "/accounts/{account_id}/access/users"
ONE = f"{PATH}/{{user_id}}"
TAG = "users"
_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
_DERIVED = frozenset(
    ("id", "uid", "seat_uid", "active_device_count", "last_successful_login", "created_at", "updated_at")
)
"""What answers say besides what was sent: clients send whole objects back."""


class UserSettingsShape(Shape):
    """Our own settings of a person. Whoever is disabled is refused everywhere, and what was theirs and live ends."""

    disabled: Flag


class NewUserShape(Shape):
    """A person whom an administrator makes."""

    NOT_YET = frozenset(("access_seat", "gateway_seat", "secondgate"))

    email: EmailAddress
    name: Text = ""


class UserShape(Shape):
    """What can be changed of a person. A name lasts until the identity provider says another."""

    email: EmailAddress | None = None
    name: Text | None = None
    access_seat: Flag | None = None
    gateway_seat: Flag | None = None
    secondgate: UserSettingsShape | None = None


async def load_user(request: ApiRequest) -> Person:
    """Load the person whom the path names. Raises NotFound, for what is no id at all too."""
    user_id = request.parameters["user_id"].lower()
    person = await request.services.durable.load_person(user_id) if is_id(user_id) else None
    if person is None:
        raise not_found("user")
    return person


def is_id(text: str) -> bool:
    """Whether a part of a path can be the id of anything: no store is asked for what cannot."""
    return _ID.fullmatch(text) is not None


async def list_(request: ApiRequest) -> Listed:
    """List people, by address."""
    durable, paging = request.services.durable, request.paging
    wanted = PeopleFilter(request.one("email"), request.one("name"), request.one("search"))
    page = await durable.page_people(wanted, offset=paging.offset, limit=paging.per_page)
    counted = await durable.count_authenticators([person.id for person in page.people])
    return Listed([_answer(person, counted.get(person.id, 0)) for person in page.people], total=page.total)


async def create(request: ApiRequest) -> dict[str, Any]:
    """Make a person for their first login."""
    sent = {name: value for name, value in created(request.body).items() if name not in _DERIVED}
    new = parse_body(NewUserShape, sent)
    person = await create_person(request.services, email=new.email, name=new.name, actor=request.actor)
    return _answer(person, 0)


async def read(request: ApiRequest) -> dict[str, Any]:
    """Give a person."""
    return await _counted(request, await load_user(request))


async def replace(request: ApiRequest) -> dict[str, Any]:
    """Change a person: what is absent is kept, `null` clears."""
    person = await load_user(request)
    sent = {name: value for name, value in request.body.items() if name not in _DERIVED}
    if sent.get("name") == person.name:  # as it was read: no name of a provider's is refused here
        del sent["name"]
    user = parse_body(UserShape, sent)
    if "email" in sent and (user.email is None or folded_email(user.email) != person.email):
        raise Malformed("email", f"must be {person.email}: it is what the identity provider says, and changes there")
    for seat, value in (("access_seat", _has_seat(person)), ("gateway_seat", False)):
        if seat in sent and getattr(user, seat) is not value:
            raise Malformed(seat, f"must be {str(value).lower()}: there are no seats to give or take")
    disabled = None
    if "secondgate" in sent:
        disabled = user.secondgate is not None and user.secondgate.disabled
    name = (user.name or "") if "name" in sent else None
    return await _counted(
        request,
        await change_person(request.services, person.id, name=name, disabled=disabled, actor=request.actor),
    )


async def delete(request: ApiRequest) -> dict[str, Any]:
    """Delete a person, with authenticators and sessions."""
    person = await load_user(request)
    await delete_person(request.services, person.id, actor=request.actor)
    return {"id": person.id}


async def _counted(request: ApiRequest, person: Person) -> dict[str, Any]:
    counted = await request.services.durable.count_authenticators([person.id])
    return _answer(person, counted.get(person.id, 0))


def _answer(person: Person, authenticators: int) -> dict[str, Any]:
    login_at = person.last_login_at
    return {
        "id": person.id,
        "uid": person.id,
        "email": person.email,
        "name": person.name,
        "access_seat": _has_seat(person),
        "gateway_seat": False,
        "active_device_count": authenticators,
        **({} if login_at is None else {"last_successful_login": timestamp(login_at)}),
        "created_at": timestamp(person.created_at),
        "updated_at": timestamp(person.created_at if person.updated_at is None else person.updated_at),
        "secondgate": {"disabled": person.disabled},
    }


def _has_seat(person: Person) -> bool:
    return person.last_login_at is not None


_RESULT: Json = {
    "type": "object",
    "required": ["id", "uid", "email", "name", "access_seat", "active_device_count", *TIMES, "secondgate"],
    "properties": {
        "id": {"type": "string"},
        "uid": {"type": "string", "description": "the same as id"},
        "email": {"type": "string"},
        "name": {"type": "string"},
        "access_seat": {"type": "boolean", "description": "whether the person has ever logged in"},
        "gateway_seat": {"const": False, "description": "there is no WARP here"},
        "active_device_count": {"type": "integer", "minimum": 0, "description": "how many MFA devices are enrolled"},
        "last_successful_login": {"type": "string", "format": "date-time"},
        **TIMES,
        "secondgate": {"type": "object", "required": ["disabled"], "properties": {"disabled": {"type": "boolean"}}},
    },
    "additionalProperties": False,
}
_FILTERS: dict[str, Json] = {
    "email": {"type": "string", "description": "the whole address"},
    "name": {"type": "string", "description": "the whole name; letters of ASCII in either case"},
    "search": {"type": "string", "description": "a part of address or name; letters of ASCII in either case"},
}
CALLS = (
    Call(
        method="GET",
        path=PATH,
        summary="List users",
        handler=list_,
        tag=TAG,
        permission=Permission.USERS_READ,
        result=_RESULT,
        query=_FILTERS,
        is_list=True,
    ),
    Call(
        method="POST",
        path=PATH,
        summary="Create a user",
        handler=create,
        tag=TAG,
        permission=Permission.USERS_WRITE,
        result=_RESULT,
        body=request_schema(NewUserShape),
        status=201,
    ),
    Call(
        method="GET",
        path=ONE,
        summary="Read a user",
        handler=read,
        tag=TAG,
        permission=Permission.USERS_READ,
        result=_RESULT,
    ),
    Call(
        method="PUT",
        path=ONE,
        summary="Change a user",
        handler=replace,
        tag=TAG,
        permission=Permission.USERS_WRITE,
        result=_RESULT,
        body=request_schema(UserShape, is_partial=True),
    ),
    Call(
        method="DELETE",
        path=ONE,
        summary="Delete a user, with MFA devices and sessions",
        handler=delete,
        tag=TAG,
        permission=Permission.USERS_WRITE,
        result=DELETED,
    ),
)
