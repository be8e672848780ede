"""The gate's listener: reads a proxy's question, has it decided, and sends the answer in the proxy's dialect.

Hits are answered in front of this (`protocol`, `fast_path`); what is said here of a live session may be kept for them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import structlog
from aiohttp import web

from secondgate.errors import Malformed, Rejected, Unavailable
from secondgate.gate.answers import Answer, answer, cannot_be_checked, unavailable
from secondgate.gate.context import CHECKS, Gate, outcome_of
from secondgate.gate.decisions import Decisions, Lasting, refreshed
from secondgate.gate.dialects import DIALECTS, Asked, Dialect
from secondgate.gate.fast_path import FastPath, Unanswered
from secondgate.gate.protocol import FAST_PATH, unanswered_by
from secondgate.gate.verify import Question, Verdict, verify
from secondgate.protocol.cookie import application_cookie_name, parse_cookie
from secondgate.protocol.forwarded import OriginalRequest
from secondgate.protocol.service_token import parse_service_token
from secondgate.proxied import Arrival, read_arrival

log = structlog.get_logger("secondgate.gate")


def make_gate(gate: Gate) -> web.Application:
    """Make the listener's application: one route a dialect, any method."""
    services = gate.services
    decisions = Decisions(clock=services.clock, on_ended=services.single_flight.ended)
    app = web.Application()
    app[FAST_PATH] = FastPath(gate, decisions)
    app.cleanup_ctx.append(_kept_true(decisions, gate))
    for dialect in DIALECTS:
        app.router.add_route("*", dialect.route, _handler(gate, dialect, decisions))
    return app


def _kept_true(decisions: Decisions, gate: Gate) -> Callable[[web.Application], AsyncIterator[None]]:
    """Let the cache hear of changes, and refresh what is in use, while the listener is open."""

    async def keep(app: web.Application) -> AsyncIterator[None]:
        async with gate.services.changes.listen(decisions), refreshed(decisions, gate.services.live):
            yield
        app[FAST_PATH].count()

    return keep


def _handler(
    gate: Gate, dialect: Dialect, decisions: Decisions
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        unanswered = unanswered_by(request)
        try:
            arrival = read_arrival(request, gate.trust)
            arrival.verify_trusted()
            original = dialect.parse(Asked(arrival.headers, request.method, request.raw_path, gate.scheme))
            question = _question(gate, arrival, original)
            verdict = await verify(gate.services, question)
            said = answer(gate, dialect, arrival, original, verdict)
        except Unavailable as error:
            log.error("check.unavailable", dialect=dialect.name, reason=str(error))  # noqa: TRY400 - names the cause
            return _count(dialect, "unavailable", unavailable())
        except Rejected as error:
            peer = request.remote or "unix"
            log.warning("check.refused", dialect=dialect.name, reason=error.reason, detail=error.detail, peer=peer)
            return _count(dialect, "malformed" if isinstance(error, Malformed) else "untrusted", cannot_be_checked())
        except Exception:
            log.exception("check.error", dialect=dialect.name)
            return _count(dialect, "unavailable", unavailable())
        if unanswered is not None and verdict.session_id:
            _keep(decisions, unanswered, question, verdict, said)
        return _count(dialect, outcome_of(verdict.decision), said)

    return handle


def _count(dialect: Dialect, outcome: str, said: Answer) -> web.Response:
    CHECKS.labels(dialect.name, outcome).inc()
    return said.response()


def _keep(decisions: Decisions, unanswered: Unanswered, question: Question, verdict: Verdict, said: Answer) -> None:
    """Keep an answer for who asks the same again, if the fast path understood the question as it was decided."""
    is_same = unanswered.application is verdict.application and unanswered.token == question.token
    if is_same and unanswered.address in {None, question.address}:
        lasting = Lasting(verdict.session_id, unanswered.at, verdict.lasts_until, unanswered.epoch)
        decisions.put(unanswered.key, said.head(), lasting)


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
