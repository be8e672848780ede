"""Logging in at the portal, and going on from there to the application that asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from secondgate.errors import NotFound, Reason, Rejected
from secondgate.flows.browser import audit
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
from secondgate.protocol.email_address import MAX_ADDRESS_CHARS


@dataclass(frozen=True, slots=True)
class Step:
    """One request of a login by a provider: what it carries on."""

    context: Context
    request: LoginRequest | None
    purpose: str
    provider: IdentityProvider

    def path(self, target: str) -> str:
        """Give a path that carries it on."""
        return path(target, self.request, purpose=self.purpose)


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
    return page(_pin_form(_step(request, request.query)))


async def request_pin(request: web.Request) -> web.StreamResponse:
    """POST /login/{idp}: send a one-time PIN; the answer is the same for every address."""
    form = await read_form(request, context_of(request))
    step = _step(request, form)
    email = form.get("email", "")
    try:
        await begin_one_time_pin(step.context.services, step.context.browser, email=email, provider=step.provider)
    except Rejected as error:
        return page(_pin_form(step, email=email[:MAX_ADDRESS_CHARS], error=words_for(error)), status=status_of(error))
    return see_other(step.path(f"/login/{step.provider.id}/pin"))


async def show_pin(request: web.Request) -> web.StreamResponse:
    """GET /login/{idp}/pin: enter the PIN."""
    step = _step(request, request.query)
    email = await load_pending_email(step.context.services, step.context.browser)
    return see_other(step.path("/login")) if email is None else page(_pin_page(step, email))


async def resend_pin(request: web.Request) -> web.StreamResponse:
    """POST /login/{idp}/resend: a new PIN to the same address; the old one is worth nothing then."""
    step = _step(request, await read_form(request, context_of(request)))
    services, browser = step.context.services, step.context.browser
    email = await load_pending_email(services, browser)
    if email is None:
        return see_other(step.path("/login"))
    try:
        await begin_one_time_pin(services, browser, email=email, provider=step.provider)
    except Rejected as error:
        return page(_pin_page(step, email, error=words_for(error)), status=status_of(error))
    return see_other(step.path(f"/login/{step.provider.id}/pin"))


async def submit_pin(request: web.Request) -> web.StreamResponse:
    """POST /login/{idp}/pin: the PIN logs the person in."""
    form = await read_form(request, context_of(request))
    step = _step(request, form)
    services, browser = step.context.services, step.context.browser
    email = await load_pending_email(services, browser)
    try:
        identity = await complete_one_time_pin(services, browser, pin=form.get("pin"))
    except Rejected as error:
        if email is None or error.reason is Reason.EXPIRED:
            return page(_pin_form(step, error=words_for(error)), status=status_of(error))
        return page(_pin_page(step, email, error=words_for(error)), status=status_of(error))
    step.context.keep(await sign_in(services, browser, identity))
    return see_other(after_identity(step.request, step.purpose))


def _step(request: web.Request, fields: Mapping[str, str]) -> Step:
    context = context_of(request)
    login_request = context.login_request(fields.get("request"))
    provider = _provider(context, login_request, request.match_info["idp"])
    return Step(context, login_request, parse_purpose(fields.get("purpose")), provider)


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
            await audit(
                context.services, context.browser, login, "application.refused", application=name, reason=reason
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
        return _pin_form(Step(context, request, purpose, providers[0]))
    application = context.application(request)
    choices = tuple(Choice(p.name, path(f"/login/{p.id}", request, purpose=purpose)) for p in providers)
    return LoginPage(
        frame=context.frame(request),
        purpose=purpose,
        application=application.name if application else "",
        providers=choices,
    )


def _pin_form(step: Step, *, email: str = "", error: str = "") -> LoginPage:
    application = step.context.application(step.request)
    return LoginPage(
        frame=step.context.frame(step.request),
        purpose=step.purpose,
        error=error,
        application=application.name if application else "",
        pin_action=f"/login/{step.provider.id}",
        presented_email=email,
    )


def _pin_page(step: Step, email: str, *, error: str = "") -> PinPage:
    return PinPage(
        frame=step.context.frame(step.request),
        purpose=step.purpose,
        error=error,
        sent_to=email,
        action=f"/login/{step.provider.id}/pin",
        resend_action=f"/login/{step.provider.id}/resend",
        restart_url=step.path("/login"),
    )
