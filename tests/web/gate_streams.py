"""Connections to the gate that stay open, byte by byte, and people whose answers are in its memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.web.site import PROXY, Site, question
from tests.web.wire import parse_answer

MENU = "https://menu.example.com/"
ANSWERED_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Stream:
    """A connection to the gate."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, sent: bytes) -> bytes:
        """Give the whole answer to a question on a connection that stays open."""
        self.writer.write(sent)
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), ANSWERED_WITHIN_S)
        return head + await self.reader.readexactly(int(parse_answer(head).one("Content-Length")))

    async def what_comes(self, within_s: float = 0.15) -> bytes:
        """Give what arrives until the other side closes or says no more."""
        received = b""
        with suppress(TimeoutError, ConnectionError):
            while more := await asyncio.wait_for(self.reader.read(65536), within_s):
                received += more
        return received


@asynccontextmanager
async def connected(site: Site, listener: str = "gate", *, source: str = PROXY) -> AsyncIterator[Stream]:
    """Open a connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.ports[listener], local_addr=(source, 0))
    try:
        yield Stream(reader, writer)
    finally:
        writer.close()


def staying(dialect: str, cookie: str, *more: tuple[str, str], url: str = MENU) -> bytes:
    """Write a question, about the menu, on a connection that stays open."""
    return question(dialect, url).sent_with(("Cookie", cookie), *more).replace(b"Connection: close\r\n", b"")


def resident_bytes() -> int:
    """Give how much memory this process has, the gate in it."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
