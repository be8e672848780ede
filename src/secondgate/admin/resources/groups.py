"""Access groups: `/access/groups`."""

from __future__ import annotations

from typing import Any

from secondgate.access.shapes import GroupShape
from secondgate.admin.calls import ApiRequest
from secondgate.admin.objects import Resource, base_answer
from secondgate.administration.documents import Documents
from secondgate.model.access_object import AccessObject, ObjectKind
from secondgate.model.api_token import Permission


def is_named(request: ApiRequest, one: AccessObject) -> bool:
    """Whether an object is one that `name` (whole) or `search` (part of it) in the query asks for."""
    name = str(one.document.get("name", ""))
    wanted, part = request.one("name"), request.one("search")
    return (not wanted or name == wanted) and part.lower() in name.lower()


def _answer(documents: Documents, one: AccessObject) -> dict[str, Any]:
    return {**base_answer(documents, one), "is_default": False}


GROUPS = Resource(
    kind=ObjectKind.GROUP,
    path="/accounts/{account_id}/access/groups",
    noun="group",
    shape=GroupShape,
    reading=Permission.ORGANIZATIONS_READ,
    writing=Permission.ORGANIZATIONS_WRITE,
    answer=_answer,
    extra={"is_default": {"type": "boolean"}},
    filters={"name": {"type": "string"}, "search": {"type": "string"}},
    is_selected=is_named,
)
CALLS = GROUPS.calls()
