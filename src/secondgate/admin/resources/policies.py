"""Reusable policies: `/access/policies`. An application's own stand with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from secondgate.access.shapes import PolicyShape
from secondgate.admin.objects import Resource, base_answer
from secondgate.administration.documents import Documents
from secondgate.model.access_object import AccessObject, ObjectKind
from secondgate.model.api_token import Permission


def _answer(documents: Documents, one: AccessObject) -> dict[str, Any]:
    users = documents.once(_users)
    found = users.get(one.id, frozenset()) | users.get(str(one.document.get("name", "")), frozenset())
    return {**base_answer(documents, one), "reusable": True, "app_count": len(found)}


def _users(documents: Documents) -> Mapping[str, frozenset[str]]:
    """Give the applications that refer to each reusable policy, by what they call it."""
    users: dict[str, set[str]] = {}
    for application in documents.of(ObjectKind.APPLICATION):
        for reference in map(_reference, _policies(application)):
            users.setdefault(reference, set()).add(application.id)
    return {reference: frozenset(ids) for reference, ids in users.items()}


def _policies(application: AccessObject) -> list[object]:
    policies = application.document.get("policies")
    return policies if isinstance(policies, list) else []


def _reference(policy: object) -> str:
    """Give what an application's policy refers to; nothing for one of its own."""
    if isinstance(policy, dict):
        return str(policy.get("id")) if policy.keys() <= {"id", "precedence"} else ""
    return str(policy)


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
