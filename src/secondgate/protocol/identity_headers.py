"""Identity from the header fields of a trusted proxy.

The proxy has authenticated somebody and says so in fields whose names are configured. Fields are read by
the rules of `forwarded`; values of `amr` are those of RFC 8176, section 2. That the peer is a trusted
proxy has been decided before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from secondgate.errors import Malformed
from secondgate.model.person import Identity, IdentitySource
from secondgate.protocol.email_address import parse_email
from secondgate.protocol.forwarded import HeaderMap, single_header

MAX_NAME_CHARS = 256
MAX_GROUPS = 500
MAX_AMR = 32
_PRINTABLE = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]*")
_AMR = re.compile(r"[\x21-\x7e]{1,64}")
_SECONDS = re.compile(r"[0-9]{1,11}")


@dataclass(frozen=True, slots=True)
class IdentityHeaders:
    """The names of the fields; an empty name is a field that is not read.

    Login proxies differ in `groups_separator`: oauth2-proxy and Authelia write commas, authentik vertical bars.
    """

    email: str
    name: str = ""
    groups: str = ""
    groups_separator: str = ","
    amr: str = ""
    auth_time: str = ""


def identity_from_headers(headers: HeaderMap, names: IdentityHeaders) -> Identity | None:
    """Read who the proxy says this is; None when it says nothing.

    `amr` is separated by commas or blanks, which no value of it holds; `auth_time` is Unix seconds. Raises Malformed,
    with AMBIGUOUS_HEADER for twins: somebody whose identity can be read in two ways is nobody.
    """
    email = _value(headers, names.email)
    name = _parse_text(names.name, _value(headers, names.name))
    groups = [
        _parse_text(names.groups, group)
        for group in _parse_list(names.groups, _value(headers, names.groups).split(names.groups_separator), MAX_GROUPS)
    ]
    amr = _parse_list(names.amr, re.split(r"[, ]", _value(headers, names.amr)), MAX_AMR)
    if not all(map(_AMR.fullmatch, amr)):
        raise Malformed(names.amr, "must hold authentication method references, separated by commas or blanks")
    auth_time = _value(headers, names.auth_time)
    if auth_time and not _SECONDS.fullmatch(auth_time):
        raise Malformed(names.auth_time, "must be a time in Unix seconds")
    if not email:
        return None
    return Identity(
        email=parse_email(email, field=names.email),
        name=name,
        groups=tuple(groups),
        amr=tuple(amr),
        auth_time=int(auth_time) if auth_time else None,
        source=IdentitySource.HEADERS,
    )


def _value(headers: HeaderMap, name: str) -> str:
    return (single_header(headers, name) or "") if name else ""


def _parse_text(field: str, text: str) -> str:
    if len(text) > MAX_NAME_CHARS or not _PRINTABLE.fullmatch(text):
        raise Malformed(field, "must be printable text of at most 256 characters")
    return text


def _parse_list(name: str, items: list[str], max_values: int) -> list[str]:
    values = [value for item in items if (value := item.strip(" "))]
    if len(values) > max_values:
        raise Malformed(name, f"must hold at most {max_values} values")
    return values
