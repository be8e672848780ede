"""Logging in at an OpenID Connect provider: to it and back."""

from __future__ import annotations

import structlog
from aiohttp import web

from secondgate.errors import Malformed, Reason, Rejected, TokenRejected, TooManyAttempts
from secondgate.flows.login_request import LoginRequest
from secondgate.flows.openid_connect import (
    begin_openid_login,
    claim_login_state,
    complete_openid_login,
    log_amr,
    refuse_openid_login,
)
from secondgate.flows.provider_logout import id_token_to_keep, remember_provider_session
from secondgate.flows.sign_in import sign_in
from secondgate.model.access import IdentityProvider
from secondgate.portal.context import Context, context_of, page, see_other
from secondgate.portal.joining import way_to_join
from secondgate.portal.journey import after_identity, path
from secondgate.portal.pages import Choice, MessageKind, MessagePage
from secondgate.portal.providers import provider_of
from secondgate.portal.words import status_of, words_for

log = structlog.get_logger("secondgate.portal.openid")

_FAILED = "The identity provider's answer could not be accepted. Start again; if it stays, ask an administrator."
_ANSWER = ("code", "iss", "error")
_OWN_WORDS = frozenset(
    (
        Reason.PROVIDER_REFUSED,
        Reason.EMAIL_NOT_VERIFIED,
        Reason.IDENTITY_NOT_JOINED,
        Reason.IDENTITY_MISMATCH,
        Reason.OTHER_BROWSER,
        Reason.UNKNOWN_OR_USED,
        Reason.PERSON_DISABLED,
        Reason.SESSION_ENDED,
    )
)


async def go_to_provider(
    context: Context, provider: IdentityProvider, request: LoginRequest | None, purpose: str, *, fresh: bool = False
) -> web.StreamResponse:
    """Send the browser to a provider, with the state cookie that the answer must come back with.

    `fresh`: the person must log in there anew.
    """
    url = await begin_openid_login(
        context.services,
        context.browser,
        provider,
        request_token=request.token if request else "",
        purpose=purpose,
        fresh=fresh,
    )
    context.keep_state()
    return see_other(url)


async def complete_login(request: web.Request) -> web.StreamResponse:
    """GET /login/callback, /login/callback/{name}: a provider's answer, the second where it has a path of its own.

    Reads: `state`, `code`, `iss`, `error`, the state cookie. Answers: 303 onwards; a page with 400, 403 or 503. Costs:
    the token endpoint, and keys and userinfo where they are needed. Source: OpenID Connect Core 1.0, section 3.1.2.
    """
    context = context_of(request)
    services, browser = context.services, context.browser
    name = ""
    joining: Choice | None = None
    try:
        remembered = await claim_login_state(services, browser, _one(request, "state"))
        login_request = _still_valid(context, remembered.request_token)
        context.way_again = path("/login", login_request, purpose=remembered.purpose)
        provider = provider_of(context, login_request, remembered.provider_id)
        name = provider.name
        presented = _presented(request)
        identity, id_token = await complete_openid_login(
            services, remembered, provider, presented, callback_name=request.match_info.get("name", "")
        )
        joining = way_to_join(context, identity, provider.id)
        renewed = await sign_in(services, browser, identity, kept_id_token=id_token_to_keep(provider, id_token))
        await remember_provider_session(services, renewed.login, provider, id_token)
        log_amr(services, renewed.login)
        context.keep(renewed)
    except TooManyAttempts:
        raise
    except Rejected as error:
        if error.reason is Reason.UNKNOWN_OR_USED:  # anybody can make one up: nothing durable is written
            log.info("login.failed", reason=error.reason, detail=error.detail, address=str(browser.address))
        else:
            await refuse_openid_login(services, browser, name, error)
        return _refusal(context, error, joining)
    return see_other(after_identity(login_request, remembered.purpose))


def _one(request: web.Request, name: str) -> str | None:
    """Give a parameter that stands there once; one that stands twice could mean either, and is none."""
    values = request.query.getall(name, [])
    return values[0] if len(values) == 1 else None


def _presented(request: web.Request) -> dict[str, str]:
    """Give what the provider answered. Raises Malformed for what stands twice (RFC 6749, section 3.1)."""
    for name in _ANSWER:
        if len(request.query.getall(name, [])) > 1:
            raise Malformed(name, "stands twice in the answer")
    return {name: request.query[name] for name in _ANSWER if name in request.query}


def _still_valid(context: Context, token: str) -> LoginRequest | None:
    """Give the login request that goes on; None when the login took longer than it lives."""
    try:
        return context.login_request(token)
    except TokenRejected:
        return None


def _refusal(context: Context, error: Rejected, joining: Choice | None) -> web.Response:
    words = words_for(error) if error.reason in _OWN_WORDS else _FAILED
    way_on = Choice("Log in again", context.way_again or "/login")
    if error.reason is Reason.IDENTITY_NOT_JOINED and joining is not None:
        way_on = joining
    refused = MessagePage(frame=context.frame(), kind=MessageKind.LOGIN_FAILED, detail=words, way_on=way_on)
    return page(refused, status=status_of(error))
