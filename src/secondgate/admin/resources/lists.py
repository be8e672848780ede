"""Lists that rules and requirements refer to: `/gateway/lists`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace as replace_field
from typing import Any

from secondgate.access.problems import in_one_form
from secondgate.access.shapes import ItemShape, ListShape
from secondgate.admin.calls import ApiRequest, Call, Json, Listed, timestamp
from secondgate.admin.objects import Resource, base_answer, replaced
from secondgate.admin.schemas import request_schema, result_schema
from secondgate.administration.documents import Documents
from secondgate.administration.managed import Change
from secondgate.errors import Malformed
from secondgate.model.access_object import AccessObject, ObjectKind
from secondgate.model.api_token import Permission

_PATH = "/accounts/{account_id}/gateway/lists"
_ORDERS = {
    "name": lambda one: str(one.document.get("name", "")).lower(),
    "created_at": lambda one: one.created_at,
    "updated_at": lambda one: one.updated_at,
    "item_count": lambda one: len(_items(one.document)),
}
_NEWEST_FIRST = frozenset(("created_at", "updated_at"))


def _items(document: Mapping[str, object]) -> list[Mapping[str, Any]]:
    items = document.get("items")
    return [item for item in items if isinstance(item, Mapping)] if isinstance(items, list) else []


def _answer(documents: Documents, one: AccessObject) -> dict[str, Any]:
    answer = base_answer(documents, one)
    answer.pop("items", None)
    return {**answer, "count": len(_items(one.document))}


def _with_items(documents: Documents, one: AccessObject) -> dict[str, Any]:
    added = timestamp(one.updated_at)
    return {**_answer(documents, one), "items": [{"created_at": added, **item} for item in _items(one.document)]}


def _is_selected(request: ApiRequest, one: AccessObject) -> bool:
    wanted, part = request.one("type"), request.one("search")
    return (not wanted or one.document.get("type") == wanted) and part.lower() in str(one.document.get("name")).lower()


class _Lists(Resource):
    """Lists: ordered as asked for, without their items; one is read and changed with them."""

    async def list_(self, request: ApiRequest) -> Listed:
        """List them, as `order_by` and `direction` say."""
        order, direction = request.one("order_by"), request.one("direction")
        if order and order not in _ORDERS:
            raise Malformed("order_by", f"must be one of {', '.join(_ORDERS)}")
        if direction not in {"", "asc", "desc"}:
            raise Malformed("direction", "must be asc or desc")
        documents = request.documents
        selected = [one for one in documents.of(self.kind) if self.is_selected(request, one)]
        descending = direction == "desc" or (not direction and order in _NEWEST_FIRST)
        selected.sort(key=_ORDERS[order or "created_at"], reverse=descending)
        return Listed([_answer(documents, one) for one in selected], is_paged=False)

    async def items(self, request: ApiRequest) -> Listed:
        """GET …/items: the items alone; clients page through them until a page is empty."""
        one = self.found(request.documents, request)
        return Listed(self.answer(request.documents, one)["items"])

    async def edit(self, request: ApiRequest) -> dict[str, Any]:
        """PATCH: append items and remove values, however they are spelled."""
        append, remove = request.body.get("append") or [], request.body.get("remove") or []
        if not isinstance(append, list) or not isinstance(remove, list):
            raise Malformed("append" if not isinstance(append, list) else "remove", "must be a list")
        if not all(isinstance(value, str) for value in remove):
            raise Malformed("remove", "must be a list of values, each of them text")
        now = request.services.now()

        def decide(documents: Documents) -> Change:
            old = self.found(documents, request)
            request.verify_keys(("append", "remove"))
            type_ = str(old.document.get("type"))
            gone = {in_one_form(type_, value) for value in remove}
            kept = [item for item in _items(old.document) if in_one_form(type_, str(item.get("value"))) not in gone]
            document = {**old.document, "items": [*kept, *append]}
            return Change(self.kind, old.id, replace_field(old, document=document, updated_at=now))

        changed = await request.change(decide)
        return self.answer(changed.documents, self.found(changed.documents, request))


def _merged(old: Mapping[str, object], body: Mapping[str, object]) -> dict[str, object]:
    """Give a list after a PUT: its type never changes."""
    if body.get("type") not in (None, old.get("type")):  # what was sent may have no hash
        raise Malformed("type", f"cannot be changed: it is {old.get('type')}")
    merged = replaced(old, _without_times(body))
    return {**merged, "type": old["type"]}


def _without_times(body: Mapping[str, object]) -> dict[str, object]:
    """Give a body whose items came from an answer, without what that added."""
    items = body.get("items")
    if not isinstance(items, list):
        return dict(body)
    kept = [
        {name: value for name, value in item.items() if name != "created_at"} if isinstance(item, Mapping) else item
        for item in items
    ]
    return {**body, "items": kept}


_ITEM: Json = {
    "type": "object",
    "required": ["value"],
    "properties": {
        "value": {"type": "string"},
        "description": {"type": "string"},
        "created_at": {"type": "string", "format": "date-time"},
    },
}
LISTS = _Lists(
    kind=ObjectKind.LIST,
    path=_PATH,
    noun="list",
    shape=ListShape,
    reading=Permission.ZERO_TRUST_READ,
    writing=Permission.ZERO_TRUST_WRITE,
    answer=_with_items,
    extra={"count": {"type": "integer", "minimum": 0}, "items": {"type": "array", "items": _ITEM}},
    filters={
        "type": {"type": "string"},
        "search": {"type": "string"},
        "order_by": {"enum": list(_ORDERS)},
        "direction": {"enum": ["asc", "desc"]},
    },
    is_selected=_is_selected,
    is_paged=False,
    merge=_merged,
)
_ONE = f"{_PATH}/{{list_id}}"
CALLS = (
    *LISTS.calls(),
    Call(
        method="PATCH",
        path=_ONE,
        summary="Append items to a list, and remove values from it",
        handler=LISTS.edit,
        tag="lists",
        permission=Permission.ZERO_TRUST_WRITE,
        result=result_schema(ListShape, LISTS.extra),
        body={
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "append": {"type": "array", "items": request_schema(ItemShape)},
                "remove": {"type": "array", "items": {"type": "string"}},
            },
        },
    ),
    Call(
        method="GET",
        path=f"{_ONE}/items",
        summary="List the items of a list",
        handler=LISTS.items,
        tag="lists",
        permission=Permission.ZERO_TRUST_READ,
        result=_ITEM,
        is_list=True,
    ),
)
