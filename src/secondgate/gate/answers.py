"""What the gate says. `answer` writes a verdict in a dialect: the only place that can answer 2xx on a verify endpoint.

An answer is a value, sent through aiohttp, or written out here with the very same bytes: those that aiohttp writes on
a connection that stays open (HTTP/1.1; RFC 9112, section 6.3, for the length, RFC 9110, section 6.6.1, for the date).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import assert_never
from urllib.parse import quote

import structlog
from aiohttp import hdrs, web
from aiohttp.helpers import rfc822_formatted_time
from multidict import CIMultiDict

from secondgate.connections import SERVER_NAME
from secondgate.errors import Malformed, Reason
from secondgate.gate.context import Gate
from secondgate.gate.dialects import Dialect
from secondgate.gate.verify import Verdict
from secondgate.model.decision import Allow, Refuse, SignIn, StepUp
from secondgate.page_headers import page_headers
from secondgate.protocol.cookie import application_cookie_name, application_host_cookies, without_cookies
from secondgate.protocol.forwarded import OriginalRequest, is_navigation
from secondgate.protocol.return_to import parse_return_path
from secondgate.protocol.service_token import parse_service_token
from secondgate.proxied import Arrival

log = structlog.get_logger("secondgate.gate")

_OUR_COOKIES = application_host_cookies()
_NO_UTF8 = re.compile(r"[\ud800-\udfff]")
ACCESS_EMAIL = "Cf-Access-Authenticated-User-Email"
ACCESS_ASSERTION = "Cf-Access-Jwt-Assertion"
ERROR_HEADER = "X-Secondgate-Error"
NO_STORE = (str(hdrs.CACHE_CONTROL), "no-store")
Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, the fields in their order, and the body. Length, date and server are added to what is sent.

    `of_cookies` are further fields, made of the cookies that the client sent: the others can be said again to somebody
    with the same session and other cookies.
    """

    status: int
    fields: Fields
    body: bytes = b""
    of_cookies: Fields = ()

    def response(self) -> web.Response:
        """Give it to aiohttp."""
        return web.Response(status=self.status, headers=CIMultiDict((*self.fields, *self.of_cookies)), body=self.body)

    def head(self) -> bytes:
        """Write the status line and the fields, without those of cookies and those that are added."""
        return f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}\r\n".encode() + written(self.fields)


def written(fields: Fields) -> bytes:
    """Write fields, a line each."""
    return "".join(f"{name}: {value}\r\n" for name, value in fields).encode()


class Ending:
    """What every answer's head ends with: its length, the time and our name. Written once a second."""

    def __init__(self, *, length: int = 0) -> None:
        self._before = f"{hdrs.CONTENT_LENGTH}: {length}\r\n{hdrs.DATE}: "
        self._second = -1
        self._text = b""

    def at(self, now: float) -> bytes:
        """Give it for a moment in Unix seconds of the system's clock."""
        second = int(now)
        if second != self._second:
            self._text = f"{self._before}{rfc822_formatted_time()}\r\n{hdrs.SERVER}: {SERVER_NAME}\r\n\r\n".encode()
            self._second = second
        return self._text


def answer(gate: Gate, dialect: Dialect, arrival: Arrival, original: OriginalRequest, verdict: Verdict) -> Answer:
    """Write a verdict in a dialect. The first branch is the one that can answer 2xx."""
    decision = verdict.decision
    match decision:
        case Allow():
            return Answer(200, _identity(gate, verdict), of_cookies=fields_of_cookies(dialect, arrival.cookie))
        case SignIn(reason, is_machine=True):
            _log_machine(gate, dialect, arrival, original, reason)
            return _unauthenticated(reason)
        case SignIn(reason) | StepUp(reason=reason):
            if reason is not Reason.NO_SESSION or _brings_session(gate, arrival):
                log.info("check.sign_in", dialect=dialect.name, reason=reason, host=original.host)
            return _sign_in(gate, dialect, arrival, original, reason=reason)
        case Refuse(reason):
            if verdict.identity is None and parse_service_token(arrival.headers):
                _log_machine(gate, dialect, arrival, original, reason)
            else:
                log.info("check.refused", dialect=dialect.name, reason=reason, host=original.host)
            return _refused(gate, arrival, original, verdict, reason=reason)
        case _:
            assert_never(decision)


def _brings_session(gate: Gate, arrival: Arrival) -> bool:
    """Whether a cookie of a session came along. Of a request without one nothing is written: it is counted."""
    return without_cookies(arrival.cookie, {application_cookie_name(secure=gate.secure)}) != arrival.cookie


def _log_machine(gate: Gate, dialect: Dialect, arrival: Arrival, original: OriginalRequest, reason: Reason) -> None:
    presented = parse_service_token(arrival.headers)
    now = gate.services.now()
    gate.machine_log.refused(presented, dialect=dialect.name, host=original.host, reason=reason, now=now)


def _identity(gate: Gate, verdict: Verdict) -> Fields:
    """Give every identity header, empty where there is nothing to say."""
    names = gate.names
    identity = verdict.identity
    email = _field(identity.email) if identity else ""
    return (
        (names.user, email),
        (names.email, email),
        (names.name, _field(identity.name) if identity else ""),
        (names.groups, _field(",".join(identity.groups)) if identity else ""),
        (ACCESS_EMAIL, email),
        (ACCESS_ASSERTION, verdict.assertion),
        NO_STORE,
    )


def _field(text: str) -> str:
    """Give text as a header field's value: without control characters, whatever an identity provider sent."""
    return "".join(character for character in text if character.isprintable()).strip()


def fields_of_cookies(dialect: Dialect, cookie: str) -> Fields:
    """Give the fields by which the application gets the client's cookies without ours, where the answer says so.

    Left out are those that are no UTF-8: no answer carries them unchanged.
    """
    if not dialect.returns_cookie:
        return ()
    rest = without_cookies(cookie, _OUR_COOKIES)
    if _NO_UTF8.search(rest):
        rest = ";".join(pair for pair in rest.split(";") if not _NO_UTF8.search(pair)).strip(" ")
    return ((hdrs.COOKIE, rest),) if rest else dialect.no_cookie


def _sign_in(gate: Gate, dialect: Dialect, arrival: Arrival, original: OriginalRequest, *, reason: Reason) -> Answer:
    location = _login_url(gate, original)
    navigation = is_navigation(original.method, arrival.headers)
    if navigation and dialect.redirects:
        status = 302 if original.method in {"GET", "HEAD"} else 303
        return Answer(status, ((hdrs.LOCATION, location), NO_STORE, _type("application/octet-stream")))
    error = "mfa_required" if reason in {Reason.MFA_AGE, Reason.MFA_METHOD, Reason.MFA_MISSING} else "sign_in_required"
    way_on = ((hdrs.LOCATION, location),) if navigation else ()
    return _json(401, (NO_STORE, *way_on), {"error": error, "reason": reason, "location": location})


def _unauthenticated(reason: Reason) -> Answer:
    """Tell a machine that it proved nothing: no page, no way to one, whatever the dialect.

    nginx, which writes bodies of its own, knows by the header what to say in this one.
    """
    error = "unauthenticated"
    return _json(401, ((ERROR_HEADER, error), NO_STORE), {"error": error, "reason": reason})


def _refused(gate: Gate, arrival: Arrival, original: OriginalRequest, verdict: Verdict, *, reason: Reason) -> Answer:
    if not is_navigation(original.method, arrival.headers):
        return _json(403, (NO_STORE,), {"error": "refused", "reason": reason})
    origin = gate.services.portal_origin
    policy = f"default-src 'none'; style-src {origin}; img-src data:; frame-ancestors 'none'; base-uri 'none'"
    fields = (
        ("Content-Security-Policy", policy),
        *page_headers(secure=gate.secure).items(),
        NO_STORE,
        _type("text/html; charset=utf-8"),
    )
    return Answer(403, fields, gate.refusal_page(verdict.application).encode())


def cannot_be_checked() -> Answer:
    """Refuse a question that is malformed, or not a proxy's."""
    fields = (NO_STORE, _type("text/plain; charset=utf-8"))
    return Answer(403, fields, b"This request cannot be checked.\n")


def unavailable() -> Answer:
    """Say that it cannot be told now; what went wrong stands in the log."""
    fields = (("Retry-After", "5"), NO_STORE, _type("text/plain; charset=utf-8"))
    return Answer(503, fields, b"It cannot be checked now whether you may open this.\n")


def _json(status: int, fields: Fields, body: dict[str, str]) -> Answer:
    return Answer(status, (*fields, _type("application/json; charset=utf-8")), json.dumps(body).encode())


def _type(text: str) -> tuple[str, str]:
    return (hdrs.CONTENT_TYPE, text)


def _login_url(gate: Gate, original: OriginalRequest) -> str:
    target = original.path + (f"?{original.query}" if original.query else "")
    try:
        return_path = parse_return_path(target)
    except Malformed:
        return_path = "/"
    return f"{gate.services.origin_of(original.host)}/.secondgate/login?return_to={quote(return_path, safe='')}"
