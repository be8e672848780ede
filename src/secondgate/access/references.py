"""Names and ids under which one kind of managed object is referred to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Protocol

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Named(Protocol):
    """What can be referred to: it has a name, and an id if it was given one."""

    @property
    def id(self) -> str | None:
        """The id that was given."""
        ...

    @property
    def name(self) -> str:
        """The name, which is unique in its kind."""
        ...


class References:
    """Looks up a name or an id, and gives the id.

    An id may be written in either case, and a name is what it is: else an object named `STAFF` would one day take over
    the rules that say so and meant `staff`. No object has another one's id as its name (`problems`).
    """

    def __init__(self, names_and_ids: Iterable[tuple[str, str]]) -> None:
        pairs = tuple(names_and_ids)
        self._ids = {id_: id_ for _, id_ in pairs} | dict(pairs)

    def __contains__(self, reference: str) -> bool:
        return reference in self._ids or _folded(reference) in self._ids

    def __getitem__(self, reference: str) -> str:
        return self._ids[reference] if reference in self._ids else self._ids[_folded(reference)]


def _folded(reference: str) -> str:
    """Give an id in the one form that ids have, and a name as it is."""
    return reference.lower() if _ID.fullmatch(reference.lower()) else reference
