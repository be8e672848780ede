"""Somebody who logs in, through the pages, as their browser and a proxy would ask: every redirect, every cookie."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.load.programs import APP, NAMED, Secondgate
from tests.load.requests import BROWSER, COOKIE, NAVIGATION, Check

MAX_REDIRECTS = 8
PAGE = "/page"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: its status, and its header fields in order, names in lower case, and its body."""

    status: int
    fields: tuple[tuple[str, str], ...]
    body: bytes = b""

    def one(self, name: str) -> str:
        """Give the first field of a name; empty when there is none."""
        return next((value for one, value in self.fields if one == name), "")

    def cookies(self) -> dict[str, str]:
        """Give the cookies that are set."""
        pairs = [value.partition(";")[0].partition("=") for name, value in self.fields if name == "set-cookie"]
        return {name: value for name, _, value in pairs}


class Link:
    """A connection that is kept open, one request at a time."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> Reply:
        """Send a request and read its answer."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = tuple(
            (name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in head[1:] if line)
        )
        reply = Reply(int(head[0].split()[1]), fields)
        if (length := int(reply.one("content-length") or 0)) > 0:
            return Reply(reply.status, fields, await reader.readexactly(length))
        return reply

    def close(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].close()


@dataclass
class Visit:
    """One login in a new browser, of a person whom a login proxy names, MFA and all."""

    gate: Link
    portal: Link
    email: str
    jar: dict[str, dict[str, str]] = field(default_factory=dict)
    requests: int = 0

    async def log_in(self) -> bool:
        """Open a page, log in on the way, and get there as who one is."""
        opened = await self._check()
        location = opened.one("location")
        if opened.status != 401 or not location:
            return False
        for _ in range(MAX_REDIRECTS):
            parts = urlsplit(location)
            host = parts.netloc
            if host == APP and parts.path == PAGE:
                arrived = await self._check()
                return arrived.status == 200 and arrived.one("remote-email") == self.email
            reply = await self._open(host, f"{parts.path}?{parts.query}")
            self.jar.setdefault(host, {}).update(reply.cookies())
            location = reply.one("location")
            if reply.status not in {302, 303}:
                return False
            if location.startswith("/"):
                location = f"http://{host}{location}"
        return False

    async def _check(self) -> Reply:
        self.requests += 1
        value = self.jar.get(APP, {}).get(COOKIE, "")
        return await self.gate.ask(Check(PAGE, value, is_navigation=True).encode())

    async def _open(self, host: str, target: str) -> Reply:
        self.requests += 1
        cookies = "; ".join(f"{name}={value}" for name, value in self.jar.get(host, {}).items())
        lines = [
            f"GET {target} HTTP/1.1",
            f"Host: {host}",
            "X-Forwarded-For: 203.0.113.7",
            "X-Forwarded-Proto: http",
            *BROWSER,
            *NAVIGATION,
            f"{NAMED['email']}: {self.email}",
            f"{NAMED['amr']}: pwd,otp",
            f"{NAMED['auth_time']}: {int(time.time())}",
            *([f"Cookie: {cookies}"] if cookies else []),
        ]
        return await self.portal.ask(("\r\n".join(lines) + "\r\n\r\n").encode())


def links(secondgate: Secondgate) -> tuple[Link, Link]:
    """Give connections to the gate and the portal."""
    return Link(secondgate.gate), Link(secondgate.portal)
