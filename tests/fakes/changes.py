"""Changes told in memory; tests say when the way is lost and found again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from secondgate.errors import Unavailable
from secondgate.store.ports import Change, ChangeListener


class MemoryChanges:
    """Tells listeners at once; `told` holds every change that was published, heard or not."""

    def __init__(self) -> None:
        self.told: list[Change] = []
        self.is_connected = True
        self._listeners: list[ChangeListener] = []

    async def publish(self, change: Change) -> None:
        if not self.is_connected:
            raise Unavailable("the way is lost")
        self.tell(change)

    def tell(self, change: Change) -> None:
        self.told.append(change)
        if self.is_connected:
            for listener in tuple(self._listeners):
                listener.changed(change)

    def lose(self) -> None:
        """Let changes go unheard."""
        if self.is_connected:
            self.is_connected = False
            for listener in self._listeners:
                listener.disconnected()

    def find_again(self) -> None:
        """Let changes be heard from now on."""
        if not self.is_connected:
            self.is_connected = True
            for listener in self._listeners:
                listener.connected()

    def listen(self, listener: ChangeListener) -> AbstractAsyncContextManager[None]:
        return self._listening(listener)

    @asynccontextmanager
    async def _listening(self, listener: ChangeListener) -> AsyncIterator[None]:
        self._listeners.append(listener)
        if self.is_connected:
            listener.connected()
        try:
            yield
        finally:
            self._listeners.remove(listener)
            if self.is_connected:
                listener.disconnected()


class Heard:
    """A listener that remembers what it was told, in order; "connected" and "disconnected" stand for themselves."""

    def __init__(self) -> None:
        self.all: list[Change | str] = []
        self.is_connected = False

    def changed(self, change: Change) -> None:
        self.all.append(change)

    def connected(self) -> None:
        self.is_connected = True
        self.all.append("connected")

    def disconnected(self) -> None:
        self.is_connected = False
        self.all.append("disconnected")

    @property
    def changes(self) -> list[Change]:
        """Give the changes alone."""
        return [told for told in self.all if isinstance(told, Change)]

    async def until_connected(self, *, within_s: float = 5.0) -> float:
        """Wait until changes are heard; gives how many seconds that took."""
        return await self._until(lambda: self.is_connected, within_s)

    async def until_disconnected(self, *, within_s: float = 5.0) -> float:
        """Wait until changes may be missed; gives how many seconds that took."""
        return await self._until(lambda: not self.is_connected, within_s)

    async def until_heard(self, *changes: Change, within_s: float = 2.0) -> None:
        """Wait until all of these changes were told."""
        await self._until(lambda: set(changes) <= set(self.changes), within_s)

    async def _until(self, is_so: Callable[[], bool], within_s: float) -> float:
        began = time.monotonic()
        while not is_so():
            if time.monotonic() - began > within_s:
                raise AssertionError(f"not within {within_s} s; told so far: {self.all}")
            await asyncio.sleep(0.005)
        return time.monotonic() - began
