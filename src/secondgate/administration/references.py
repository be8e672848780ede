"""Who refers to a managed object: found by taking it away and looking at what would not fit any more."""

from __future__ import annotations

import re

from secondgate.access import find_problems
from secondgate.administration.documents import Documents
from secondgate.model.access_object import AccessObject, ObjectKind

_PLACE = re.compile(r"access\.([a-z_]+)(?:\[(\d+)\])?.*")
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
    without = documents.without(one.kind, one.id)
    before = {finding.message for finding in find_problems(documents.shapes(), is_whole=False)}
    names = []
    for finding in find_problems(without.shapes(), is_whole=False):
        match = _PLACE.fullmatch(finding.path)
        if match is None or finding.message in before:
            continue
        kind, number = ObjectKind(match[1]), match[2]
        name = "" if number is None else f" {without.of(kind)[int(number)].document.get('name', '')!r}"
        names.append(_NOUNS[kind] + name)
    return tuple(dict.fromkeys(names))
