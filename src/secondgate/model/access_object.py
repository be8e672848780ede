"""The managed objects as they are stored: what was sent, under an id, and when.

What a document must look like and what it means is `access`'s to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class ObjectKind(StrEnum):
    """What an object is; the values are the names of the configuration's sections."""

    ORGANIZATION = "organization"
    IDENTITY_PROVIDER = "identity_providers"
    LIST = "lists"
    GROUP = "groups"
    POLICY = "policies"
    APPLICATION = "applications"
    TAG = "tags"


@dataclass(frozen=True, slots=True)
class AccessObject:
    """One object. `document` is JSON as it was sent, without what the answer adds; times are Unix seconds."""

    kind: ObjectKind
    id: str
    document: Mapping[str, object]
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class StoredAccess:
    """All objects of one moment, in the order in which they were made. `version` counts every change.

    `revocations` tells of applications, by their id, how often all grants of them were revoked.
    """

    version: int
    objects: tuple[AccessObject, ...] = ()
    revocations: Mapping[str, int] = field(default_factory=dict)
