"""The port by which processes tell each other what changed, so that nothing remembered outlives its truth.

A change is told at most once and in no certain order. Whoever listens learns when changes may have been missed: then
nothing that was remembered before counts until it was read again.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class ChangeKind(StrEnum):
    """What changed."""

    SESSION_ENDED = "session-ended"
    PERSON = "person"
    ACCESS = "access"
    SIGNING_KEYS = "signing-keys"
    SERVICE_TOKENS = "service-tokens"


@dataclass(frozen=True, slots=True)
class Change:
    """One change. `key` is the id of the application session or of the person; empty for the other kinds."""

    kind: ChangeKind
    key: str = ""


class ChangeListener(Protocol):
    """Who is told. Its methods return at once and never raise."""

    def changed(self, change: Change) -> None:
        """Hear of a change, of this process or of another one."""
        ...

    def connected(self) -> None:
        """Learn that every change from now on is heard; what happened before may have been missed."""
        ...

    def disconnected(self) -> None:
        """Learn that changes may be missed from now on."""
        ...


class Changes(Protocol):
    """Tells of changes. The live store itself tells of every application session that it deletes, in one step."""

    async def publish(self, change: Change) -> None:
        """Tell everybody who listens, in this process and in others. Raises Unavailable."""
        ...

    def listen(self, listener: ChangeListener) -> AbstractAsyncContextManager[None]:
        """Tell `listener` of every change while the context lasts; connecting again is arranged here."""
        ...
