"""The admin listener: the API under `/client/v4`, its description, health and metrics.

`_handler` is the only place that lets a call through: the token, the account and the permission are proved there,
before anything of the request but its headers is read.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from ipaddress import ip_address

import structlog
from aiohttp import hdrs, web

from secondgate.admin.bodies import InvalidBody
from secondgate.admin.calls import Administration, ApiRequest, Call, Chunk, Listed
from secondgate.admin.envelope import (
    ANOTHER_ACCOUNT,
    AUTHENTICATION,
    HEADERS,
    NO_ROUTE,
    UNAVAILABLE,
    ApiError,
    failure,
    invalid,
    invalid_body,
    rejected,
    success,
)
from secondgate.admin.health import add_health
from secondgate.admin.openapi import describe
from secondgate.admin.resources import CALLS
from secondgate.administration.managed import InvalidChange
from secondgate.errors import Forbidden, Malformed, Rejected, Unavailable
from secondgate.flows.api_tokens import verify_api_token
from secondgate.model.api_token import ApiToken
from secondgate.model.audit import Actor, ActorKind

log = structlog.get_logger("secondgate.admin")

BASE = "/client/v4"
MAX_BODY_BYTES = 4 * 1024 * 1024


def make_admin(administration: Administration, *, before_metrics: Callable[[], None] = lambda: None) -> web.Application:
    """Make the listener's application; `before_metrics` as in `add_health`."""
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    add_health(app, administration.services, before_metrics=before_metrics)
    description = json.dumps(describe(CALLS))
    for call in CALLS:
        app.router.add_route(call.method, BASE + call.path, _handler(administration, call))
    app.router.add_get("/openapi.json", _document(description))
    app.router.add_route("*", BASE + "/{rest:.*}", _no_route)
    return app


def _document(text: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def show(_: web.Request) -> web.StreamResponse:
        return web.Response(text=text, content_type="application/json")

    return show


async def _no_route(request: web.Request) -> web.Response:
    words = f"Could not route to {request.path}, perhaps your object identifier is invalid?"
    return failure(404, [ApiError(NO_ROUTE, words)])


def _handler(administration: Administration, call: Call) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await _serve(administration, call, request)
        except InvalidChange as error:
            return invalid(error)
        except InvalidBody as error:
            return invalid_body(error)
        except Forbidden as error:
            await _audit_refusal(administration, error, _address(request))
            return rejected(error)
        except Rejected as error:
            return rejected(error)
        except Unavailable as error:
            log.error("api.unavailable", reason=str(error))  # noqa: TRY400 - names the cause
        except web.HTTPException:
            raise
        except Exception:
            log.exception("api.error", path=request.path)
        return failure(503, [ApiError(UNAVAILABLE, "temporarily unavailable")], headers={"Retry-After": "5"})

    return handle


async def _serve(administration: Administration, call: Call, request: web.Request) -> web.Response:
    presented = _bearer(request)
    if presented is None:
        return failure(400, [ApiError(HEADERS, "Invalid request headers: send Authorization: Bearer TOKEN")])
    address = _address(request)
    token = await verify_api_token(administration.services, presented=presented, address=ip_address(address))
    if request.match_info.get("account_id", administration.account_id) != administration.account_id:
        return failure(403, [ApiError(ANOTHER_ACCOUNT, "Unauthorized to access requested resource")])
    if not call.is_open_to(token):
        return await _without_permission(administration, call, token, address)
    asked = ApiRequest(
        administration=administration,
        token=token,
        address=address,
        parameters=request.match_info,
        query={name: request.query.getall(name) for name in request.query},
        body=await _body(request) if call.body is not None else {},
        called=f"{request.method} {request.path}",
    )
    try:
        return answer_of(call, asked, await call.handler(asked))
    except Forbidden as error:  # the token may make the call, and not with this
        await administration.services.audit_seldom(
            "api.refused",
            of=f"{token.id}:{asked.called}:{error.detail}",
            actor=asked.actor,
            reason=error.reason,
            detail=error.detail,
        )
        return rejected(error)


async def _audit_refusal(administration: Administration, error: Forbidden, address: str) -> None:
    """Write down a token that was refused, once a minute for each address; an outage of the log changes no answer."""
    log.warning("api.refused", reason=error.reason, detail=error.detail, address=address)
    try:
        await administration.services.audit_seldom(
            "api.refused", of=address, actor="", address=address, reason=error.reason, detail=error.detail
        )
    except Unavailable as unavailable:
        log.error("api.unavailable", reason=str(unavailable))  # noqa: TRY400 - names the cause


async def _without_permission(
    administration: Administration, call: Call, token: ApiToken, address: str
) -> web.Response:
    """Refuse a call that the token may not make; audited once a minute for each of them."""
    asked = f"{call.method} {call.path}"
    await administration.services.audit_seldom(
        "api.refused",
        of=f"{token.id}:{asked}",
        actor=Actor(ActorKind.TOKEN, token.name, token.id, address),
        call=asked,
        permission=" or ".join(call.permissions),
    )
    needed = " or ".join(repr(str(one)) for one in call.permissions)
    words = f"Authentication error: the token lacks the permission {needed}"
    return failure(403, [ApiError(AUTHENTICATION, words)])


def _bearer(request: web.Request) -> str | None:
    """Give the token of the Authorization field, empty where there is none; None where it is none of ours."""
    values = request.headers.getall(hdrs.AUTHORIZATION, [])
    scheme, _, token = values[0].partition(" ") if values else ("", "", "")
    if len(values) > 1 or (values and (scheme.lower() != "bearer" or not token.strip())):
        return None
    return token.strip()


def _address(request: web.Request) -> str:
    return (request.remote or "127.0.0.1").partition("%")[0]


async def _body(request: web.Request) -> Mapping[str, object]:
    try:
        text = await request.read() or b"{}"
        body = json.loads(text, object_pairs_hook=_object, parse_constant=_no_number)
    except web.HTTPRequestEntityTooLarge:
        raise Malformed("body", f"must have at most {MAX_BODY_BYTES} bytes") from None
    except (ValueError, RecursionError):
        raise Malformed("body", "must be JSON") from None
    if not isinstance(body, dict):
        raise Malformed("body", "must be a JSON object")
    return body


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Make an object of which every key stands once (RFC 8259, section 4): others might read the other one of two."""
    made = dict(pairs)
    if len(made) != len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise Malformed(twice, "stands twice in one object")
    return made


def _no_number(text: str) -> object:
    """Refuse what Python reads and is no JSON (RFC 8259, section 6): NaN and Infinity."""
    raise ValueError(text)


def answer_of(call: Call, asked: ApiRequest, result: object) -> web.Response:
    """Give the answer of a call: of a list the page that was asked for. Raises Malformed for what is no page."""
    if isinstance(result, Chunk):
        following = {"cursor": result.cursor, "cursors": {"after": result.cursor}} if result.cursor else {}
        return success(list(result.items), info={"count": len(result.items), **following})
    if not isinstance(result, Listed):
        return success(result, status=call.status)
    paging, shown = asked.paging, result.items
    if not result.is_paged:
        total, shown = len(shown), shown if paging.page == 1 else ()
        info = {"page": paging.page, "per_page": total, "count": len(shown), "total_count": total, "total_pages": 1}
        return success(list(map(result.answer, shown)), info=info)
    total = len(shown) if result.total is None else result.total
    if result.total is None:
        shown = shown[paging.offset : paging.offset + paging.per_page]
    info = {
        "page": paging.page,
        "per_page": paging.per_page,
        "count": len(shown),
        "total_count": total,
        "total_pages": -(-total // paging.per_page),
    }
    return success(list(map(result.answer, shown)), info=info)
