"""The gate's listener: reads a proxy's question, has it decided, and writes the answer in the proxy's dialect.

`answer` is the only place of the program that can answer 2xx on a verify endpoint.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import assert_never
from urllib.parse import quote

import structlog
from aiohttp import hdrs, web
from prometheus_client import Counter

from secondgate.errors import Malformed, Reason, Rejected, Unavailable
from secondgate.flows.services import Services
from secondgate.gate.dialects import DIALECTS, Asked, Dialect
from secondgate.gate.machine_log import MachineLog
from secondgate.gate.verify import Question, Verdict, verify
from secondgate.model.application import Application
from secondgate.model.decision import Allow, Decision, Refuse, SignIn, StepUp
from secondgate.page_headers import page_headers
from secondgate.protocol.cookie import application_cookie_name, application_host_cookies, parse_cookie, without_cookies
from secondgate.protocol.forwarded import OriginalRequest, is_navigation
from secondgate.protocol.return_to import parse_return_path
from secondgate.protocol.service_token import parse_service_token
from secondgate.proxied import Arrival, ProxyTrust, read_arrival

log = structlog.get_logger("secondgate.gate")

_OUR_COOKIES = application_host_cookies()
_NO_UTF8 = re.compile(r"[\ud800-\udfff]")
ACCESS_EMAIL = "Cf-Access-Authenticated-User-Email"
ACCESS_ASSERTION = "Cf-Access-Jwt-Assertion"
ERROR_HEADER = "X-Secondgate-Error"
CHECKS = Counter("secondgate_checks_total", "Checks that proxies asked for", ["dialect", "outcome"])


@dataclass(frozen=True, slots=True)
class IdentityHeaderNames:
    """The header fields in which the application is told who the person is."""

    user: str = "Remote-User"
    email: str = "Remote-Email"
    name: str = "Remote-Name"
    groups: str = "Remote-Groups"


@dataclass(frozen=True, slots=True)
class Gate:
    """What the gate's handlers work with. `refusal_page` renders the page for somebody who may not enter."""

    services: Services
    trust: ProxyTrust
    names: IdentityHeaderNames
    secure: bool
    refusal_page: Callable[[Application | None], str]
    machine_log: MachineLog = field(default_factory=MachineLog)

    @property
    def scheme(self) -> str:
        """The portal's scheme, for a proxy that says none."""
        return "https" if self.secure else "http"


def make_gate(gate: Gate) -> web.Application:
    """Make the listener's application: one route a dialect, any method."""
    app = web.Application()
    for dialect in DIALECTS:
        app.router.add_route("*", dialect.route, _handler(gate, dialect))
    return app


def _handler(gate: Gate, dialect: Dialect) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            arrival = read_arrival(request, gate.trust)
            arrival.verify_trusted()
            original = dialect.parse(Asked(arrival.headers, request.method, request.raw_path, gate.scheme))
            verdict = await verify(gate.services, _question(gate, arrival, original))
            return answer(gate, dialect, arrival, original, verdict)
        except Unavailable as error:
            log.error("check.unavailable", dialect=dialect.name, reason=str(error))  # noqa: TRY400 - names the cause
            return _unavailable(dialect)
        except Rejected as error:
            peer = request.remote or "unix"
            log.warning("check.refused", dialect=dialect.name, reason=error.reason, detail=error.detail, peer=peer)
            CHECKS.labels(dialect.name, "malformed" if isinstance(error, Malformed) else "untrusted").inc()
            return web.Response(status=403, text="This request cannot be checked.\n", headers=_no_store())
        except Exception:
            log.exception("check.error", dialect=dialect.name)
            return _unavailable(dialect)

    return handle


def _unavailable(dialect: Dialect) -> web.Response:
    """Say that it cannot be told now; what went wrong stands in the log."""
    CHECKS.labels(dialect.name, "unavailable").inc()
    text = "It cannot be checked now whether you may open this.\n"
    return web.Response(status=503, text=text, headers={"Retry-After": "5", **_no_store()})


def answer(gate: Gate, dialect: Dialect, arrival: Arrival, original: OriginalRequest, verdict: Verdict) -> web.Response:
    """Write a verdict in a dialect. The first branch is the one that can answer 2xx."""
    decision = verdict.decision
    CHECKS.labels(dialect.name, _outcome(decision)).inc()
    match decision:
        case Allow():
            headers = _identity(gate, verdict)
            if dialect.returns_cookie:
                rest = _upstream_cookies(arrival)
                headers.update({str(hdrs.COOKIE): rest} if rest else dialect.no_cookie)
            return web.Response(status=200, headers=headers)
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


def _outcome(decision: Decision) -> str:
    """Give the label under which a decision is counted; a machine that proved nothing has one of its own."""
    if isinstance(decision, SignIn) and decision.is_machine:
        return "unauthenticated"
    return type(decision).__name__.lower()


def _brings_session(gate: Gate, arrival: Arrival) -> bool:
    """Whether a cookie of a session came along. Of a request without one nothing is written: it is counted."""
    return without_cookies(arrival.cookie, {application_cookie_name(secure=gate.secure)}) != arrival.cookie


def _log_machine(gate: Gate, dialect: Dialect, arrival: Arrival, original: OriginalRequest, reason: Reason) -> None:
    presented = parse_service_token(arrival.headers)
    now = gate.services.now()
    gate.machine_log.refused(presented, dialect=dialect.name, host=original.host, reason=reason, now=now)


def _question(gate: Gate, arrival: Arrival, original: OriginalRequest) -> Question:
    return Question(
        original=original,
        token=parse_cookie(arrival.cookie, application_cookie_name(secure=gate.secure)),
        address=arrival.client,
        presented_identity=arrival.identity(),
        jwts=arrival.jwts(),
        service_token=parse_service_token(arrival.headers),
        is_preflight=original.method == "OPTIONS" and _has_preflight_headers(arrival),
    )


def _has_preflight_headers(arrival: Arrival) -> bool:
    names = {name.lower() for name, _ in arrival.headers}
    return {"origin", "access-control-request-method"} <= names


def _identity(gate: Gate, verdict: Verdict) -> dict[str, str]:
    """Give every identity header, empty where there is nothing to say."""
    names = gate.names
    identity = verdict.identity
    email = _field(identity.email) if identity else ""
    return {
        names.user: email,
        names.email: email,
        names.name: _field(identity.name) if identity else "",
        names.groups: _field(",".join(identity.groups)) if identity else "",
        ACCESS_EMAIL: email,
        ACCESS_ASSERTION: verdict.assertion,
        **_no_store(),
    }


def _field(text: str) -> str:
    """Give text as a header field's value: without control characters, whatever an identity provider sent."""
    return "".join(character for character in text if character.isprintable()).strip()


def _upstream_cookies(arrival: Arrival) -> str:
    """Give the client's cookies without ours, and without those that are no UTF-8: no answer carries them unchanged."""
    rest = without_cookies(arrival.cookie, _OUR_COOKIES)
    if not _NO_UTF8.search(rest):
        return rest
    return ";".join(pair for pair in rest.split(";") if not _NO_UTF8.search(pair)).strip(" ")


def _sign_in(
    gate: Gate, dialect: Dialect, arrival: Arrival, original: OriginalRequest, *, reason: Reason
) -> web.Response:
    location = _login_url(gate, original)
    navigation = is_navigation(original.method, arrival.headers)
    if navigation and dialect.redirects:
        status = 302 if original.method in {"GET", "HEAD"} else 303
        return web.Response(status=status, headers={hdrs.LOCATION: location, **_no_store()})
    headers = _no_store()
    if navigation:
        headers[hdrs.LOCATION] = location
    error = "mfa_required" if reason in {Reason.MFA_AGE, Reason.MFA_METHOD, Reason.MFA_MISSING} else "sign_in_required"
    body = json.dumps({"error": error, "reason": reason, "location": location})
    return web.Response(status=401, text=body, content_type="application/json", headers=headers)


def _unauthenticated(reason: Reason) -> web.Response:
    """Tell a machine that it proved nothing: no page, no way to one, whatever the dialect.

    nginx, which writes bodies of its own, knows by the header what to say in this one.
    """
    error = "unauthenticated"
    body = json.dumps({"error": error, "reason": reason})
    headers = {ERROR_HEADER: error, **_no_store()}
    return web.Response(status=401, text=body, content_type="application/json", headers=headers)


def _refused(
    gate: Gate, arrival: Arrival, original: OriginalRequest, verdict: Verdict, *, reason: Reason
) -> web.Response:
    if is_navigation(original.method, arrival.headers):
        origin = gate.services.portal_origin
        policy = f"default-src 'none'; style-src {origin}; img-src data:; frame-ancestors 'none'; base-uri 'none'"
        return web.Response(
            status=403,
            text=gate.refusal_page(verdict.application),
            content_type="text/html",
            headers={"Content-Security-Policy": policy, **page_headers(secure=gate.secure), **_no_store()},
        )
    body = json.dumps({"error": "refused", "reason": reason})
    return web.Response(status=403, text=body, content_type="application/json", headers=_no_store())


def _login_url(gate: Gate, original: OriginalRequest) -> str:
    target = original.path + (f"?{original.query}" if original.query else "")
    try:
        return_path = parse_return_path(target)
    except Malformed:
        return_path = "/"
    return f"{gate.services.origin_of(original.host)}/.secondgate/login?return_to={quote(return_path, safe='')}"


def _no_store() -> dict[str, str]:
    return {str(hdrs.CACHE_CONTROL): "no-store"}
