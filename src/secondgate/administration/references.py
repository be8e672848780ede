"""Who refers to a managed object: found by taking it away and looking at what would not fit any more."""

from __future__ import annotations

import re
from collections.abc import Iterator

from secondgate.access import find_problems
from secondgate.administration.documents import Documents
from secondgate.model.access_object import AccessObject, ObjectKind

_PLACE = re.compile(r"access\.([a-z_]+)(?:\[(\d+)\])?(.*)")
_NOUNS = {
    ObjectKind.ORGANIZATION: "the organization",
    ObjectKind.IDENTITY_PROVIDER: "the identity provider",
    ObjectKind.LIST: "the list",
    ObjectKind.GROUP: "the group",
    ObjectKind.POLICY: "the policy",
    ObjectKind.APPLICATION: "the application",
    ObjectKind.TAG: "the tag",
}


def find_references(documents: Documents, one: AccessObject) -> tuple[str, ...]:
    """Name everything that would refer to nothing if this object were gone."""
    already = {(owner.kind, owner.id, field) for owner, field in _problems(documents)}
    names = []
    for owner, field in _problems(documents.without(one.kind, one.id)):
        if (owner.kind, owner.id, field) not in already:
            name = "" if owner.kind is ObjectKind.ORGANIZATION else f" {owner.document.get('name', '')!r}"
            names.append(_NOUNS[owner.kind] + name)
    return tuple(dict.fromkeys(names))


def _problems(documents: Documents) -> Iterator[tuple[AccessObject, str]]:
    """Give what makes no sense: whose it is, and the field in it."""
    for finding in find_problems(documents.shapes(), is_whole=False):
        match = _PLACE.fullmatch(finding.path)
        owners = documents.of(ObjectKind(match[1])) if match else ()
        if match and (number := int(match[2] or 0)) < len(owners):
            yield owners[number], match[3]
