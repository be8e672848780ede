"""Reads again what other replicas and the command line may have changed: signing keys and service tokens.

What is not read for a while stays in use: keys for ever, service tokens for a minute (`flows.machines`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import structlog

from secondgate.errors import Unavailable
from secondgate.flows.service_tokens import know_service_tokens, unknown_references
from secondgate.flows.services import Services

log = structlog.get_logger("secondgate.refresh")

REFRESH_EVERY_S = 5.0


async def refresh(services: Services) -> None:
    """Work with the signing keys and the service tokens that are stored now. Raises Unavailable."""
    await know_service_tokens(services)
    stored = await services.durable.list_signing_keys()
    if stored and tuple(key.kid for key in stored) != services.keys.kids:
        services.keys.replace(stored)
        log.info("keys.replaced", kids=services.keys.kids)


class UnknownTokens:
    """Tells once of each state of the settings which service tokens their rules name and nobody made."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._told: tuple[str, frozenset[str]] | None = None

    def tell(self) -> None:
        """Log a warning if there are any, and it was not said yet."""
        access = self._services.access()
        unknown = unknown_references(self._services, access)
        if unknown and (access.version, unknown) != self._told:
            log.warning("service_token.unknown", names=sorted(unknown), hint="`secondgate service-tokens create`")
        self._told = access.version, unknown


@asynccontextmanager
async def kept_fresh(services: Services, *, every_s: float = REFRESH_EVERY_S) -> AsyncIterator[None]:
    """Refresh again and again."""
    unknown = UnknownTokens(services)
    unknown.tell()

    async def read_again() -> None:
        await refresh(services)
        unknown.tell()

    async with repeated(read_again, every_s=every_s):
        yield


@asynccontextmanager
async def repeated(work: Callable[[], Awaitable[object]], *, every_s: float) -> AsyncIterator[None]:
    """Do `work` again and again, `every_s` seconds after it was done last.

    Whatever goes wrong is logged, and tried again; that a store cannot answer is told once, until it can.
    """

    async def do_again() -> None:
        is_unavailable = False
        while True:
            await asyncio.sleep(every_s)
            try:
                await work()
                is_unavailable = False
            except Unavailable as error:
                if not is_unavailable:
                    log.warning("refresh.unavailable", reason=str(error))
                is_unavailable = True
            except Exception:
                log.exception("refresh.error")

    task = asyncio.ensure_future(do_again())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
