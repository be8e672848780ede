"""Applications, and which of them a URL belongs to.

The most specific application wins, in any order of the configuration: an exact host before a wildcard,
a longer wildcard suffix before a shorter, then the longer path prefix. Paths are matched by whole
segments. A path that different upstreams would read differently is never guessed: when its readings
belong to different applications there is no answer, and the gate refuses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote_to_bytes

from secondgate.model.organization import MfaOverride
from secondgate.model.policy import Policy

MAX_READINGS = 64
_PLAIN = re.compile(
    r"(?:/[A-Za-z0-9_\-~!$&'()*+,=:@](?:[A-Za-z0-9_\-.~!$&'()*+,=:@]*[A-Za-z0-9_\-~!$&'()*+,=:@])?)*/?", re.ASCII
)


class MfaCheck(StrEnum):
    """When the age of an MFA is judged; its method is judged at every request in any case."""

    LOGIN = "login"
    EVERY_REQUEST = "every_request"


@dataclass(frozen=True, slots=True)
class Destination:
    """A public host and path prefix. `host` may begin with `*.`; `path` is `` or `/a/b`."""

    host: str
    path: str = ""

    def __str__(self) -> str:
        """Give the form of an application's `domain`."""
        return self.host + self.path


@dataclass(frozen=True, slots=True)
class Application:
    """One application behind the gate, its policies in the order in which they are judged.

    `revocation` is how often all grants of it were revoked.
    """

    id: str
    aud: str
    name: str
    destinations: tuple[Destination, ...]
    policies: tuple[Policy, ...]
    session_duration_s: int = 24 * 3600
    mfa: MfaOverride | None = None
    mfa_check: MfaCheck = MfaCheck.LOGIN
    allowed_idps: tuple[str, ...] = ()
    auto_redirect_to_identity: bool = False
    app_launcher_visible: bool = True
    logo_url: str = ""
    custom_deny_message: str = ""
    custom_deny_url: str = ""
    service_auth_401_redirect: bool = False
    revocation: int = 0

    def __post_init__(self) -> None:
        """Put the policies into the order of judgement, once: bypass and machines first, then by precedence."""
        judged = sorted(self.policies, key=lambda one: (one.action.needs_identity, one.precedence))
        object.__setattr__(self, "policies", tuple(judged))


class AmbiguousPathError(Exception):
    """A path whose readings belong to different applications."""


class ApplicationIndex:
    """Applications compiled for lookup by host and path."""

    def __init__(self, applications: Iterable[Application]) -> None:
        exact: dict[str, list[_Entry]] = {}
        wildcard: dict[str, list[_Entry]] = {}
        for application in applications:
            for destination in application.destinations:
                table, host = (
                    (wildcard, destination.host[1:]) if destination.host.startswith("*.") else (exact, destination.host)
                )
                entry = _Entry(destination.path, destination.path.lower(), application)
                table.setdefault(host, []).append(entry)
        for table in (exact, wildcard):
            for entries in table.values():
                entries.sort(key=lambda entry: len(entry.prefix), reverse=True)
        self._exact = exact
        self._wildcard = wildcard

    def at_host(self, host: str) -> tuple[Application, ...]:
        """Give the applications that a host's requests can belong to, the most specific first."""
        return tuple(dict.fromkeys(entry.application for entry in self._entries(host)))

    def of_every_path(self, host: str) -> Application | None:
        """Give the application of a host where there is one for all its paths; None where a path can matter."""
        entries = self._entries(host)
        return entries[0].application if len(entries) == 1 and not entries[0].prefix else None

    def find(self, host: str, path: str) -> Application | None:
        """Find the application of a URL, or None.

        `host` is in lower case and without a port; `path` is the path as the client sent it, with no
        query. Raises AmbiguousPathError when the readings of the path belong to different applications.
        """
        everywhere = self.of_every_path(host)
        if everywhere is not None:
            return everywhere
        entries = self._entries(host)
        if not entries:
            return None
        found: set[Application | None] = set()
        for reading in path_readings(path):
            folded = reading.lower()
            found.add(next((e.application for e in entries if _is_within(reading, e.prefix)), None))
            found.add(next((e.application for e in entries if _is_within(folded, e.folded_prefix)), None))
        if len(found) != 1:
            raise AmbiguousPathError(path)
        return found.pop()

    def _entries(self, host: str) -> list[_Entry]:
        """Give a host's paths, the longest first; those of its wildcards stand behind its own."""
        entries = list(self._exact.get(host, ()))
        suffix = host
        while (dot := suffix.find(".", 1)) > 0:
            suffix = suffix[dot:]
            entries += self._wildcard.get(suffix, ())
        return entries


@dataclass(frozen=True, slots=True)
class _Entry:
    """A path prefix of an application at one host, also as an upstream sees it that folds case."""

    prefix: str
    folded_prefix: str
    application: Application


def _is_within(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(prefix + "/")


def path_readings(path: str) -> frozenset[str]:
    """Give every path that some upstream could take this one for; all begin with `/`.

    Upstreams differ in whether they decode percent-escapes (once or again), merge slashes, resolve dot
    segments, cut `;parameters` or a segment's trailing dots and spaces, cut at an encoded NUL, `?` or `#`, or
    take a backslash for `/`. Case is folded by `find`. Raises AmbiguousPathError when a path has more readings
    than are worth following, or is no UTF-8 in the end.
    """
    path = path if path.startswith("/") else "/" + path
    if _PLAIN.fullmatch(path):
        return frozenset((path,))
    readings = {path}
    pending = [path]
    while pending:
        reading = pending.pop()
        for step in _READINGS:
            other = step(reading)
            if other not in readings:
                if len(readings) >= MAX_READINGS:
                    raise AmbiguousPathError(path)
                readings.add(other)
                pending.append(other)
    return frozenset(readings)


def _decoded(path: str) -> str:
    try:
        return unquote_to_bytes(path).decode("utf-8")
    except UnicodeError as error:
        raise AmbiguousPathError(path) from error


def _without_dots(path: str) -> str:
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            if len(kept) > 1:
                kept.pop()
        elif segment != ".":
            kept.append(segment)
    return "/".join(kept) or "/"


def _cut(path: str) -> str:
    return re.split(r"[\x00?#]", path, maxsplit=1)[0]


_READINGS = (
    _decoded,
    lambda path: path.replace("\\", "/"),
    lambda path: re.sub(r";[^/]*", "", path),
    lambda path: re.sub(r"(?<=[^/. ])[. ]+(?=/|$)", "", path),
    lambda path: re.sub(r"//+", "/", path),
    _without_dots,
    _cut,
)
