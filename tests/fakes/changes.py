"""Changes told within a test; the connection is lost and found by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from secondgate.errors import Unavailable
from secondgate.store.ports import Change, ChangeListener


class MemoryChanges:
    """Tells whoever listens at once, and keeps what was told."""

    def __init__(self) -> None:
        self.told: list[Change] = []
        self.is_connected = True
        self._listeners: list[ChangeListener] = []

    async def publish(self, change: Change) -> None:
        if not self.is_connected:
            raise Unavailable("not connected")
        self.told.append(change)
        for listener in self._listeners:
            listener.changed(change)

    @asynccontextmanager
    async def listen(self, listener: ChangeListener) -> AsyncIterator[None]:
        self._listeners.append(listener)
        if self.is_connected:
            listener.connected()
        yield
        self._listeners.remove(listener)

    def lose(self) -> None:
        """Lose the connection."""
        self.is_connected = False
        for listener in self._listeners:
            listener.disconnected()

    def find(self) -> None:
        """Have it back."""
        self.is_connected = True
        for listener in self._listeners:
            listener.connected()
