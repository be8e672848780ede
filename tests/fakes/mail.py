"""A mailer that keeps what was sent, and can be out of reach."""

from __future__ import annotations

import re
from dataclasses import dataclass

from secondgate.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Message:
    """One message that was handed over."""

    to: str
    subject: str
    text: str

    @property
    def pin(self) -> str:
        """Give the six digits that the message brings."""
        (pin,) = re.findall(r"^ +([0-9]{6})$", self.text, re.MULTILINE)
        return str(pin)


class MemoryMailer:
    """Keeps messages in memory; with `is_down` it takes none."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.is_down = False

    async def send(self, *, to: str, subject: str, text: str) -> None:
        if self.is_down:
            raise Unavailable("the mail server did not take a message")
        self.sent.append(Message(to, subject, text))
