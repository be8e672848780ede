"""A bounded memory for what is costly to find out and may be a few seconds old.

In this process alone; the least recently used is forgotten first. What may be remembered, and for how long, is decided
by whoever remembers.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Found(Generic[V]):
    """Something remembered, which may be None."""

    value: V


class Remembered(Generic[K, V]):
    """At most `max_entries` values. `clock` gives Unix seconds; one that goes back makes nothing live longer."""

    def __init__(self, *, max_entries: int, max_age_s: float, clock: Callable[[], float]) -> None:
        self._max_entries = max_entries
        self._max_age_s = max_age_s
        self._clock = clock
        self._entries: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._under_way: dict[K, asyncio.Task[V]] = {}

    def get(self, key: K) -> Found[V] | None:
        """Give what is remembered and young enough."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if not 0 <= self._clock() - entry[0] < self._max_age_s:
            return None
        self._entries.move_to_end(key)
        return Found(entry[1])

    def clear(self) -> None:
        """Forget everything, what is being found out too."""
        self._entries.clear()
        self._under_way = {}

    def put(self, key: K, value: V) -> V:
        """Remember a value as of now, and give it."""
        self._entries[key] = (self._clock(), value)
        self._entries.move_to_end(key)
        while len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)
        return value

    async def find(self, key: K, find_out: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """Give what is remembered, or find it out, once for all who ask meanwhile. Raises what `find_out` raises."""
        found = self.get(key)
        if found is not None:
            return found.value
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.ensure_future(find_out())
            self._under_way[key] = task
            task.add_done_callback(lambda done: self._finish(key, done))
        # one who goes away must not take it from the others
        return await asyncio.shield(task)

    def _finish(self, key: K, done: asyncio.Task[V]) -> None:
        is_current = self._under_way.get(key) is done
        if is_current:
            del self._under_way[key]
        if not done.cancelled() and done.exception() is None and is_current:
            self.put(key, done.result())
