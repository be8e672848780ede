"""One more way of logging in: the person logs in the earlier way, verifies an authenticator, and comes this way once.

The steps are pages that exist; here stands which one is next, and what somebody is told whose address is known already.
Who may join what is decided in `flows.sign_in`.
"""

from __future__ import annotations

from aiohttp import web

from secondgate.errors import Forbidden, NotFound, Reason
from secondgate.flows.sign_in import refuse_login, sign_in
from secondgate.flows.window import load_verified_window
from secondgate.model.access import IdentityProvider
from secondgate.model.person import Identity
from secondgate.portal.context import Context, context_of, page, see_other
from secondgate.portal.journey import JOIN, JOIN_HEADERS, after_identity, parse_purpose, path
from secondgate.portal.pages import Choice, MessageKind, MessagePage
from secondgate.portal.providers import provider_of
from secondgate.portal.words import status_of, words_for

_TOLD = (Reason.IDENTITY_NOT_JOINED, Reason.IDENTITY_MISMATCH)


async def show_joining(request: web.Request) -> web.StreamResponse:
    """GET /account/join/{idp}: go on with joining a way to log in, an identity provider's id or `headers`.

    Reads: the login, its device window; for `headers` the proxy's. Answers: 303 to the login, the challenge or the
    form for a PIN; a page with the way to a provider; for `headers` home, logged in by them; 404 for a way that there
    is not. Costs: one read.
    """
    context = context_of(request)
    way = request.match_info["idp"]
    purpose = parse_purpose(f"join-{way}")
    if not purpose:
        raise NotFound(Reason.NOT_FOUND, "no way to log in")
    provider = None if purpose == JOIN_HEADERS else provider_of(context, None, way)
    if context.login is None:
        return see_other(path("/login", purpose=purpose))
    if await load_verified_window(context.services, context.login) is None:
        return see_other(path("/challenge", purpose=purpose))
    if provider is not None and provider.openid:
        return _last_step(context, provider)
    if provider is not None:
        return see_other(f"/login/{way}")
    identity = context.arrival.identity()
    if identity is not None:
        context.keep(await sign_in(context.services, context.browser, identity))
    return see_other(after_identity(None, ""))


def _last_step(context: Context, provider: IdentityProvider) -> web.Response:
    """Give the way to the provider as a link.

    Browsers hold a redirect that follows the challenge's form to the page's `form-action`, which names no provider (CSP
    Level 3, section 6.4.1).
    """
    shown = MessagePage(
        frame=context.frame(),
        kind=MessageKind.ONE_MORE_STEP,
        detail=f"Log in with {provider.name} once. From then on it is a way for you to log in here.",
        way_on=Choice(f"Log in with {provider.name}", f"/login/{provider.id}"),
    )
    return page(shown)


def way_to_join(context: Context, identity: Identity, way: str) -> Choice:
    """Give the one thing that somebody can do now who was refused for want of joining."""
    if context.login is None:
        return Choice("Log in the earlier way", f"{JOIN}/{way}")
    if context.login.identity.email == identity.email:
        return Choice("Verify now", f"{JOIN}/{way}")
    return Choice("Log out first", "/logout")


async def refuse(context: Context, identity: Identity | None, error: Forbidden, way: str) -> web.Response:
    """Tell somebody whom a PIN or a proxy vouches for why they do not get in. Raises `error` where it is another."""
    if identity is None or error.reason not in _TOLD:
        raise error
    await refuse_login(context.services, context.browser, identity, error)
    way_on = way_to_join(context, identity, way) if error.reason is Reason.IDENTITY_NOT_JOINED else None
    refused = MessagePage(frame=context.frame(), kind=MessageKind.LOGIN_FAILED, detail=words_for(error), way_on=way_on)
    return page(refused, status=status_of(error))
