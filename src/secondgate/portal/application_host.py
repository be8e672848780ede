"""Secondgate's paths at an application's own host: the beginning and the end of a login, who it is, the keys.

The host's cookies are set and read here alone: the session (`__Host-secondgate`) and the nonce that ties a login
to the browser that began it.
"""

from __future__ import annotations

import hmac
from urllib.parse import urlencode

import structlog
from aiohttp import hdrs, web

from secondgate.errors import Forbidden, NotFound, Reason
from secondgate.flows.application_session import load_application_session
from secondgate.flows.hand_over import complete_hand_over
from secondgate.flows.login_request import REQUEST_TTL_S, sign_login_request
from secondgate.flows.provider_logout import log_out_with_provider
from secondgate.model.amr import told_amr_values
from secondgate.model.application import AmbiguousPathError
from secondgate.model.session import ApplicationSession
from secondgate.portal.context import Context, context_of, page, presented_token, read_own_form, request_host, see_other
from secondgate.portal.pages import Choice, Frame, LogoutPage, MessageKind, MessagePage
from secondgate.portal.provider_logout import logged_out
from secondgate.protocol.cookie import (
    NONCE_COOKIE,
    application_cookie_name,
    clear_cookie,
    host_cookie_name,
    parse_cookie,
    set_cookie,
)
from secondgate.protocol.opaque_token import new_token, token_hash
from secondgate.protocol.return_to import parse_return_path

log = structlog.get_logger("secondgate.portal")

LOGOUT = "/.secondgate/logout"


async def begin_login(request: web.Request) -> web.StreamResponse:
    """GET /.secondgate/login?return_to=/page: to the portal, with a signed request. Raises Malformed, NotFound."""
    context = context_of(request)
    services, secure = context.services, context.portal.secure
    host = request_host(request)
    return_path = parse_return_path(request.query.get("return_to") or "/")
    try:
        application = services.access().index.find(host, return_path.partition("?")[0])
    except AmbiguousPathError:
        application = None
    if application is None:
        raise NotFound(Reason.NO_APPLICATION)
    name = host_cookie_name(NONCE_COOKIE, secure=secure)
    nonce = parse_cookie(context.arrival.cookie, name) or new_token(services.random_bytes)
    context.cookies.append(set_cookie(name, nonce, secure=secure, max_age_s=REQUEST_TTL_S))
    token = sign_login_request(services, application, host=host, return_path=return_path, nonce_hash=token_hash(nonce))
    location = f"{services.portal_origin}/login?{urlencode({'request': token})}"
    return web.Response(status=302, headers={hdrs.LOCATION: location})


async def complete_login(request: web.Request) -> web.StreamResponse:
    """GET /.secondgate/callback?code=…: the host's cookie, and on to the page."""
    context = context_of(request)
    services, secure = context.services, context.portal.secure
    host = request_host(request)
    nonce = parse_cookie(context.arrival.cookie, host_cookie_name(NONCE_COOKIE, secure=secure))
    try:
        handed_over = await complete_hand_over(
            services,
            host=host,
            code=request.query.get("code", ""),
            nonce=nonce,
            old=await _session(context, host),
        )
    except Forbidden as error:
        if error.reason is Reason.UNKNOWN_OR_USED:  # anybody can make codes up, and the audit log grows for ever
            log.info("hand_over.unknown", address=str(context.browser.address))
        else:
            address = str(context.browser.address)
            await services.audit("hand_over.rejected", actor="", address=address, reason=error.reason)
        kind = MessageKind.COOKIES if nonce is None else MessageKind.EXPIRED
        return page(message_page(context, kind, way_on=Choice("Try again", "/")), status=403)
    name = application_cookie_name(secure=secure)
    context.cookies.append(set_cookie(name, handed_over.token, secure=secure, max_age_s=handed_over.max_age_s))
    return web.Response(status=302, headers={hdrs.LOCATION: services.origin_of(host) + handed_over.return_path})


async def begin_logout(request: web.Request) -> web.StreamResponse:
    """GET /.secondgate/logout, /cdn-cgi/access/logout: to the portal's page, which asks and ends everything.

    Where the portal's login is over it sends the browser back with `here`: then this host asks, since its session
    may live longer.
    """
    context = context_of(request)
    host = request_host(request)
    location = f"{context.services.portal_origin}/logout"
    session = await _session(context, host)
    if session is None:
        return web.Response(status=302, headers={hdrs.LOCATION: location})
    if "here" not in request.query:
        return web.Response(status=302, headers={hdrs.LOCATION: f"{location}?{urlencode({'host': host})}"})
    return page(LogoutPage(frame=_frame(context, _csrf_token(context, session)), action=LOGOUT))


async def complete_logout(request: web.Request) -> web.StreamResponse:
    """POST /.secondgate/logout: end the sessions of this browser, or of every browser. Raises Forbidden(CROSS_SITE)."""
    context = context_of(request)
    host = request_host(request)
    session = await _session(context, host)
    fields = await read_own_form(request, context, context.services.origin_of(host))
    if session is None:
        return see_other(f"{context.services.portal_origin}/logout")
    if not hmac.compare_digest(presented_token(fields), _csrf_token(context, session).encode()):
        raise Forbidden(Reason.CROSS_SITE, "no token of this session")
    everywhere = fields.get("scope") == "everywhere"
    forget_device = fields.get("forget_device") == "yes"
    address = str(context.browser.address)
    provider = await log_out_with_provider(
        context.services, session, everywhere=everywhere, forget_device=forget_device, address=address
    )
    secure = context.portal.secure
    context.cookies.append(clear_cookie(application_cookie_name(secure=secure), secure=secure))
    return logged_out(context, _frame(context), provider, everywhere=everywhere)


async def give_identity(request: web.Request) -> web.StreamResponse:
    """GET /.secondgate/identity, /cdn-cgi/access/get-identity: who is logged in here, as JSON; 401 for nobody."""
    context = context_of(request)
    session = await _session(context, request_host(request))
    if session is None:
        return web.json_response({"error": "not logged in"}, status=401)
    identity = session.identity
    proofs = sorted((mfa for grant in session.grants for mfa in grant.mfa), key=lambda mfa: mfa.at)
    answer = {
        "id": session.person_id,
        "user_uuid": session.person_id,
        "email": identity.email,
        "name": identity.name,
        "groups": list(identity.groups),
        "idp": {"id": identity.identity_provider_id, "type": identity.source},
        "amr": told_amr_values(identity, proofs),
        "mfa": {mfa.method: mfa.at for mfa in proofs},
        "iat": session.created_at,
        "exp": session.expires_at,
    }
    return web.json_response(answer)


async def give_certs(request: web.Request) -> web.StreamResponse:
    """GET /cdn-cgi/access/certs: the public keys, as JWKs and as certificates."""
    keys = context_of(request).services.keys
    certificates = keys.certificates()
    return web.json_response({**keys.jwks(), "public_cert": certificates[0], "public_certs": certificates})


async def give_jwks(request: web.Request) -> web.StreamResponse:
    """GET /.well-known/jwks.json (RFC 7517, section 5)."""
    return web.json_response(context_of(request).services.keys.jwks(), content_type="application/jwk-set+json")


def message_page(context: Context, kind: MessageKind, *, detail: str = "", way_on: Choice | None = None) -> MessagePage:
    """Give a message page that finds its style sheet from any of our hosts."""
    return MessagePage(frame=_frame(context), kind=kind, detail=detail, way_on=way_on)


def _frame(context: Context, csrf_token: str = "") -> Frame:
    organization = context.services.access().rulebook.organization.name
    return Frame(organization=organization, csrf_token=csrf_token, static_origin=context.services.portal_origin)


def _csrf_token(context: Context, session: ApplicationSession) -> str:
    return hmac.new(context.services.mac_key, f"csrf-host:{session.id}".encode(), "sha256").hexdigest()


async def _session(context: Context, host: str) -> ApplicationSession | None:
    token = parse_cookie(context.arrival.cookie, application_cookie_name(secure=context.portal.secure))
    session = await load_application_session(context.services, token=token, host=host) if token else None
    named = await context.named()
    return session if session and (named is None or named.email == session.identity.email) else None
