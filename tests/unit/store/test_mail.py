from __future__ import annotations

import email
import stat
from email.policy import SMTP
from pathlib import Path

import pytest

from secondgate.errors import InvalidConfiguration, Malformed, Unavailable
from secondgate.store.mail import OutboxMailer, SmtpMailer, SmtpServer, parse_smtp_url

NOW = 1_800_000_000.5


def outbox(folder: Path, sender: str = "Gate <mfa@example.com>") -> OutboxMailer:
    return OutboxMailer(folder, sender=sender, clock=lambda: NOW)


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_a_message_is_one_file_that_mail_programs_read(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "outbox"
    text = "Your code is 123456.\n\nGrüße\n.\nFrom here on"
    await outbox(folder).send(to="ada@example.com", subject="Code für Sie", text=text)
    (path,) = folder.iterdir()
    assert path.suffix == ".eml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    message = email.message_from_bytes(path.read_bytes(), policy=SMTP)
    assert str(message["From"]) == "Gate <mfa@example.com>"
    assert str(message["To"]) == "ada@example.com"
    assert str(message["Subject"]) == "Code für Sie"
    assert str(message["Date"]) == "Fri, 15 Jan 2027 08:00:00 +0000"
    assert str(message["Message-ID"]).endswith("@example.com>")
    assert message.get_content_type() == "text/plain"
    assert message.get_content().replace("\r\n", "\n").rstrip("\n") == text


async def test_messages_of_one_moment_are_files_of_their_own(tmp_path: Path) -> None:
    for number in range(20):
        await outbox(tmp_path).send(to="ada@example.com", subject=str(number), text="x")
    assert len(names(tmp_path)) == 20


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ada",
        "ada@",
        "@example.com",
        "ada@example.com, eve@example.com",
        "ada@example.com eve@example.com",
        "ada@example.com\nBcc: eve@example.com",
        "ada@example.com\r\n\r\nbody",
        "Ada <ada@example.com>",
        "ada@example.com\0",
        "ada@exa\tmple.com",
        "<ada@example.com>",
        "a@b@example.com",
    ],
)
async def test_what_is_not_one_address_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(Malformed):
        await outbox(tmp_path).send(to=address, subject="s", text="t")
    assert not names(tmp_path)


@pytest.mark.parametrize("subject", ["a\nBcc: eve@example.com", "a\rb", "a\0b", "a\u2028b"])
async def test_a_subject_adds_no_header(tmp_path: Path, subject: str) -> None:
    with pytest.raises(Malformed):
        await outbox(tmp_path).send(to="ada@example.com", subject=subject, text="t")


async def test_a_folder_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable):
        await outbox(tmp_path / "file").send(to="ada@example.com", subject="s", text="t")


@pytest.mark.parametrize("sender", ["", "mfa", "Name <mfa>", "a@example.com\nBcc: eve@example.com", "a@b.c, d@e.f"])
def test_a_sender_that_is_no_address_is_a_mistake_in_the_configuration(tmp_path: Path, sender: str) -> None:
    with pytest.raises(InvalidConfiguration):
        outbox(tmp_path, sender)


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example.com", SmtpServer("mail.example.com", 587, tls=False)),
        ("smtps://mail.example.com", SmtpServer("mail.example.com", 465, tls=True)),
        ("smtp://127.0.0.1:25/", SmtpServer("127.0.0.1", 25, tls=False)),
        ("smtp://[::1]:2525", SmtpServer("::1", 2525, tls=False)),
        (
            "smtps://ada%40example.com:p%3A%2F%40ss@mail.example.com:1465",
            SmtpServer("mail.example.com", 1465, tls=True, user="ada@example.com", password="p:/@ss"),
        ),
    ],
)
def test_an_smtp_url_is_read(url: str, server: SmtpServer) -> None:
    assert parse_smtp_url(url) == server


@pytest.mark.parametrize(
    "url",
    ["", "mail.example.com", "http://x", "smtp://", "smtp://x:port", "smtp://x/path", "smtp://x?y=z", "smtp://[x"],
)
def test_another_url_is_a_mistake_in_the_configuration(url: str) -> None:
    with pytest.raises(InvalidConfiguration):
        SmtpMailer(url, sender="mfa@example.com", clock=lambda: NOW)


@pytest.mark.case(97)
def test_neither_mistakes_nor_the_servers_repr_show_the_password() -> None:
    with pytest.raises(InvalidConfiguration) as refusal:
        parse_smtp_url("smtp://ada:hunter2@x:port")
    assert "hunter2" not in str(refusal.value)
    assert "hunter2" not in repr(parse_smtp_url("smtp://ada:hunter2@x"))
