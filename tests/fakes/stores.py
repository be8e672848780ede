"""Working stores in memory: what they promise is held by the same contract suites as the real ones.

Everything happens between two awaits, so each method is atomic in one event loop.
"""

from __future__ import annotations

from tests.fakes.administration_store import MemoryAdministration
from tests.fakes.changes import MemoryChanges
from tests.fakes.live_store import MemoryLiveStore
from tests.fakes.people_store import MemoryAuthenticators, MemoryPasses

__all__ = ["MemoryChanges", "MemoryDurableStore", "MemoryLiveStore"]


class MemoryDurableStore(MemoryAuthenticators, MemoryPasses, MemoryAdministration):
    """All of the durable store."""

    metadata_number = 0

    async def ping(self) -> None:
        pass

    async def load_created_at(self) -> int:
        return 1_800_000_000

    async def raise_metadata_number(self, number: int) -> int:
        self.metadata_number = max(self.metadata_number, number)
        return self.metadata_number

    async def close(self) -> None:
        pass
