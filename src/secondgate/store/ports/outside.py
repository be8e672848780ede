"""Ports of what lies outside the process or is kept sealed: other servers, e-mail, encryption at rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class Sealer(Protocol):
    """Encryption at rest, bound to a place: a sealed value moved to another row does not open."""

    def seal(self, value: bytes, *, place: str) -> bytes:
        """Encrypt for `place` (table, column, row)."""
        ...

    def unseal(self, sealed: bytes, *, place: str) -> bytes:
        """Decrypt. Raises Unavailable when key or place is not the one it was sealed under."""
        ...


@dataclass(frozen=True, slots=True)
class OutgoingAnswer:
    """What another server answered."""

    status: int
    body: bytes


class Outgoing(Protocol):
    """Requests to other servers: bounded in time and size, never redirected, TLS verified.

    A host in a private network is asked only where one of `configured_urls`, which an operator wrote, names it. All
    methods raise Unavailable, without anything secret in the text, when there is no answer within these bounds.
    """

    async def get(
        self, url: str, *, configured_urls: tuple[str, ...], headers: Mapping[str, str] | None = None
    ) -> OutgoingAnswer:
        """Read."""
        ...

    async def post_form(
        self, url: str, form: Mapping[str, str], *, configured_urls: tuple[str, ...], headers: Mapping[str, str]
    ) -> OutgoingAnswer:
        """Send a form."""
        ...

    async def post_json(
        self, url: str, value: Mapping[str, object], *, configured_urls: tuple[str, ...]
    ) -> OutgoingAnswer:
        """Send a JSON object."""
        ...

    async def close(self) -> None:
        """Give back all connections."""
        ...


class Mailer(Protocol):
    """Sends e-mail."""

    async def send(self, *, to: str, subject: str, text: str) -> None:
        """Hand over one message in plain text. Raises Unavailable when it was not taken."""
        ...
