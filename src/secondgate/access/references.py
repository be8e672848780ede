"""Names and ids under which one kind of managed object is referred to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


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
    """Looks up a name or an id, and gives the id. A name wins over an id of another object."""

    def __init__(self, names_and_ids: Iterable[tuple[str, str]]) -> None:
        pairs = tuple(names_and_ids)
        self._ids = {id_: id_ for _, id_ in pairs} | dict(pairs)

    def __contains__(self, reference: str) -> bool:
        return reference in self._ids or reference.lower() in self._ids

    def __getitem__(self, reference: str) -> str:
        return self._ids[reference] if reference in self._ids else self._ids[reference.lower()]
