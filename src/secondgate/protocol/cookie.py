"""Cookies, read and written (RFC 6265bis, sections 4.1, 4.2 and 4.1.3.2 for the `__Host-` prefix).

Reads one cookie out of a `Cookie` field strictly: what could be read in two ways is not read at all.
What a cookie's value means is not decided here.
"""

from __future__ import annotations

import re
from collections.abc import Container
from functools import lru_cache

MAX_COOKIE_BYTES = 4096
NONCE_COOKIE = "secondgate_nonce"
"""Ties a login to the browser that began it at an application's host."""
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*")
_BLANKS = " \t"


def application_cookie_name(*, secure: bool) -> str:
    """Give the name of the cookie of an application's host."""
    return host_cookie_name("secondgate", secure=secure)


def host_cookie_name(name: str, *, secure: bool) -> str:
    """Give a cookie's name with the prefix that ties it to one host; plain HTTP cannot have the prefix."""
    return f"__Host-{name}" if secure else name


def application_host_cookies() -> frozenset[str]:
    """Give the names of our cookies at an application's host, in both spellings: the upstream sees none of them."""
    return frozenset(
        name
        for secure in (False, True)
        for name in (application_cookie_name(secure=secure), host_cookie_name(NONCE_COOKIE, secure=secure))
    )


def parse_cookie(header: str, name: str) -> str | None:
    """Give the value of the one cookie of this name, or None.

    None too for an empty value, one over 4,096 bytes or with characters that no cookie value may have, and
    where the name stands there twice: nobody could say which of the two is meant. Takes time linear in the header.
    """
    found = _finder(name).findall(header)
    if len(found) != 1:
        return None
    value: str = found[0].strip(_BLANKS)
    return value if 0 < len(value) <= MAX_COOKIE_BYTES and _VALUE.fullmatch(value) else None


def without_cookies(header: str, names: Container[str]) -> str:
    """Give a `Cookie` field without the cookies of these names, the others byte for byte."""
    pairs = header.split(";")
    kept = [pair for pair in pairs if pair.partition("=")[0].strip(_BLANKS) not in names]
    if len(kept) == len(pairs):
        return header
    return ";".join(kept).strip(_BLANKS)


def set_cookie(name: str, value: str, *, secure: bool, max_age_s: int | None) -> str:
    """Write a `Set-Cookie` field for this host alone: `Path=/; HttpOnly; SameSite=Lax`, `Secure` when `secure`.

    `max_age_s` None lives as long as the browser runs. Raises ValueError for a name or value that no cookie may
    have, for a `__Host-` name that is not secure, and over 4,096 bytes.
    """
    if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
        raise ValueError("not a cookie's name and value")
    if name.startswith("__Host-") and not secure:
        raise ValueError("a __Host- cookie must be secure")
    parts = [f"{name}={value}", "Path=/"]
    if max_age_s is not None:
        parts.append(f"Max-Age={max_age_s}")
    if secure:
        parts.append("Secure")
    field = "; ".join([*parts, "HttpOnly", "SameSite=Lax"])
    if len(field) > MAX_COOKIE_BYTES:
        raise ValueError(f"a cookie of {len(field)} bytes is longer than browsers keep")
    return field


def clear_cookie(name: str, *, secure: bool) -> str:
    """Write the `Set-Cookie` field that removes what `set_cookie` set."""
    return set_cookie(name, "", secure=secure, max_age_s=0)


@lru_cache(maxsize=64)
def _finder(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?:^|;)[ \t]*{re.escape(name)}[ \t]*=([^;]*)")
