"""The SMTP mailer against a small server that speaks RFC 5321 with STARTTLS and AUTH."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import email
import ipaddress
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.policy import SMTP
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from secondgate.errors import Unavailable
from secondgate.store.mail import SmtpMailer

PIN = "Your code is 493817."


@dataclass
class SmtpProgram:
    """What the server offers and what it was given."""

    tls: ssl.SSLContext
    offers_starttls: bool = True
    refusal: str = ""
    is_silent: bool = False
    port: int = 0
    messages: list[bytes] = field(default_factory=list)
    logins: list[tuple[str, str, bool]] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
            await self._converse(reader, writer)
        writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(*lines: str) -> None:
            writer.write("".join(f"{line}\r\n" for line in lines).encode())

        if self.is_silent:
            await reader.read()
            return
        say("220 ready")
        while line := (await reader.readline()).decode().strip():
            is_tls = writer.get_extra_info("ssl_object") is not None
            match line.upper().split(maxsplit=1)[0]:
                case "EHLO":
                    offered = "AUTH PLAIN" if is_tls or not self.offers_starttls else "STARTTLS"
                    say("250-here", f"250 {offered}")
                case "STARTTLS":
                    say("220 go on")
                    await writer.start_tls(self.tls)
                case "AUTH":
                    _, user, password = base64.b64decode(line.split()[2]).decode().split("\0")
                    self.logins.append((user, password, is_tls))
                    say("235 known")
                case "RCPT":
                    self.recipients.append(line)
                    say(self.refusal or "250 fine")
                case "DATA":
                    say("354 go on")
                    self.messages.append(await reader.readuntil(b"\r\n.\r\n"))
                    say("250 taken")
                case "QUIT":
                    say("221 bye")
                    return
                case _:
                    say("250 fine")


@pytest.fixture
def tls(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate of its own, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    path = tmp_path / "mail.pem"
    path.write_bytes(
        pem
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cadata=pem.decode())


@pytest.fixture
async def program(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> AsyncIterator[SmtpProgram]:
    program = SmtpProgram(tls[0])
    server = await asyncio.start_server(program.serve, "127.0.0.1", 0)
    program.port = server.sockets[0].getsockname()[1]
    yield program
    server.close()


def mailer(url: str, trusted: ssl.SSLContext | None = None, timeout_s: float = 5.0) -> SmtpMailer:
    return SmtpMailer(url, sender="Gate <mfa@example.com>", clock=time.time, timeout_s=timeout_s, tls_context=trusted)


async def send(mailer: SmtpMailer) -> None:
    await mailer.send(to="ada@example.com", subject="Code", text=PIN)


async def test_a_message_is_handed_over_with_starttls_and_login(
    program: SmtpProgram, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    await send(mailer(f"smtp://us%40er:p%3Ass@127.0.0.1:{program.port}", tls[1]))
    assert program.logins == [("us@er", "p:ss", True)]
    assert program.recipients == ["RCPT TO:<ada@example.com>"]
    (raw,) = program.messages
    message = email.message_from_bytes(raw, policy=SMTP)
    assert str(message["From"]) == "Gate <mfa@example.com>"
    assert PIN in message.get_content()


async def test_tls_from_the_first_octet(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    program = SmtpProgram(tls[0])
    server = await asyncio.start_server(program.serve, "127.0.0.1", 0, ssl=tls[0])
    port = server.sockets[0].getsockname()[1]
    await send(mailer(f"smtps://user:pass@127.0.0.1:{port}", tls[1]))
    assert program.logins == [("user", "pass", True)]
    assert len(program.messages) == 1
    server.close()


async def test_a_local_server_without_tls_takes_messages_without_login(program: SmtpProgram) -> None:
    program.offers_starttls = False
    await send(mailer(f"smtp://127.0.0.1:{program.port}"))
    assert len(program.messages) == 1


async def test_a_password_is_never_sent_without_tls(program: SmtpProgram) -> None:
    program.offers_starttls = False
    with pytest.raises(Unavailable):
        await send(mailer(f"smtp://user:pass@127.0.0.1:{program.port}"))
    assert program.logins == []
    assert program.messages == []


async def test_a_certificate_of_nobody_known_is_not_spoken_to(program: SmtpProgram) -> None:
    with pytest.raises(Unavailable):
        await send(mailer(f"smtp://user:pass@127.0.0.1:{program.port}"))
    assert program.logins == []


@pytest.mark.case(97)
async def test_a_refusal_is_unavailable_and_shows_neither_text_nor_password(
    program: SmtpProgram, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    program.refusal = f"550 refused: {PIN}"
    with pytest.raises(Unavailable) as refusal:
        await send(mailer(f"smtp://user:hunter2@127.0.0.1:{program.port}", tls[1]))
    shown = f"{refusal.value!s} {refusal.value.__cause__!r}"
    assert "493817" not in shown
    assert "hunter2" not in shown


async def test_a_silent_server_is_unavailable_within_the_timeout(program: SmtpProgram) -> None:
    program.is_silent = True
    began = time.monotonic()
    with pytest.raises(Unavailable):
        await send(mailer(f"smtp://127.0.0.1:{program.port}", timeout_s=0.2))
    assert time.monotonic() - began < 2


async def test_no_server_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        await send(mailer("smtp://127.0.0.1:1"))
