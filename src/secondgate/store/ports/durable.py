"""The durable store as a whole: all ports of what must never be lost."""

from __future__ import annotations

from typing import Protocol

from secondgate.store.ports.administration import AccessObjects, ApiTokens, Audit, ServiceTokens, SigningKeys
from secondgate.store.ports.people import Attempts, Authenticators, People, TemporaryPasses


class DurableStore(
    People,
    Authenticators,
    TemporaryPasses,
    Attempts,
    Audit,
    SigningKeys,
    ServiceTokens,
    AccessObjects,
    ApiTokens,
    Protocol,
):
    """All of the durable store."""

    async def ping(self) -> None:
        """Answer, or raise Unavailable."""
        ...

    async def load_created_at(self) -> int:
        """Give when the store was made, in Unix seconds."""
        ...

    async def raise_metadata_number(self, number: int) -> int:
        """Remember the number of FIDO Metadata in use, unless a higher one was, and give the highest; one step."""
        ...

    async def close(self) -> None:
        """Give back all connections."""
        ...
