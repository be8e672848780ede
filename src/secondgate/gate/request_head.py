"""Reads the head of a proxy's question out of the bytes that arrived, where there can be no two opinions about it.

One regular expression a dialect understands a request completely or not at all: one request that is whole and has no
body, its fields with plain names and on one line each, every field that decides anything once. What it does not
understand is nobody's fault: aiohttp reads it (RFC 9112), and `protocol.forwarded` judges it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from string import ascii_lowercase

from secondgate.gate.dialects import EXT_AUTHZ, FORWARD_AUTH, Dialect

MAX_HEAD_BYTES = 16_384
MAX_FIELDS = 100
_VALUE = rb"[\t -~\x80-\xff]*"
_VISIBLE = rb"[!-~\x80-\xff]"
_METHOD = rb"(?P<method>GET|POST|PUT|PATCH|DELETE)"
_SCHEME = rb"(?:https?|wss?)"
_AUTHORITY = rb"(?P<authority>[A-Za-z0-9._:-]+)"
_TARGET = rb"(?P<target>/[!-~]*)"
# In a request line aiohttp reads a target too: only what it hands on unchanged is read here.
_PLAIN_TARGET = rb"(?P<target>(?:/(?![/.])[A-Za-z0-9_,~@=&+.-]*)+(?:\?[A-Za-z0-9_,~@:=&+%./-]*)?)"
# What makes aiohttp read more than a head, or keep the connection in another way; and what machines bring.
_NOT_READ = (
    "connection",
    "proxy-connection",
    "content-length",
    "content-encoding",
    "transfer-encoding",
    "expect",
    "upgrade",
    "te",
    "trailer",
    "http2-settings",
    "cf-access-client-id",
    "cf-access-client-secret",
)
_NAVIGATION = re.compile(
    rb"\r\n((?i:accept|sec-fetch-mode|sec-fetch-dest|x-requested-with)):[\t ]*(" + _VALUE + rb"?)[\t ]*(?=\r\n)"
)
_FORWARDED_FOR = re.compile(rb"\r\n(?i:x-forwarded-for):[\t ]*(" + _VALUE + rb"?)[\t ]*(?=\r\n)")


Head = tuple[bytes, bytes, bytes, bytes, bytes]
"""Method, authority (a host with or without a port), target, the whole `Cookie` field, and the proxy's secret."""


class HeadReader:
    """Reads the questions of one dialect.

    `secret_header` is set where proxies must send a secret. `identity_headers` are the fields in which a trusted proxy
    names somebody: `identity_of` gives them. With one of the fields `refused`, or what others could take for one of
    all these, a question is not understood here.
    """

    def __init__(
        self,
        dialect: Dialect,
        *,
        secret_header: str = "",
        identity_headers: Sequence[str] = (),
        refused: Iterable[str] = (),
    ) -> None:
        self.dialect = dialect
        first, once = _form_of(dialect)
        optional = {"cookie"}
        once = {**once, "cookie": rb"(?P<cookie>" + _VISIBLE + rb"(?:" + _VALUE + _VISIBLE + rb")?)"}
        if dialect is EXT_AUTHZ:
            optional |= {"x-forwarded-proto", "content-length"}
            once["content-length"] = rb"0"
        if secret_header:
            once[secret_header.lower()] = rb"(?P<secret>[!-~]+)"
        named = [name.lower() for name in identity_headers if name]
        refused = {*map(_plain_twin, refused), *map(_plain_twin, named)} - set(named)
        special = {*once, *_NOT_READ, *refused}
        # Most fields begin with a letter with which no special one begins: they need no second look.
        fields = [_begin_of_others(special) + rb"[A-Za-z0-9-]*:" + _VALUE]
        fields.append(rb"(?!" + _one_of(special) + rb")[A-Za-z0-9-]+:" + _VALUE)
        # A conditional names its group by number where it stands before it: the second time its field is not matched.
        number = first.count(b"(?P<") + 1
        required = b""
        for name, value in once.items():
            fields.append(b"(?(%d)(?!))(%b ?%b)" % (number, _one_of([name]), value))
            if name not in optional:
                required += b"(?(%d)|(?!))" % number
            number += 1 + value.count(b"(?P<")
        form = rb"%b HTTP/1\.1\r\n(?:(?:%b)\r\n){1,%d}+\r\n%b" % (first, b"|".join(fields), MAX_FIELDS, required)
        pattern = re.compile(form)
        self._match = pattern.fullmatch
        names = ["method", "authority", "target", "cookie", *(["secret"] if secret_header else [])]
        self._groups = [pattern.groupindex[name] for name in names]
        self._has_secret = bool(secret_header)
        self._identity = re.compile(rb"(?<=\r\n)" + _one_of(named) + _VALUE) if named else None

    def read(self, data: bytes) -> Head | None:
        """Give what a whole request says; None where it is not understood completely."""
        match = self._match(data) if len(data) <= MAX_HEAD_BYTES else None
        if match is None:
            return None
        if self._has_secret:
            method, authority, target, cookie, secret = match.group(*self._groups)
            return method, authority, target, cookie or b"", secret
        method, authority, target, cookie = match.group(*self._groups)
        return method, authority, target, cookie or b"", b""

    def identity_of(self, data: bytes) -> bytes:
        """Give the fields that name somebody, byte for byte and in their order; empty where there are none."""
        return b"\r\n".join(self._identity.findall(data)) if self._identity else b""


def navigation_fields(data: bytes) -> list[tuple[str, str]]:
    """Give the fields by which `is_navigation` judges."""
    return [(name.decode(), value.decode("utf-8", "surrogateescape")) for name, value in _NAVIGATION.findall(data)]


def forwarded_for(data: bytes) -> list[str]:
    """Give the values of `X-Forwarded-For`, in the order sent."""
    return [value.decode("utf-8", "surrogateescape") for value in _FORWARDED_FOR.findall(data)]


def _form_of(dialect: Dialect) -> tuple[bytes, dict[str, bytes]]:
    """Give the first line up to the version, and the fields that may stand there once, with their values."""
    if dialect is EXT_AUTHZ:
        once = {"host": _AUTHORITY, "x-forwarded-proto": _SCHEME}
        return _METHOD + rb" " + re.escape(dialect.path.encode()) + _PLAIN_TARGET, once
    first = rb"GET " + re.escape(dialect.path.encode())
    if dialect is FORWARD_AUTH:
        return first, {
            "x-forwarded-method": _METHOD,
            "x-forwarded-proto": _SCHEME,
            "x-forwarded-host": _AUTHORITY,
            "x-forwarded-uri": _TARGET,
            "host": _VALUE,
        }
    return first, {
        "x-original-method": _METHOD,
        "x-original-url": _SCHEME + rb"://" + _AUTHORITY + _TARGET,
        "host": _VALUE,
    }


def _begin_of_others(names: Iterable[str]) -> bytes:
    """Match a letter with which none of the names begins."""
    others = sorted(set(ascii_lowercase) - {name[0] for name in names})
    return f"[{''.join(others)}{''.join(others).upper()}]".encode()


def _plain_twin(name: str) -> str:
    """Give the one name read here that `protocol.forwarded` takes for the same: others have signs that are not read."""
    return re.sub(r"[^a-z0-9]", "-", name.lower())


def _one_of(names: Iterable[str]) -> bytes:
    """Match one of the names in any case, and the colon; sorted by first letter, which is looked at first."""
    by_letter: dict[str, list[str]] = defaultdict(list)
    for name in sorted(set(names)):
        by_letter[name[0]].append(re.escape(name[1:]))
    letters = "|".join(
        f"[{re.escape(letter)}{re.escape(letter.upper())}](?i:{'|'.join(rest)}):" for letter, rest in by_letter.items()
    )
    return f"(?:{letters})".encode()
