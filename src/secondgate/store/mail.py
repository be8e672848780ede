"""Sends e-mail: through an SMTP server, or into a folder of `.eml` files; implements `ports.Mailer`.

Messages are plain text (RFC 5322 by the standard library's SMTP policy). No address and no subject can add a
header or a recipient: what is not exactly one address, or has a line break, is refused. TLS is used from the start
for `smtps://`; for `smtp://` it is begun with STARTTLS (RFC 3207): required when there is a password to protect,
used if offered when there is none. Neither the text of a message nor a server's answer reaches a log.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from pathlib import Path
from urllib.parse import unquote, urlsplit

import aiosmtplib

from secondgate.errors import InvalidConfiguration, Malformed, Problem, Unavailable

_SCHEMES = {"smtp": 587, "smtps": 465}
_SENDER = re.compile(r"(?P<name>[^<>\r\n]*)<(?P<address>[^<>\s]+)>|(?P<bare>[^<>\s]+)")


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail is handed over. `tls` from the first octet; otherwise STARTTLS."""

    host: str
    port: int
    tls: bool
    user: str = ""
    password: str = field(default="", repr=False)


def parse_smtp_url(url: str) -> SmtpServer:
    """Parse `smtp[s]://[user:password@]host[:port]`, user and password percent-encoded.

    Without a port 587 (smtp) or 465 (smtps). Raises InvalidConfiguration, without the password in its text.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in _SCHEMES or not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise InvalidConfiguration((Problem("mail.smtp", "must be smtp://[user:password@]host[:port] or smtps://…"),))
    return SmtpServer(
        host=parts.hostname,
        port=port or _SCHEMES[parts.scheme],
        tls=parts.scheme == "smtps",
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


class SmtpMailer:
    """Hands messages to the SMTP server at `url`, each within `timeout_s` seconds for every step.

    `sender` is `a@example.com` or `Name <a@example.com>`; `clock` gives Unix seconds for the Date header.
    """

    def __init__(
        self,
        url: str,
        *,
        sender: str,
        clock: Callable[[], float],
        timeout_s: float = 10.0,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        self._server = parse_smtp_url(url)
        self._sender = _parse_sender(sender)
        self._clock = clock
        self._timeout_s = timeout_s
        self._tls_context = tls_context

    async def send(self, *, to: str, subject: str, text: str) -> None:
        """Hand over one message. Raises Malformed for an address or subject, Unavailable when it was not taken."""
        message = _message(sender=self._sender, to=to, subject=subject, text=text, at=self._clock())
        server = self._server
        try:
            async with asyncio.timeout(3 * self._timeout_s):
                await aiosmtplib.send(
                    message,
                    hostname=server.host,
                    port=server.port,
                    username=server.user or None,
                    password=server.password or None,
                    use_tls=server.tls,
                    start_tls=False if server.tls else (True if server.user else None),
                    timeout=self._timeout_s,
                    tls_context=self._tls_context,
                )
        except (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError) as error:
            # not `from error`: a server's refusal may quote the message
            raise Unavailable(f"the mail server {server.host} did not take a message: {type(error).__name__}") from None


class OutboxMailer:
    """Writes messages into `folder` as `.eml` files, which appear whole; their names sort by time."""

    def __init__(self, folder: Path, *, sender: str, clock: Callable[[], float]) -> None:
        self._folder = folder
        self._sender = _parse_sender(sender)
        self._clock = clock

    async def send(self, *, to: str, subject: str, text: str) -> None:
        """Write one message. Raises Malformed for an address or subject, Unavailable when the folder is not usable."""
        at = self._clock()
        message = _message(sender=self._sender, to=to, subject=subject, text=text, at=at)
        name = f"{int(at * 1000):015d}-{secrets.token_hex(4)}.eml"
        try:
            await asyncio.to_thread(self._write, name, message.as_bytes(policy=SMTP))
        except OSError as error:
            raise Unavailable(f"the outbox {self._folder} did not take a message: {error.strerror}") from None

    def _write(self, name: str, content: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        half = self._folder / f".{name}.half"
        with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
        half.rename(self._folder / name)


def _parse_sender(sender: str) -> Address:
    parts = _SENDER.fullmatch(sender)
    name, address = (parts["name"] or "", parts["address"] or parts["bare"]) if parts else ("", "")
    try:
        return Address(display_name=name.strip('" '), addr_spec=_one_address("mail.from", address))
    except (Malformed, ValueError) as error:
        problem = Problem("mail.from", "must be an address, as mfa@example.com or Name <mfa@example.com>")
        raise InvalidConfiguration((problem,)) from error


def _one_address(field: str, address: str) -> str:
    """Give an address back if it is exactly one `local@domain`. Raises Malformed."""
    try:
        parsed = Address(addr_spec=address)
    except (MessageError, ValueError, IndexError) as error:
        raise Malformed(field, "must be one e-mail address") from error
    if not parsed.username or not parsed.domain or parsed.addr_spec != address or not address.isprintable():
        raise Malformed(field, "must be one e-mail address")
    return address


def _message(*, sender: Address, to: str, subject: str, text: str, at: float) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = Address(addr_spec=_one_address("to", to))
    if not subject.isprintable():
        raise Malformed("subject", "must be one line of printable text")
    message["Subject"] = subject
    message["Date"] = format_datetime(datetime.fromtimestamp(at, UTC))
    message["Message-ID"] = make_msgid(domain=sender.domain)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    return message
