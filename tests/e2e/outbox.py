"""Reads the mails that Secondgate put into its outbox folder."""

from __future__ import annotations

import email
import email.policy
import re
import time
from pathlib import Path

WAIT_S = 10.0


def wait_for_pin(outbox: Path, address: str, *, after: frozenset[Path]) -> str:
    """Wait for a mail to `address` that is not among `after`, and give its six digits."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        for path in set(outbox.glob("*.eml")) - after:
            message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            body = message.get_body(("plain",))
            if body is not None and message["To"] == address:
                found = re.search(r"^\s*(\d{6})\s*$", body.get_content(), re.MULTILINE)
                if found:
                    return found[1]
        time.sleep(0.05)
    raise AssertionError(f"no mail with a PIN to {address} within {WAIT_S} s")


def mails(outbox: Path) -> frozenset[Path]:
    """Give the mails that are there now."""
    return frozenset(outbox.glob("*.eml"))
