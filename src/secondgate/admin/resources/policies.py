"""Reusable policies: `/access/policies`. An application's own stand with it."""

from __future__ import annotations

from typing import Any

from secondgate.access.shapes import PolicyShape
from secondgate.admin.objects import Resource, base_answer
from secondgate.administration.documents import Documents
from secondgate.model.access_object import AccessObject, ObjectKind
from secondgate.model.api_token import Permission


def _answer(documents: Documents, one: AccessObject) -> dict[str, Any]:
    names = {one.id, str(one.document.get("name", ""))}
    count = sum(
        any(_reference(policy) in names for policy in application.document.get("policies") or ())
        for application in documents.of(ObjectKind.APPLICATION)
    )
    return {**base_answer(documents, one), "reusable": True, "app_count": count}


def _reference(policy: object) -> object:
    """Give what an application's policy refers to; None for one of its own."""
    if isinstance(policy, dict):
        return policy.get("id") if policy.keys() <= {"id", "precedence"} else None
    return policy


POLICIES = Resource(
    kind=ObjectKind.POLICY,
    path="/accounts/{account_id}/access/policies",
    noun="policy",
    shape=PolicyShape,
    reading=Permission.APPS_READ,
    writing=Permission.APPS_WRITE,
    answer=_answer,
    extra={"reusable": {"const": True}, "app_count": {"type": "integer", "minimum": 0}},
)
CALLS = POLICIES.calls()
