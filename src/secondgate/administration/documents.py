"""All managed objects of one moment as documents, and what they are as shapes.

A document is what was sent. That it is well formed, and fits with all others, is found by making shapes of the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from pydantic import ValidationError

from secondgate.access.compile import made_id
from secondgate.access.introspection import model_at
from secondgate.access.shapes import POLICY_TAGS, AccessShapes
from secondgate.access.wording import worded, worded_unknown_key
from secondgate.errors import InvalidConfiguration, Problem
from secondgate.model.access_object import AccessObject, ObjectKind, StoredAccess

T = TypeVar("T")
ORGANIZATION_ID = "organization"
POLICY_TIMES = ("created_at", "updated_at")
"""What is stored beside an application's own policy: Unix seconds."""
_SECTIONS = tuple(kind for kind in ObjectKind if kind is not ObjectKind.ORGANIZATION)


@dataclass(frozen=True, slots=True)
class Documents:
    """The objects, in the order in which they were made; `version` is the store's."""

    version: int = 0
    objects: tuple[AccessObject, ...] = ()
    _found: dict[tuple[ObjectKind, str], AccessObject] = field(init=False, compare=False, repr=False)
    _made: dict[object, Any] = field(init=False, compare=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Make them easy to find: of a thousand applications with ten policies each many are looked for."""
        object.__setattr__(self, "_found", {(one.kind, one.id): one for one in reversed(self.objects)})

    def of(self, kind: ObjectKind) -> tuple[AccessObject, ...]:
        """Give the objects of one kind."""
        return tuple(one for one in self.objects if one.kind is kind)

    def find(self, kind: ObjectKind, id_: str) -> AccessObject | None:
        """Find one by its id."""
        return self._found.get((kind, id_))

    def once(self, make: Callable[[Documents], T]) -> T:
        """Give what is made of all of them, made when it is first asked for."""
        if make not in self._made:
            self._made[make] = make(self)
        made: T = self._made[make]
        return made

    def saved(self, new: AccessObject) -> Documents:
        """Give them with one more, or with one replaced where it stood."""
        if self.find(new.kind, new.id) is None:
            return replace(self, objects=(*self.objects, new))
        places = (new if (one.kind, one.id) == (new.kind, new.id) else one for one in self.objects)
        return replace(self, objects=tuple(places))

    def without(self, kind: ObjectKind, id_: str) -> Documents:
        """Give them without one."""
        return replace(self, objects=tuple(one for one in self.objects if (one.kind, one.id) != (kind, id_)))

    def shapes(self) -> AccessShapes:
        """Make shapes of all of them. Raises InvalidConfiguration with every field that is not well formed."""
        organization = self.find(ObjectKind.ORGANIZATION, ORGANIZATION_ID)
        data: dict[str, object] = {"organization": dict(organization.document) if organization else {}}
        for kind in _SECTIONS:
            data[kind.value] = [{**_untimed(one.document), "id": one.id} for one in self.of(kind)]
        return read_shapes(data)


NOTHING = Documents()


def _untimed(document: Mapping[str, object]) -> Mapping[str, object]:
    """Give a document whose own policies are without what no shape has."""
    policies = document.get("policies")
    if not isinstance(policies, list):
        return document
    kept = [
        {name: value for name, value in one.items() if name not in POLICY_TIMES} if isinstance(one, Mapping) else one
        for one in policies
    ]
    return {**document, "policies": kept}


def stored_documents(stored: StoredAccess) -> Documents:
    """Give what a store holds."""
    return Documents(stored.version, stored.objects)


def documents_of_file(shapes: AccessShapes, *, account_id: str, now: int, before: Documents = NOTHING) -> Documents:
    """Give what a configuration file manages, with the ids that were made for it. Secrets stay hidden.

    `before` is what it said earlier: what it says still is as old as it was then, the rest was made or changed `now`.
    """
    data = shapes.model_dump(mode="json", exclude_unset=True)
    objects = [_of_file(before, ObjectKind.ORGANIZATION, ORGANIZATION_ID, data.get("organization", {}), now)]
    for kind in _SECTIONS:
        for document in data.get(kind.value, ()):
            name = document["name"]
            id_ = document.pop("id", None) or _made_id(account_id, kind, name)
            for policy in document.get("policies", ()):
                if "decision" in policy:
                    policy.setdefault("id", made_id(account_id, "policy", f"{id_}/{policy['name']}"))
            objects.append(_of_file(before, kind, id_, document, now))
    return Documents(0, tuple(objects))


def _of_file(before: Documents, kind: ObjectKind, id_: str, document: dict[str, object], now: int) -> AccessObject:
    old = before.find(kind, id_)
    if old is None:
        return AccessObject(kind, id_, document, now, now)
    return AccessObject(kind, id_, document, old.created_at, old.updated_at if old.document == document else now)


def _made_id(account_id: str, kind: ObjectKind, name: str) -> str:
    """Make the same id as where the settings are compiled."""
    if kind is ObjectKind.TAG:
        return name
    return made_id(account_id, _KIND_OF_ID[kind], f"reusable/{name}" if kind is ObjectKind.POLICY else name)


_KIND_OF_ID = {
    ObjectKind.IDENTITY_PROVIDER: "identity_provider",
    ObjectKind.LIST: "list",
    ObjectKind.GROUP: "group",
    ObjectKind.POLICY: "policy",
    ObjectKind.APPLICATION: "application",
}


def read_shapes(data: Mapping[str, object]) -> AccessShapes:
    """Read the whole. Raises InvalidConfiguration: every field that is not well formed, with what is allowed."""
    try:
        return AccessShapes.model_validate(data)
    except ValidationError as error:
        problems = []
        for details in error.errors(include_url=False):
            location = tuple(part for part in details["loc"] if part not in POLICY_TAGS)
            kind = details["type"]
            if kind == "extra_forbidden":
                message, _ = worded_unknown_key(str(location[-1]), model_at(AccessShapes, location[:-1]))
            else:
                message = worded(kind, details.get("ctx", {}), details["input"])
            problems.append(Problem(_path(location), message))
        raise InvalidConfiguration(tuple(problems)) from None


def _path(location: tuple[str | int, ...]) -> str:
    return "access" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
