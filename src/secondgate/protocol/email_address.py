"""E-mail addresses as identities (RFC 5321, section 4.1.2, the dot-string form in ASCII).

Strict on purpose: an address decides who somebody is. Quoted local parts, several `@` and characters
outside of ASCII, some of which fold into ASCII letters, are refused. Whether mail arrives is not decided here.
"""

from __future__ import annotations

import re

from secondgate.errors import Malformed
from secondgate.model.person import folded_email

MAX_ADDRESS_CHARS = 254
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*")


def parse_email(text: object, *, field: str = "email") -> str:
    """Give an address in its folded spelling.

    Blanks around it are dropped. Raises Malformed for everything that is not one plain address.
    """
    if isinstance(text, str):
        address = text.strip(" ")
        if len(address) <= MAX_ADDRESS_CHARS and _ADDRESS.fullmatch(address):
            return folded_email(address)
    raise Malformed(field, "must be one e-mail address, such as name@example.com")
