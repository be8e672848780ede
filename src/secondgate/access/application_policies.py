"""The policies of an application: its own, and the reusable ones that it refers to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from secondgate.access.references import References
from secondgate.access.shapes import AccessShapes, ApplicationShape, PolicyReferenceShape, PolicyShape


@dataclass(frozen=True, slots=True)
class PlacedPolicy:
    """A policy where it stands in an application: under which number, with which precedence, and whether shared."""

    number: int
    shape: PolicyShape
    precedence: int
    is_reusable: bool


def placed_policies(shapes: AccessShapes, application: ApplicationShape) -> Iterator[PlacedPolicy]:
    """Give an application's policies; a reference to none is left out, for `problems` to name.

    What has no precedence comes after what stands before it.
    """
    reusable = {policy.id or policy.name: policy for policy in shapes.policies}
    keys = policy_references(shapes)
    precedence = 0
    for number, given in enumerate(application.policies):
        precedence = precedence + 1 if given.precedence is None else given.precedence
        if not isinstance(given, PolicyReferenceShape):
            yield PlacedPolicy(number, given, precedence, is_reusable=False)
        elif given.id in keys:
            yield PlacedPolicy(number, reusable[keys[given.id]], precedence, is_reusable=True)


def policy_references(shapes: AccessShapes) -> References:
    """Give a look-up to the reusable policies; what has no id is known by its name."""
    return References((policy.name, policy.id or policy.name) for policy in shapes.policies)
