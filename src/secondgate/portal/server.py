"""The portal's listener: its routes, and what holds for all of them.

A request is for the portal's host or for an application's; each has its own paths and none of the other's. Every
answer forbids framing, foreign content and caching; every error is a page, or JSON for our script.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import hdrs, web

from secondgate.errors import (
    NotSignedIn,
    ProofRejected,
    Reason,
    Rejected,
    TokenRejected,
    TooManyAttempts,
    Unavailable,
)
from secondgate.page_headers import page_headers
from secondgate.portal import (
    account,
    application_host,
    challenge,
    enrol,
    joining,
    openid,
    passes,
    provider_logout,
    sign_in,
)
from secondgate.portal.application_host import message_page
from secondgate.portal.assets import CSS, STATIC_FILES, STATIC_PATH
from secondgate.portal.context import (
    CONTEXT,
    MAX_BODY_BYTES,
    PORTAL,
    Context,
    Portal,
    context_of,
    page,
    read_context,
    request_host,
    see_other,
)
from secondgate.portal.design import DESIGN_PATH, style_sheet, style_url
from secondgate.portal.journey import PASS, path
from secondgate.portal.pages import Choice, MessageKind, MessagePage
from secondgate.portal.words import status_of, words_for

log = structlog.get_logger("secondgate.portal")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_APPLICATION_PATHS = ("/.secondgate/", "/cdn-cgi/access/")
_AT_BOTH = ("/cdn-cgi/access/", STATIC_PATH)
_KINDS = {
    TokenRejected: MessageKind.EXPIRED,
    TooManyAttempts: MessageKind.TOO_MANY,
}


def make_portal(portal: Portal) -> web.Application:
    """Make the listener's application."""
    app = web.Application(middlewares=[_answer], client_max_size=MAX_BODY_BYTES)
    app[PORTAL] = portal
    app.add_routes(
        [
            web.get("/", account.show_launcher, allow_head=False),
            web.get("/login", sign_in.show_login, allow_head=False),
            web.get("/login/callback", openid.complete_login, allow_head=False),
            web.get("/login/callback/{name}", openid.complete_login, allow_head=False),
            web.post("/login/backchannel-logout", provider_logout.receive_logout_token),
            web.get("/login/{idp}", sign_in.show_provider, allow_head=False),
            web.post("/login/{idp}", sign_in.request_pin),
            web.get("/login/{idp}/pin", sign_in.show_pin, allow_head=False),
            web.post("/login/{idp}/pin", sign_in.submit_pin),
            web.post("/login/{idp}/resend", sign_in.resend_pin),
            web.get("/challenge", challenge.show_challenge, allow_head=False),
            web.post("/challenge", challenge.submit_code),
            web.post("/challenge/options", challenge.give_options),
            web.post("/challenge/finish", challenge.finish),
            web.get(PASS, passes.show_pass, allow_head=False),
            web.post(PASS, passes.submit_pass),
            web.get("/AddMfaDevice", enrol.show_choice, allow_head=False),
            web.post("/AddMfaDevice", enrol.submit_choice),
            web.get("/AddMfaDevice/totp", enrol.show_totp, allow_head=False),
            web.post("/AddMfaDevice/totp", enrol.submit_totp),
            web.get("/AddMfaDevice/security_key", enrol.show_webauthn, allow_head=False),
            web.get("/AddMfaDevice/biometrics", enrol.show_webauthn, allow_head=False),
            web.post("/AddMfaDevice/options", enrol.give_options),
            web.post("/AddMfaDevice/finish", enrol.finish),
            web.get("/account/join/{idp}", joining.show_joining, allow_head=False),
            web.get("/account/devices", account.show_devices, allow_head=False),
            web.post("/account/devices/{id}/name", account.rename_device),
            web.get("/account/devices/{id}/remove", account.show_removal, allow_head=False),
            web.post("/account/devices/{id}/remove", account.remove_device),
            web.get("/account/sessions", account.show_sessions, allow_head=False),
            web.post("/account/sessions/end", account.end_all_sessions),
            web.post("/account/sessions/{id}/end", account.end_session),
            web.get("/logout", account.show_logout, allow_head=False),
            web.post("/logout", account.submit_logout),
            web.get("/logout/callback", provider_logout.show_return, allow_head=False),
            web.get("/.well-known/jwks.json", application_host.give_jwks),
            web.get("/static/{name}", _give_static),
            web.get(DESIGN_PATH, _give_design),
            web.get("/.secondgate/login", application_host.begin_login, allow_head=False),
            web.get("/.secondgate/callback", application_host.complete_login, allow_head=False),
            web.get("/.secondgate/logout", application_host.begin_logout, allow_head=False),
            web.post("/.secondgate/logout", application_host.complete_logout),
            web.get("/.secondgate/identity", application_host.give_identity, allow_head=False),
            web.get("/cdn-cgi/access/certs", application_host.give_certs),
            web.get("/cdn-cgi/access/get-identity", application_host.give_identity, allow_head=False),
            web.get("/cdn-cgi/access/logout", application_host.begin_logout, allow_head=False),
        ]
    )
    return app


async def _give_static(request: web.Request) -> web.StreamResponse:
    """GET /static/{name}: a file that its URL's query names the content of, so it never changes."""
    found = STATIC_FILES.get(request.match_info["name"])
    if found is None:
        raise web.HTTPNotFound
    content_type, content = found
    return _forever(content_type, content)


async def _give_design(request: web.Request) -> web.StreamResponse:
    """GET /design.css: the colours of the login design, as long as the URL's query names them."""
    design = context_of(request).services.access().rulebook.organization.login_design
    content = style_sheet(design)
    if not content or request.path_qs != style_url(design):
        raise web.HTTPNotFound
    return _forever(CSS, content)


def _forever(content_type: str, content: bytes) -> web.Response:
    headers = {hdrs.CONTENT_TYPE: content_type, hdrs.CACHE_CONTROL: "public, max-age=31536000, immutable"}
    return web.Response(body=content, headers=headers)


@web.middleware
async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Read the context, run the handler, and give every answer its headers and every error its words."""
    portal = request.app[PORTAL]
    context: Context | None = None
    try:
        context = request[CONTEXT] = await read_context(request, portal)
        _verify_place(request, context)
        response = await handler(request)
    except web.HTTPException as error:
        response = _http_error(request, context, error)
    except Unavailable as error:
        log.error("portal.unavailable", path=request.path, reason=str(error))  # noqa: TRY400 - names the cause
        response = _failure(request, context, MessageKind.UNAVAILABLE, 503)
    except Rejected as error:
        response = _rejection(request, context, error)
    except Exception:
        reference = secrets.token_hex(4)
        log.exception("portal.error", path=request.path, reference=reference)
        response = _failure(request, context, MessageKind.ERROR, 500, reference=reference)
    _finish(request, context, portal, response)
    return response


def _verify_place(request: web.Request, context: Context) -> None:
    """Prove that a proxy of ours asks, and that this host has this path. Raises Forbidden, HTTPNotFound."""
    context.arrival.verify_trusted()
    host = request_host(request)
    is_application_path = request.path.startswith(_APPLICATION_PATHS)
    if host == context.portal.host:
        if is_application_path and not request.path.startswith(_AT_BOTH):
            raise web.HTTPNotFound
    elif not is_application_path or not context.services.access().index.at_host(host):
        raise web.HTTPNotFound


def _rejection(request: web.Request, context: Context | None, error: Rejected) -> web.StreamResponse:
    log.info("portal.rejected", path=request.path, reason=error.reason, detail=error.detail)
    if context is None:
        return web.Response(status=400, text="This request cannot be read.\n")
    status, words = status_of(error), words_for(error)
    headers = {hdrs.RETRY_AFTER: str(error.resets_in_s)} if isinstance(error, TooManyAttempts) else {}
    if request.content_type == "application/json":
        # Why a proof failed is for the log: one answer for all tells nothing about other people's authenticators.
        reason = {} if isinstance(error, ProofRejected) else {"reason": error.reason}
        return web.json_response({"error": words, **reason}, status=status, headers=headers)
    if isinstance(error, NotSignedIn):
        return see_other("/login")
    kind = _KINDS.get(type(error), MessageKind.REFUSED)
    if error.reason is Reason.CROSS_SITE:
        kind, words = MessageKind.CROSS_SITE, ""
    elif status == web.HTTPNotFound.status_code:
        kind, words = MessageKind.NOT_FOUND, ""
    elif isinstance(error, TokenRejected):
        words = ""
    way_on = Choice("Go to your applications", f"{context.services.portal_origin}/")
    if error.reason is Reason.WINDOW_CLOSED:
        way_on = Choice("Verify now", path("/challenge", purpose="devices"))
    elif error.reason is Reason.PASS_NEEDED:
        way_on = Choice("Use a temporary pass", PASS)
    resets_in_s = error.resets_in_s if isinstance(error, TooManyAttempts) else None
    base = message_page(context, kind, detail=words, way_on=way_on)
    shown = MessagePage(frame=base.frame, kind=kind, detail=words, way_on=way_on, resets_in_s=resets_in_s)
    return page(shown, status=status)


def _http_error(request: web.Request, context: Context | None, error: web.HTTPException) -> web.StreamResponse:
    headers = {hdrs.ALLOW: error.headers[hdrs.ALLOW]} if hdrs.ALLOW in error.headers else {}
    kind = MessageKind.NOT_FOUND if error.status in {404, 405} else MessageKind.ERROR
    response = _failure(request, context, kind, error.status)
    response.headers.update(headers)
    return response


def _failure(
    request: web.Request, context: Context | None, kind: MessageKind, status: int, *, reference: str = ""
) -> web.Response:
    headers = {hdrs.RETRY_AFTER: "5"} if kind is MessageKind.UNAVAILABLE else {}
    if request.content_type == "application/json":
        return web.json_response({"error": f"{kind.value}. Try again later."}, status=status, headers=headers)
    if context is None:
        return web.Response(status=status, text=f"{kind.value}. Try again in a moment.\n", headers=headers)
    base = message_page(context, kind)
    again = context.way_again or (request.path_qs if request.method == hdrs.METH_GET else request.path)
    way_on = Choice("Try again", again) if kind is MessageKind.UNAVAILABLE else None
    response = page(MessagePage(frame=base.frame, kind=kind, reference=reference, way_on=way_on), status=status)
    response.headers.update(headers)
    return response


def _finish(request: web.Request, context: Context | None, portal: Portal, response: web.StreamResponse) -> None:
    """Set what every answer has (OWASP Secure Headers)."""
    origin = portal.services.portal_origin
    forms = " ".join(dict.fromkeys(["'self'", *(context.form_origins if context else [])]))
    own = request_host(request) == portal.host
    scripts = "'self'" if own else "'none'"
    headers = {
        **page_headers(secure=portal.secure),
        "Content-Security-Policy": (
            f"default-src 'none'; style-src {origin}; script-src {scripts}; "
            f"img-src 'self' data:; connect-src 'self'; form-action {forms}; frame-ancestors 'none'; base-uri 'none'"
        ),
        "Permissions-Policy": "publickey-credentials-get=(self), publickey-credentials-create=(self)",
    }
    for name, value in headers.items():
        response.headers[name] = value
    response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
    if context is not None and response.content_type == "text/html" and own:
        context.keep_state()
    for cookie in context.cookies if context else ():
        response.headers.add(hdrs.SET_COOKIE, cookie)
