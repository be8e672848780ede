"""Reads again what other processes changed: as soon as they tell, and now and then all the same.

Signing keys and service tokens, and what the composition root adds.

What is not read for a while stays in use: keys for ever, service tokens for a minute (`flows.machines`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import structlog

from secondgate.errors import Unavailable
from secondgate.flows.service_tokens import know_service_tokens, unknown_references
from secondgate.flows.services import Services
from secondgate.stopping import stop
from secondgate.store.ports import Change, ChangeKind

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


class _Heard:
    """Hears of changes (`ports.ChangeListener`), and what they are about is read again: each thing once at a time."""

    def __init__(self, services: Services, reads: Mapping[ChangeKind, Callable[[], Awaitable[object]]]) -> None:
        self._jwts = services.jwts
        self._reads = reads
        self._due: set[ChangeKind] = set()
        self._is_due = asyncio.Event()

    def changed(self, change: Change) -> None:
        """Have it read again; of a person only what tokens of other login systems proved is remembered."""
        if change.kind is ChangeKind.PERSON:
            self._jwts.logins.clear()
        if change.kind in self._reads:
            self._due.add(change.kind)
            self._is_due.set()

    def connected(self) -> None:
        """Read everything: what was told before may have been missed."""
        self._jwts.logins.clear()
        self._due.update(self._reads)
        self._is_due.set()

    def disconnected(self) -> None:
        """Go on: all of it is looked at now and then."""

    async def read_again(self) -> None:
        """Wait for changes and read. Raises what one of the reads raises, when all are done."""
        await self._is_due.wait()
        self._is_due.clear()
        due, self._due = self._due, set()
        done = await asyncio.gather(*(self._reads[kind]() for kind in due), return_exceptions=True)
        for error in done:
            if isinstance(error, BaseException):
                raise error


@asynccontextmanager
async def heard(services: Services, reads: Mapping[ChangeKind, Callable[[], Awaitable[object]]]) -> AsyncIterator[None]:
    """Let this process read again what others tell that they changed; `reads` says how, for each kind."""
    listener = _Heard(services, reads)
    async with services.changes.listen(listener), repeated(listener.read_again, every_s=0):
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
        await stop(task)
