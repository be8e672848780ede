"""Policies of one application: `/access/apps/{application_id}/policies`.

Both its own and the reusable ones that it refers to are read here; only its own are changed here. They stand in the
application's document, and go with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace as replace_field
from typing import Any

from secondgate.access.shapes import PolicyShape
from secondgate.admin.calls import DELETED, ApiRequest, Call, Listed, not_found
from secondgate.admin.objects import created, replaced
from secondgate.admin.resources.applications import APPLICATIONS, POLICY_RESULT, policy_answer
from secondgate.admin.schemas import request_schema
from secondgate.administration.application_documents import PlacedDocument, placed_documents, settled_policy
from secondgate.administration.documents import Documents
from secondgate.administration.managed import Change
from secondgate.errors import Malformed
from secondgate.model.access_object import AccessObject
from secondgate.model.api_token import Permission

_PATH = f"{APPLICATIONS.path}/{{{APPLICATIONS.id_parameter}}}/policies"
_ONE = f"{_PATH}/{{policy_id}}"
Policies = list[Any]
Edit = Callable[[Documents, AccessObject, Policies], int]


async def list_(request: ApiRequest) -> Listed:
    """List them in the order of their precedence."""
    documents = request.documents
    application = APPLICATIONS.found(documents, request)
    placed = sorted(placed_documents(documents, application), key=lambda one: one.precedence)
    return Listed([policy_answer(documents, application, one) for one in placed])


async def read(request: ApiRequest) -> dict[str, Any]:
    """Give one."""
    documents = request.documents
    application = APPLICATIONS.found(documents, request)
    return policy_answer(documents, application, _found(documents, application, request.parameters["policy_id"]))


async def create(request: ApiRequest) -> dict[str, Any]:
    """Give the application one more policy of its own, behind all others unless it says where."""
    id_, now = request.services.new_id(), request.services.now()

    def add(documents: Documents, application: AccessObject, policies: Policies) -> int:
        last = max((one.precedence for one in placed_documents(documents, application)), default=0)
        sent = {"precedence": last + 1, **created(request.body)}
        policies.append(settled_policy(None, sent, new_id=lambda: id_, now=now))
        return len(policies) - 1

    return await _changed(request, add, id_)


async def replace(request: ApiRequest) -> dict[str, Any]:
    """Change one of its own."""
    id_, now = request.parameters["policy_id"], request.services.now()

    def put(documents: Documents, application: AccessObject, policies: Policies) -> int:
        placed = _own(documents, application, id_)
        before = policies[placed.number]
        policies[placed.number] = settled_policy(before, replaced(before, request.body), new_id=lambda: id_, now=now)
        return placed.number

    return await _changed(request, put, id_)


async def delete(request: ApiRequest) -> dict[str, Any]:
    """Delete one of its own."""
    id_ = request.parameters["policy_id"]

    def remove(documents: Documents, application: AccessObject, policies: Policies) -> int:
        placed = _own(documents, application, id_)
        del policies[placed.number]
        return placed.number

    await _change(request, remove)
    return {"id": id_.lower()}


async def _changed(request: ApiRequest, edit: Edit, id_: str) -> dict[str, Any]:
    documents = await _change(request, edit)
    application = APPLICATIONS.found(documents, request)
    return policy_answer(documents, application, _found(documents, application, id_))


async def _change(request: ApiRequest, edit: Edit) -> Documents:
    """Change the application's document by an edit of the list of its policies, which gives its place in it."""
    now = request.services.now()

    def decide(documents: Documents) -> Change:
        old = APPLICATIONS.found(documents, request)
        given = old.document.get("policies")
        policies: Policies = list(given) if isinstance(given, list) else []
        number = edit(documents, old, policies)
        document = {**old.document, "policies": policies}
        saved = replace_field(old, document=document, updated_at=now)
        return Change(old.kind, old.id, saved, within=f"policies[{number}]")

    return (await request.change(decide)).documents


def _found(documents: Documents, application: AccessObject, id_: str) -> PlacedDocument:
    for one in placed_documents(documents, application):
        if one.id == id_.lower():
            return one
    raise not_found("policy")


def _own(documents: Documents, application: AccessObject, id_: str) -> PlacedDocument:
    placed = _found(documents, application, id_)
    if placed.is_reusable:
        words = f"is a reusable policy: change it at /access/policies/{placed.id}, or leave it out of the application"
        raise Malformed("policy_id", words)
    return placed


_READING, _WRITING = Permission.APPS_READ, Permission.APPS_WRITE
CALLS = (
    Call(
        method="GET",
        path=_PATH,
        summary="List the policies of an application",
        handler=list_,
        tag="applications",
        permission=_READING,
        result=POLICY_RESULT,
        is_list=True,
    ),
    Call(
        method="POST",
        path=_PATH,
        summary="Create a policy of an application",
        handler=create,
        tag="applications",
        permission=_WRITING,
        result=POLICY_RESULT,
        body=request_schema(PolicyShape),
        status=201,
    ),
    Call(
        method="GET",
        path=_ONE,
        summary="Read a policy of an application",
        handler=read,
        tag="applications",
        permission=_READING,
        result=POLICY_RESULT,
    ),
    Call(
        method="PUT",
        path=_ONE,
        summary="Change a policy of an application",
        handler=replace,
        tag="applications",
        permission=_WRITING,
        result=POLICY_RESULT,
        body=request_schema(PolicyShape, is_partial=True),
    ),
    Call(
        method="DELETE",
        path=_ONE,
        summary="Delete a policy of an application",
        handler=delete,
        tag="applications",
        permission=_WRITING,
        result=DELETED,
    ),
)
