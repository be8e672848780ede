"""Logging out together with an identity provider: its server's message, and the way to it and back.

The way to the provider begins on the page that answers a logout form, as a refresh and a link: browsers hold a
redirect that follows a form to the page's `form-action`, which names no provider (CSP Level 3, section 6.4.1).
"""

from __future__ import annotations

from http import HTTPStatus

import structlog
from aiohttp import hdrs, web

from secondgate.errors import Malformed, Rejected, TooManyAttempts, Unavailable
from secondgate.flows.provider_logout import ProviderLogout, end_by_logout_token, load_logout_state
from secondgate.portal.context import Context, context_of, page, see_other
from secondgate.portal.pages import Frame, LoggedOutPage

RETRY_AFTER_S = 5

log = structlog.get_logger("secondgate.portal.provider_logout")


async def receive_logout_token(request: web.Request) -> web.StreamResponse:
    """POST /login/backchannel-logout: a provider's server ends sessions of ours.

    Reads: the form's `logout_token`; no cookie, no CSRF token: it proves itself. Answers: 200; 400, 429 or 503 with a
    JSON object. Costs: the provider's keys where they are not known; nothing for an issuer that is not configured.
    Source: OpenID Connect Back-Channel Logout 1.0, sections 2.5 and 2.8.
    """
    context = context_of(request)
    try:
        await end_by_logout_token(context.services, context.browser, await _presented(request))
    except TooManyAttempts as error:
        return _refusal(HTTPStatus.TOO_MANY_REQUESTS, "slow_down", error, retry_after_s=error.resets_in_s)
    except Rejected as error:
        return _refusal(HTTPStatus.BAD_REQUEST, "invalid_request", error)
    except Unavailable as error:
        log.error("logout.backchannel_unavailable", reason=str(error))  # noqa: TRY400 - names the cause
        return _refusal(HTTPStatus.SERVICE_UNAVAILABLE, "temporarily_unavailable", None, retry_after_s=RETRY_AFTER_S)
    return web.Response(status=HTTPStatus.OK)


async def show_return(request: web.Request) -> web.StreamResponse:
    """GET /logout/callback: the browser comes back from the provider (RP-Initiated Logout 1.0, section 3)."""
    context = context_of(request)
    if context.login is not None:
        return see_other("/")
    states = request.query.getall("state", [])
    provider = await load_logout_state(context.services, states[0]) if len(states) == 1 else None
    shown = LoggedOutPage(
        frame=context.frame(), login_url="/login", provider=provider or "", provider_done=bool(provider)
    )
    return page(shown)


def logged_out(context: Context, frame: Frame, provider: ProviderLogout | None, *, everywhere: bool) -> web.Response:
    """Answer a logout that is done: what ended, and how the provider's session ends too."""
    shown = LoggedOutPage(
        frame=frame,
        login_url=f"{context.services.portal_origin}/login" if frame.static_origin else "/login",
        everywhere=everywhere,
        provider=provider.provider_name if provider else "",
        provider_url=provider.url if provider else "",
    )
    return page(shown)


async def _presented(request: web.Request) -> str:
    """Read the one logout token of the form. Raises Malformed."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise Malformed("logout_token", "must be sent as application/x-www-form-urlencoded")
    try:
        values = (await request.post()).getall("logout_token", [])
    except (ValueError, LookupError):  # what is no text of its charset, and a charset that there is not
        raise Malformed("logout_token", "must be UTF-8") from None
    if len(values) != 1 or not isinstance(values[0], str):
        raise Malformed("logout_token", "must stand there once")
    return values[0]


def _refusal(
    status: HTTPStatus, code: str, error: Rejected | None, *, retry_after_s: int | None = None
) -> web.Response:
    """Give the answer of section 2.8; it quotes nothing that was sent."""
    description = error.detail or error.reason if error else "try again later"
    headers = {hdrs.RETRY_AFTER: str(retry_after_s)} if retry_after_s is not None else {}
    return web.json_response({"error": code, "error_description": description}, status=status, headers=headers)
