"""The connections of every listener: aiohttp's, with bounds on the head of a request.

aiohttp bounds each field of a head, and waits for its end without end: here the whole of it has a bound, in bytes and
in time, so that many who send slowly, or much, hold little (RFC 6585, section 5).
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler

SERVER_NAME = "secondgate"
MAX_UNFINISHED_BYTES = 256 * 1024
"""So much of a head is held before its end has come: more than the longest field that is read."""
HEAD_WITHIN_S = 30.0
_TOO_LARGE_FIELDS = f"Content-Length: 0\r\nServer: {SERVER_NAME}\r\nConnection: close\r\n\r\n"
_TOO_LARGE = f"HTTP/1.1 431 Request Header Fields Too Large\r\n{_TOO_LARGE_FIELDS}".encode()


class BoundedConnection(RequestHandler):
    """One connection, whose heads end in time and before they are too long. `options` are aiohttp's."""

    __slots__ = ("_body", "_finished", "_head_timer", "_unfinished_bytes")

    def __init__(self, manager: web.Server, **options: Any) -> None:  # noqa: ANN401 - aiohttp's
        super().__init__(manager, **options)
        self._finished = 0
        self._body: StreamReader = EMPTY_PAYLOAD
        self._unfinished_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: BaseException | None) -> None:
        """End."""
        self._head_has_ended()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Hand on what arrived, unless a head is too long by it."""
        if self._unfinished_bytes and self._unfinished_bytes + len(data) > MAX_UNFINISHED_BYTES:
            self._refuse_head()
            return
        is_in_body = not self._body.is_eof()
        super().data_received(data)
        if self._messages:
            self._body = self._messages[-1][1]
            self._head_has_ended()
        elif data and not is_in_body and not self._upgraded:
            self._unfinished_bytes += len(data)
            if self._head_timer is None:
                self._head_timer = self._loop.call_later(HEAD_WITHIN_S, self.force_close)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer."""
        sent = await super().finish_response(request, resp, start_time)
        self._finished += 1
        return sent

    @property
    def _has_answered_all(self) -> bool:
        """Whether no request is under way. aiohttp's own loop takes another turn until it waits again."""
        return self._finished == self._request_count

    def _head_has_ended(self) -> None:
        self._unfinished_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse_head(self) -> None:
        """Say so where no answer of another request is under way, and close."""
        if self.transport is not None and self._has_answered_all:
            self.transport.write(_TOO_LARGE)
        self.force_close()


class BoundedServer(web.Server):
    """aiohttp's server, with such connections. `options` are those of a connection."""

    def __init__(self, server: web.Server, options: dict[str, Any]) -> None:
        super().__init__(server.request_handler, request_factory=server.request_factory, **options)

    def __call__(self) -> BoundedConnection:
        """Make what serves a new connection."""
        return BoundedConnection(self, loop=self._loop, **self._kwargs)


class BoundedRunner(web.AppRunner):
    """Runs a listener."""

    async def _make_server(self) -> web.Server:
        return BoundedServer(await super()._make_server(), self._kwargs)
