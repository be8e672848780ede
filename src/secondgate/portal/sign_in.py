"""Logging in at the portal, and going on from there to the application that asked."""

from __future__ import annotations

from aiohttp import web

from secondgate.errors import NotFound, ProofRejected, Reason, Rejected, TooManyAttempts
from secondgate.flows.challenge import offered_methods
from secondgate.flows.hand_over import begin_hand_over, decide_login
from secondgate.flows.login_request import LoginRequest
from secondgate.flows.one_time_pin import begin_one_time_pin, complete_one_time_pin, load_pending_email
from secondgate.flows.sign_in import sign_in
from secondgate.model.access import IdentityProvider
from secondgate.model.decision import Allow, Refuse, SignIn, StepUp
from secondgate.model.person import IdentitySource
from secondgate.portal.context import Context, context_of, page, read_form, see_other
from secondgate.portal.journey import ADD_DEVICE, after_identity, parse_purpose, path
from secondgate.portal.pages import Choice, LoginPage, MessageKind, MessagePage, PinPage
from secondgate.portal.words import status_of, words_for


async def show_login(request: web.Request) -> web.StreamResponse:
    """GET /login: log in, or go on with the login that there is."""
    context = context_of(request)
    login_request = context.login_request(request.query.get("request"))
    purpose = parse_purpose(request.query.get("purpose"))
    identity = context.arrival.identity()
    if identity is not None and (context.login is None or context.login.identity.email != identity.email):
        context.keep(await sign_in(context.services, context.browser, identity))
        return see_other(path("/login", login_request, purpose=purpose))
    if context.login is None:
        return page(_login_page(context, login_request, purpose))
    if login_request is None or purpose:
        return see_other(after_identity(login_request, purpose))
    return await _go_on(context, login_request)


async def show_provider(request: web.Request) -> web.StreamResponse:
    """GET /login/{idp}: the form of one provider, where several are offered."""
    context = context_of(request)
    login_request = context.login_request(request.query.get("request"))
    provider = _provider(context, login_request, request.match_info["idp"])
    return page(_pin_form(context, login_request, parse_purpose(request.query.get("purpose")), provider))


async def request_pin(request: web.Request) -> web.StreamResponse:
    """POST /login/{idp}: send a one-time PIN; the answer is the same for every address."""
    context = context_of(request)
    form = await read_form(request, context)
    login_request = context.login_request(form.get("request"))
    purpose = parse_purpose(form.get("purpose"))
    provider = _provider(context, login_request, request.match_info["idp"])
    email = form.get("email", "")
    try:
        await begin_one_time_pin(context.services, context.browser, email=email, provider=provider)
    except (Rejected, TooManyAttempts) as error:
        shown = _pin_form(context, login_request, purpose, provider, email=email[:254], error=words_for(error))
        return page(shown, status=status_of(error))
    return see_other(path(f"/login/{provider.id}/pin", login_request, purpose=purpose))


async def show_pin(request: web.Request) -> web.StreamResponse:
    """GET /login/{idp}/pin: enter the PIN."""
    context = context_of(request)
    login_request = context.login_request(request.query.get("request"))
    purpose = parse_purpose(request.query.get("purpose"))
    provider = _provider(context, login_request, request.match_info["idp"])
    email = await load_pending_email(context.services, context.browser)
    if email is None:
        return see_other(path("/login", login_request, purpose=purpose))
    return page(_pin_page(context, login_request, purpose, provider, email))


async def resend_pin(request: web.Request) -> web.StreamResponse:
    """POST /login/{idp}/resend: a new PIN to the same address; the old one is worth nothing then."""
    context = context_of(request)
    form = await read_form(request, context)
    login_request = context.login_request(form.get("request"))
    purpose = parse_purpose(form.get("purpose"))
    provider = _provider(context, login_request, request.match_info["idp"])
    email = await load_pending_email(context.services, context.browser)
    if email is None:
        return see_other(path("/login", login_request, purpose=purpose))
    try:
        await begin_one_time_pin(context.services, context.browser, email=email, provider=provider)
    except TooManyAttempts as error:
        shown = _pin_page(context, login_request, purpose, provider, email, error=words_for(error))
        return page(shown, status=status_of(error))
    return see_other(path(f"/login/{provider.id}/pin", login_request, purpose=purpose))


async def submit_pin(request: web.Request) -> web.StreamResponse:
    """POST /login/{idp}/pin: the PIN logs the person in."""
    context = context_of(request)
    form = await read_form(request, context)
    login_request = context.login_request(form.get("request"))
    purpose = parse_purpose(form.get("purpose"))
    provider = _provider(context, login_request, request.match_info["idp"])
    email = await load_pending_email(context.services, context.browser)
    try:
        identity = await complete_one_time_pin(context.services, context.browser, pin=form.get("pin"))
    except Rejected as error:
        expired = isinstance(error, ProofRejected) and error.reason is Reason.EXPIRED
        if email is None or expired:
            shown = _pin_form(context, login_request, purpose, provider, error=words_for(error))
            return page(shown, status=status_of(error))
        again = _pin_page(context, login_request, purpose, provider, email, error=words_for(error))
        return page(again, status=status_of(error))
    context.keep(await sign_in(context.services, context.browser, identity))
    return see_other(after_identity(login_request, purpose))


async def _go_on(context: Context, request: LoginRequest) -> web.StreamResponse:
    """Follow the decision on a login: to the application, to one more proof, or to a refusal."""
    login = context.login
    if login is None:
        return see_other(path("/login", request))
    decision, evidence, application = await decide_login(context.services, context.browser, login, request)
    match decision:
        case Allow():
            try:
                url = await begin_hand_over(
                    context.services, context.browser, login, request, decision=decision, evidence=evidence
                )
            except Rejected:
                url = context.services.origin_of(request.host) + request.return_path
            return see_other(url)
        case StepUp(requirement=requirement):
            methods = await offered_methods(context.services, login, requirement.methods)
            return see_other(path("/challenge" if methods else ADD_DEVICE, request))
        case SignIn():
            return see_other(path("/login", request))
        case Refuse(reason):
            name = application.name if application else ""
            await context.services.audit(
                "application.refused",
                actor=login.identity.email,
                person_id=login.person_id,
                address=str(context.browser.address),
                application=name,
                reason=reason,
            )
            way_on = Choice("Go to your applications", "/")
            if application and application.custom_deny_url:
                way_on = Choice("Find out more", application.custom_deny_url)
            refused = MessagePage(
                frame=context.frame(),
                kind=MessageKind.REFUSED,
                application=name,
                detail=application.custom_deny_message if application else "",
                way_on=way_on,
            )
            return page(refused, status=403)


def _providers(context: Context, request: LoginRequest | None) -> list[IdentityProvider]:
    """Give the identity providers that the application allows, and that people can choose."""
    application = context.application(request)
    allowed = application.allowed_idps if application else ()
    return [
        provider
        for provider in context.services.access().identity_providers
        if provider.type is IdentitySource.ONE_TIME_PIN and (not allowed or provider.id in allowed)
    ]


def _provider(context: Context, request: LoginRequest | None, provider_id: str) -> IdentityProvider:
    for provider in _providers(context, request):
        if provider.id == provider_id:
            return provider
    raise NotFound(Reason.NOT_FOUND)


def _login_page(context: Context, request: LoginRequest | None, purpose: str) -> LoginPage:
    providers = _providers(context, request)
    if len(providers) == 1:
        return _pin_form(context, request, purpose, providers[0])
    application = context.application(request)
    choices = tuple(Choice(p.name, path(f"/login/{p.id}", request, purpose=purpose)) for p in providers)
    return LoginPage(
        frame=context.frame(request),
        purpose=purpose,
        application=application.name if application else "",
        providers=choices,
    )


def _pin_form(
    context: Context,
    request: LoginRequest | None,
    purpose: str,
    provider: IdentityProvider,
    *,
    email: str = "",
    error: str = "",
) -> LoginPage:
    application = context.application(request)
    return LoginPage(
        frame=context.frame(request),
        purpose=purpose,
        error=error,
        application=application.name if application else "",
        pin_action=f"/login/{provider.id}",
        presented_email=email,
    )


def _pin_page(
    context: Context,
    request: LoginRequest | None,
    purpose: str,
    provider: IdentityProvider,
    email: str,
    *,
    error: str = "",
) -> PinPage:
    return PinPage(
        frame=context.frame(request),
        purpose=purpose,
        error=error,
        sent_to=email,
        action=f"/login/{provider.id}/pin",
        resend_action=f"/login/{provider.id}/resend",
        restart_url=path("/login", request, purpose=purpose),
    )
