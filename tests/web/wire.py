"""HTTP/1.1 by hand: exactly the bytes that a test means, twins and control characters included."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Fields = Sequence[tuple[str, str]]
ANSWER_TIMEOUT_S = 20.0
LIMIT_BYTES = 1 << 22


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. Fields stand in the order sent."""

    status: int
    fields: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def all(self, name: str) -> list[str]:
        """Give every value of a field."""
        return [value for sent, value in self.fields if sent.lower() == name.lower()]

    def one(self, name: str) -> str:
        """Give the value of a field that must stand there exactly once."""
        values = self.all(name)
        assert len(values) == 1, f"{name}: {values} in {self}"
        return values[0]

    def get(self, name: str) -> str:
        """Give the value of a field, empty where it is missing."""
        return self.one(name) if self.all(name) else ""

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON is of any shape
        """The body as JSON."""
        return json.loads(self.body)


def request_bytes(method: str, target: str, fields: Fields, body: bytes = b"") -> bytes:
    """Write a request; lone surrogates stand for raw bytes."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields), "Connection: close"]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape") + body


async def send(port: int, request: bytes, *, source: str = "127.0.0.1") -> Answer:
    """Send a request from a loopback address, and read the answer to its end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0), limit=LIMIT_BYTES)
    try:
        writer.write(request)
        raw = await asyncio.wait_for(reader.read(-1), ANSWER_TIMEOUT_S)
    finally:
        writer.close()
    return parse_answer(raw)


def parse_answer(raw: bytes) -> Answer:
    """Read an answer that was sent whole."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
    return Answer(int(first.split(" ")[1]), tuple((n, v.encode("latin-1").decode()) for n, v in fields), body)
