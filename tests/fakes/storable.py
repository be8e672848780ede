"""What every store refuses to keep, because one of the real ones cannot."""

from __future__ import annotations

from secondgate.errors import Malformed


def check_text(*texts: str) -> None:
    for text in texts:
        if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
            raise Malformed("text", "must be Unicode without NUL")
