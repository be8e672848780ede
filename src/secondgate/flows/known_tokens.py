"""What is known of tokens at applications' hosts: which were proved already, and which sessions are being read.

In this process alone. Whether a session lives is never remembered here.
"""

from __future__ import annotations

import asyncio
import hashlib
import struct
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from secondgate.model.session import ApplicationSession

MAX_KNOWN_TOKENS = 2_000_000
DIGEST_BYTES = 16
_FACTS = struct.Struct("!qq32s")


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """What a token of an application's host proved. Times are Unix seconds; `session_id` is what is stored of it."""

    session_id: str
    person_id: str
    issued_at: int
    expires_at: int


class KnownTokens:
    """The facts of tokens whose signature was right, in about 300 bytes each; those not seen for long go first.

    Two halves: what is looked up moves into the newer one, and when that is full the older one is forgotten.
    """

    def __init__(self, *, max_tokens: int = MAX_KNOWN_TOKENS) -> None:
        self._half = max(1, max_tokens // 2)
        self._newer: dict[bytes, bytes] = {}
        self._older: dict[bytes, bytes] = {}
        self._kids: frozenset[str] = frozenset()

    def find(self, token: str, *, host: str, kids: tuple[str, ...]) -> TokenFacts | None:
        """Give what is known of a token for a host. `kids` are today's keys: with one gone nothing is known."""
        if not self._kids <= (known := frozenset(kids)):
            self._newer, self._older = {}, {}
        self._kids = known
        digest = _digest(token, host)
        packed = self._newer.get(digest)
        if packed is None:
            packed = self._older.pop(digest, None)
            if packed is None:
                return None
            self._keep(digest, packed)
        issued_at, expires_at, session_id = _FACTS.unpack_from(packed)
        return TokenFacts(session_id.hex(), packed[_FACTS.size :].decode(), issued_at, expires_at)

    def put(self, token: str, facts: TokenFacts, *, host: str) -> None:
        """Remember a token that was proved for this host."""
        packed = _FACTS.pack(facts.issued_at, facts.expires_at, bytes.fromhex(facts.session_id))
        self._keep(_digest(token, host), packed + facts.person_id.encode())

    def _keep(self, digest: bytes, packed: bytes) -> None:
        if len(self._newer) >= self._half:
            self._older, self._newer = self._newer, {}
        self._newer[digest] = packed


class SingleFlight:
    """Reads of live sessions that are under way: whoever asks for the same one meanwhile waits for the same answer."""

    def __init__(self) -> None:
        self._under_way: dict[str, asyncio.Task[ApplicationSession | None]] = {}

    async def load(
        self, session_id: str, read: Coroutine[Any, Any, ApplicationSession | None]
    ) -> ApplicationSession | None:
        """Give what a read finds; `read` is begun only where none is under way. Raises what it raises."""
        task = self._under_way.get(session_id)
        if task is None:
            task = asyncio.ensure_future(read)
            self._under_way[session_id] = task
            task.add_done_callback(lambda done: self._finish(session_id, done))
        else:
            read.close()
        return await asyncio.shield(task)  # one who goes away must not take it from the others

    def ended(self, session_id: str) -> None:
        """Let nobody wait any more for a read that began before a session ended."""
        self._under_way.pop(session_id, None)

    def _finish(self, session_id: str, done: asyncio.Task[ApplicationSession | None]) -> None:
        if self._under_way.get(session_id) is done:
            del self._under_way[session_id]
        if not done.cancelled():
            done.exception()  # whoever waited was told; with nobody left it is nobody's


def _digest(token: str, host: str) -> bytes:
    text = f"{host}\0{token}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=DIGEST_BYTES).digest()
