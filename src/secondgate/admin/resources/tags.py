"""Tags: `/access/tags`: words by which applications are grouped. A tag is known by its name."""

from __future__ import annotations

from dataclasses import replace as replace_field
from typing import Any

from secondgate.access.shapes import TagShape
from secondgate.admin.calls import ApiRequest, not_found
from secondgate.admin.objects import Resource, times
from secondgate.administration.documents import Documents
from secondgate.administration.managed import Change
from secondgate.administration.references import find_references
from secondgate.errors import Conflict, Reason
from secondgate.model.access_object import AccessObject, ObjectKind
from secondgate.model.api_token import Permission


def _answer(documents: Documents, one: AccessObject) -> dict[str, Any]:
    name = one.document.get("name")
    users = [other for other in documents.of(ObjectKind.APPLICATION) if _is_tagged(other, {one.id, name})]
    return {"id": name, **one.document, "app_count": len(users), **times(one)}


def _is_tagged(application: AccessObject, references: set[object]) -> bool:
    tags = application.document.get("tags")
    return isinstance(tags, list) and any(isinstance(tag, str) and tag in references for tag in tags)


class _Tags(Resource):
    """Tags: found by name."""

    def found(self, documents: Documents, request: ApiRequest) -> AccessObject:
        """Give the tag that the path names. Raises NotFound."""
        wanted = request.parameters[self.id_parameter]
        for one in documents.of(self.kind):
            if one.document.get("name") == wanted:
                return one
        raise not_found(self.noun)

    async def replace(self, request: ApiRequest) -> dict[str, Any]:
        """Rename one that nothing refers to."""
        now = request.services.now()

        def decide(documents: Documents) -> Change:
            old = self.found(documents, request)
            document = self.merge(old.document, request.body)
            if document.get("name") != old.document.get("name"):
                self._verify_unused(documents, old)
            return Change(self.kind, old.id, replace_field(old, document=document, updated_at=now))

        changed = await request.change(decide)
        return next(
            self.answer(changed.documents, one)
            for one in changed.documents.of(self.kind)
            if one.id == changed.change.id
        )

    async def delete(self, request: ApiRequest) -> dict[str, Any]:
        """Delete one that nothing refers to."""

        def decide(documents: Documents) -> Change:
            old = self.found(documents, request)
            self._verify_unused(documents, old)
            return Change(self.kind, old.id, None)

        await request.change(decide)
        name = request.parameters[self.id_parameter]
        return {"id": name, "name": name}

    def _verify_unused(self, documents: Documents, one: AccessObject) -> None:
        if references := find_references(documents, one):
            raise Conflict(Reason.STILL_USED, f"the tag is used by {', '.join(references)}")


TAGS = _Tags(
    kind=ObjectKind.TAG,
    path="/accounts/{account_id}/access/tags",
    noun="tag",
    shape=TagShape,
    reading=Permission.APPS_READ,
    writing=Permission.APPS_WRITE,
    answer=_answer,
    extra={"app_count": {"type": "integer", "minimum": 0}},
)
CALLS = TAGS.calls()
