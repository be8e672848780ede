"""The five calls that every kind of managed object has: list, create, read, replace, delete.

A PUT keeps what is absent, clears what is `null` and replaces the rest (`cloudflare-api.md`); a POST takes `null` for
absent. What an answer adds to the document is the resource's own to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from secondgate.access.fields import Shape
from secondgate.admin.calls import DELETED, ApiRequest, Call, Json, Listed, not_found, timestamp
from secondgate.admin.schemas import request_schema, result_schema
from secondgate.administration.documents import Documents
from secondgate.administration.managed import Change
from secondgate.administration.references import find_references
from secondgate.errors import Conflict, Reason
from secondgate.model.access_object import AccessObject, ObjectKind
from secondgate.model.api_token import Permission

Answer = Callable[[Documents, AccessObject], dict[str, Any]]


def base_answer(_: Documents, one: AccessObject) -> dict[str, Any]:
    """Give a document as it was sent, with its id and times."""
    return {"id": one.id, **one.document, **times(one)}


def times(one: AccessObject) -> dict[str, str]:
    """Give when an object was made and changed."""
    return {"created_at": timestamp(one.created_at), "updated_at": timestamp(one.updated_at)}


def created(body: Mapping[str, object]) -> dict[str, object]:
    """Give the document of a new object: `null` is as good as absent, and an id is made here."""
    return _without_nulls({name: value for name, value in body.items() if name not in _READ_ONLY})


def replaced(old: Mapping[str, object], body: Mapping[str, object]) -> dict[str, object]:
    """Give a document after a PUT."""
    return _without_nulls({**old, **{name: value for name, value in body.items() if name not in _READ_ONLY}})


def _without_nulls(document: Mapping[str, object]) -> dict[str, object]:
    """Give a document without what is `null`, in its `mfa_config` too, which is always replaced whole."""
    kept = {name: value for name, value in document.items() if value is not None}
    config = kept.get("mfa_config")
    return {**kept, "mfa_config": _without_nulls(config)} if isinstance(config, Mapping) else kept


_READ_ONLY = frozenset(("id", "uid", "aud", "created_at", "updated_at", "app_count", "count", "reusable"))
"""What answers add: clients send whole objects back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One kind of object: where it stands, what it is made of, and who may touch it.

    `extra` are the properties that an answer adds to the document's own.
    """

    kind: ObjectKind
    path: str
    noun: str
    shape: type[Shape]
    reading: Permission
    writing: Permission
    answer: Answer = base_answer
    extra: Mapping[str, Json] = field(default_factory=dict)
    filters: Mapping[str, Json] = field(default_factory=dict)
    is_selected: Callable[[ApiRequest, AccessObject], bool] = lambda _request, _one: True
    is_paged: bool = True
    merge: Callable[[Mapping[str, object], Mapping[str, object]], dict[str, object]] = replaced

    def calls(self) -> tuple[Call, ...]:
        """Give the five calls."""
        one = f"{self.path}/{{{self.id_parameter}}}"
        result = result_schema(self.shape, self.extra)
        reading, writing = self.reading, self.writing
        made_of, partly = request_schema(self.shape), request_schema(self.shape, is_partial=True)
        call = partial(Call, tag=self.nouns)
        return (
            call(
                method="GET",
                path=self.path,
                summary=f"List {self.nouns}",
                handler=self.list_,
                permission=reading,
                result=result,
                query=self.filters,
                is_list=True,
            ),
            call(
                method="POST",
                path=self.path,
                summary=f"Create a {self.noun}",
                handler=self.create,
                permission=writing,
                result=result,
                body=made_of,
                status=201,
            ),
            call(
                method="GET",
                path=one,
                summary=f"Read a {self.noun}",
                handler=self.read,
                permission=reading,
                result=result,
            ),
            call(
                method="PUT",
                path=one,
                summary=f"Change a {self.noun}",
                handler=self.replace,
                permission=writing,
                result=result,
                body=partly,
            ),
            call(
                method="DELETE",
                path=one,
                summary=f"Delete a {self.noun}",
                handler=self.delete,
                permission=writing,
                result=DELETED,
            ),
        )

    @property
    def nouns(self) -> str:
        """The noun for several."""
        return self.noun.removesuffix("y") + "ies" if self.noun.endswith("y") else f"{self.noun}s"

    @property
    def id_parameter(self) -> str:
        """The name of the path's parameter."""
        return self.noun.replace(" ", "_") + "_id"

    def found(self, documents: Documents, request: ApiRequest) -> AccessObject:
        """Give the object that the path names. Raises NotFound."""
        one = documents.find(self.kind, request.parameters[self.id_parameter].lower())
        if one is None:
            raise not_found(self.noun)
        return one

    async def list_(self, request: ApiRequest) -> Listed:
        """List them, in the order in which they were made."""
        documents = request.documents
        selected = [one for one in documents.of(self.kind) if self.is_selected(request, one)]
        return Listed(selected, is_paged=self.is_paged, answer=partial(self.answer, documents))

    async def create(self, request: ApiRequest) -> dict[str, Any]:
        """Make one."""
        id_, now = request.services.new_id(), request.services.now()
        new = AccessObject(self.kind, id_, created(request.body), now, now)
        changed = await request.change(lambda _: Change(self.kind, id_, new))
        return self.answer(changed.documents, new)

    async def read(self, request: ApiRequest) -> dict[str, Any]:
        """Give one."""
        documents = request.documents
        return self.answer(documents, self.found(documents, request))

    async def replace(self, request: ApiRequest) -> dict[str, Any]:
        """Change one."""
        now = request.services.now()

        def decide(documents: Documents) -> Change:
            old = self.found(documents, request)
            document = self.merge(old.document, request.body)
            return Change(self.kind, old.id, AccessObject(self.kind, old.id, document, old.created_at, now))

        changed = await request.change(decide)
        return self.answer(changed.documents, self.found(changed.documents, request))

    async def delete(self, request: ApiRequest) -> dict[str, Any]:
        """Delete one that nothing refers to."""

        def decide(documents: Documents) -> Change:
            old = self.found(documents, request)
            if references := find_references(documents, old):
                raise Conflict(Reason.STILL_USED, f"the {self.noun} is used by {', '.join(references)}")
            return Change(self.kind, old.id, None)

        changed = await request.change(decide)
        return {"id": changed.change.id}
