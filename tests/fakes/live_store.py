"""The live store in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from secondgate.store.ports import Change, ChangeKind, Kind, LiveRecord
from tests.fakes.changes import MemoryChanges


@dataclass(frozen=True, slots=True)
class _Live:
    value: bytes
    owner: str
    expires_at: float


class MemoryLiveStore:
    """Records that expire by `clock` (Unix seconds); `changes` tells of the application sessions that are deleted."""

    def __init__(self, clock: Callable[[], float], changes: MemoryChanges | None = None) -> None:
        self._changes = changes or MemoryChanges()
        self._clock = clock
        self.records: dict[tuple[Kind, str], _Live] = {}

    async def save(self, kind: Kind, key: str, value: bytes, *, ttl_s: int, owner: str = "") -> None:
        self.records[kind, key] = _Live(value, owner, self._clock() + ttl_s)

    async def load(self, kind: Kind, key: str) -> bytes | None:
        found = self._find(kind, key)
        return None if found is None else found.value

    async def missing(self, kind: Kind, keys: Sequence[str]) -> frozenset[str]:
        return frozenset(key for key in keys if self._find(kind, key) is None)

    async def claim(self, kind: Kind, key: str) -> bytes | None:
        found = self._find(kind, key)
        self._drop(kind, key, tell=found is not None)
        return None if found is None else found.value

    async def claim_once(self, kind: Kind, key: str, *, ttl_s: int) -> bool:
        if self._find(kind, key) is not None:
            return False
        self.records[kind, key] = _Live(b"1", "", self._clock() + ttl_s)
        return True

    async def increment(self, kind: Kind, key: str, *, ttl_s: int) -> int:
        found = self._find(kind, key)
        count = 1 if found is None else int(found.value) + 1
        expires_at = self._clock() + ttl_s if found is None else found.expires_at
        self.records[kind, key] = _Live(str(count).encode(), "", expires_at)
        return count

    async def delete(self, kind: Kind, key: str) -> bool:
        return await self.claim(kind, key) is not None

    async def list_owned(self, kind: Kind, owner: str) -> tuple[LiveRecord, ...]:
        return tuple(LiveRecord(key, found.value) for key, found in self._owned(kind, owner))

    async def delete_owned(self, owner: str, *, kinds: tuple[Kind, ...]) -> int:
        theirs = [(kind, key) for kind in kinds for key, _ in self._owned(kind, owner)]
        for kind, key in theirs:
            self._drop(kind, key, tell=True)
        return len(theirs)

    async def ping(self) -> None:
        pass

    async def close(self) -> None:
        pass

    def _drop(self, kind: Kind, key: str, *, tell: bool) -> None:
        self.records.pop((kind, key), None)
        if tell and kind is Kind.APPLICATION_SESSION:
            self._changes.tell(Change(ChangeKind.SESSION_ENDED, key))

    def _find(self, kind: Kind, key: str) -> _Live | None:
        found = self.records.get((kind, key))
        return found if found is not None and found.expires_at > self._clock() else None

    def _owned(self, kind: Kind, owner: str) -> list[tuple[str, _Live]]:
        return [
            (key, found)
            for (of_kind, key), found in self.records.items()
            if of_kind is kind and owner and found.owner == owner and found.expires_at > self._clock()
        ]
