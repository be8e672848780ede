"""The code of a temporary pass: three groups of four, to be read out over the telephone and typed.

Crockford's Base 32 (https://www.crockford.com/base32.html): no I, L, O and U; read back in either case, with dashes and
blanks anywhere, and with I and L taken for 1 and O for 0. Whether a code is right is not decided here.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from secondgate.errors import Malformed
from secondgate.model.secret import Secret

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_CHARS = 12
"""Sixty random bits."""
_GROUP_CHARS = 4
_MAX_TYPED_CHARS = 64
_CODE = re.compile(f"[{ALPHABET}]{{{CODE_CHARS}}}", re.ASCII)
_READ_AS = str.maketrans({"I": "1", "L": "1", "O": "0", "-": None, " ": None})


def new_pass_code(random_bytes: Callable[[int], bytes]) -> Secret[str]:
    """Make a code of 60 random bits, without dashes."""
    return Secret("".join(ALPHABET[byte % len(ALPHABET)] for byte in random_bytes(CODE_CHARS)))


def format_pass_code(code: Secret[str]) -> str:
    """Give a code as it is shown: `K7QM-2F9X-TR4B`."""
    text = code.reveal()
    return "-".join(text[start : start + _GROUP_CHARS] for start in range(0, len(text), _GROUP_CHARS))


def parse_pass_code(text: object) -> Secret[str]:
    """Give the one spelling of a code that was typed. Raises Malformed."""
    typed = text.strip() if isinstance(text, str) else ""
    if typed.isascii() and len(typed) <= _MAX_TYPED_CHARS:
        code = typed.upper().translate(_READ_AS)
        if _CODE.fullmatch(code):
            return Secret(code)
    raise Malformed("code", "enter the pass as you were told it: three groups of four letters and digits")
