"""Logging in at the portal, and going on from there to the application that asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from secondgate.errors import Forbidden, NotFound, Reason, Rejected
from secondgate.flows.challenge import offered_methods
from secondgate.flows.hand_over import begin_hand_over, decide_login, login_detail
from secondgate.flows.login_request import LoginRequest
from secondgate.flows.one_time_pin import begin_one_time_pin, complete_one_time_pin, load_pending_email
from secondgate.flows.openid_connect import log_amr
from secondgate.flows.services import Services
from secondgate.flows.sign_in import refuse_login, sign_in
from secondgate.flows.window import load_verified_window
from secondgate.model.access import IdentityProvider
from secondgate.model.amr import CLOCK_SKEW_S
from secondgate.model.decision import Allow, Refuse, SignIn, StepUp
from secondgate.model.person import Identity, IdentitySource
from secondgate.model.session import Login
from secondgate.portal.context import Context, context_of, page, read_form, see_other
from secondgate.portal.joining import refuse
from secondgate.portal.journey import ADD_DEVICE, JOIN_HEADERS, after_identity, parse_purpose, path
from secondgate.portal.openid import go_to_provider
from secondgate.portal.pages import Choice, LoginPage, MessageKind, MessagePage, PinPage
from secondgate.portal.providers import provider_of, providers_of
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
    try:
        if purpose != JOIN_HEADERS and await _sign_in_whom_the_request_names(context):
            return see_other(path("/login", login_request, purpose=purpose))
    except Forbidden as error:
        return await refuse(context, context.arrival.identity(), error, IdentitySource.HEADERS)
    if context.login is None:
        return await _begin_login(context, login_request, purpose)
    if login_request is None or purpose:
        return see_other(after_identity(login_request, purpose))
    return await _go_on(context, login_request)


async def _sign_in_whom_the_request_names(context: Context) -> bool:
    """Log in whom a trusted proxy names, or a token of another login system; whether there was somebody new.

    Raises Unavailable when a token could name somebody whose keys cannot be had, and nobody is logged in.
    """
    services, login = context.services, context.login
    identity = context.arrival.identity()
    is_of_jwt = identity is None
    vouched_at = None
    if is_of_jwt and login is None:
        proven = await services.jwts.prove(context.arrival.jwts())
        if proven is not None:
            identity, vouched_at = proven.identity, proven.issued_at
    elif is_of_jwt:
        identity = await context.named()
    if identity is None or (login is not None and not await _is_news(services, login, identity)):
        return False
    try:
        renewed = await sign_in(services, context.browser, identity, vouched_at=vouched_at)
    except Forbidden as error:
        if not is_of_jwt or error.reason is not Reason.IDENTITY_NOT_JOINED:
            raise
        await refuse_login(services, context.browser, identity, error)
        return False  # who it is can still be shown in another way, and the two joined then
    log_amr(services, renewed.login)
    context.keep(renewed)
    return True


async def _is_news(services: Services, login: Login, identity: Identity) -> bool:
    """Whether an identity is of somebody else, newer there than the login, or one to be joined.

    One is joined to the person who verified an authenticator.
    """
    if identity.email != login.identity.email or _is_newer(identity, login.identity):
        return True
    known_as = (login.identity.namespace, login.identity.known_as)
    if identity.source is not IdentitySource.JWT or (identity.namespace, identity.known_as) == known_as:
        return False
    return await load_verified_window(services, login) is not None


def _is_newer(identity: Identity, known: Identity) -> bool:
    """Whether the same source tells of a login there since the one that is known, by more than clocks differ."""
    if identity.source is not known.source or identity.auth_time is None:
        return False
    return known.auth_time is None or identity.auth_time > known.auth_time + CLOCK_SKEW_S


async def show_provider(request: web.Request) -> web.StreamResponse:
    """GET /login/{idp}: the form of one provider, where several are offered, or the way to it."""
    step = _step(request, request.query)
    if step.provider.openid:
        fresh = request.query.get("fresh") == "1"
        return await go_to_provider(step.context, step.provider, step.request, step.purpose, fresh=fresh)
    return page(_pin_form(step))


async def request_pin(request: web.Request) -> web.StreamResponse:
    """POST /login/{idp}: send a one-time PIN; the answer is the same for every address."""
    form = await read_form(request, context_of(request))
    step = _pin_step(request, form)
    email = form.get("email", "")
    try:
        await begin_one_time_pin(step.context.services, step.context.browser, email=email, provider=step.provider)
    except Rejected as error:
        return page(_pin_form(step, email=email[:MAX_ADDRESS_CHARS], error=words_for(error)), status=status_of(error))
    return see_other(step.path(f"/login/{step.provider.id}/pin"))


async def show_pin(request: web.Request) -> web.StreamResponse:
    """GET /login/{idp}/pin: enter the PIN."""
    step = _pin_step(request, request.query)
    email = await load_pending_email(step.context.services, step.context.browser)
    return see_other(step.path("/login")) if email is None else page(_pin_page(step, email))


async def resend_pin(request: web.Request) -> web.StreamResponse:
    """POST /login/{idp}/resend: a new PIN to the same address; the old one is worth nothing then."""
    step = _pin_step(request, await read_form(request, context_of(request)))
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
    step = _pin_step(request, form)
    services, browser = step.context.services, step.context.browser
    email = await load_pending_email(services, browser)
    try:
        identity = await complete_one_time_pin(services, browser, pin=form.get("pin"))
    except Rejected as error:
        if email is None or error.reason is Reason.EXPIRED:
            return page(_pin_form(step, error=words_for(error)), status=status_of(error))
        return page(_pin_page(step, email, error=words_for(error)), status=status_of(error))
    try:
        step.context.keep(await sign_in(services, browser, identity))
    except Forbidden as error:
        return await refuse(step.context, identity, error, step.provider.id)
    return see_other(after_identity(step.request, step.purpose))


def _step(request: web.Request, fields: Mapping[str, str]) -> Step:
    context = context_of(request)
    login_request = context.login_request(fields.get("request"))
    provider = provider_of(context, login_request, request.match_info["idp"])
    return Step(context, login_request, parse_purpose(fields.get("purpose")), provider)


def _pin_step(request: web.Request, fields: Mapping[str, str]) -> Step:
    """Give the step of a provider of PINs. Raises NotFound for another's: no PIN makes somebody of that one."""
    step = _step(request, fields)
    if step.provider.type is not IdentitySource.ONE_TIME_PIN:
        raise NotFound(Reason.NOT_FOUND, "no provider of one-time PINs")
    return step


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
            provider = provider_of(context, request, login.identity.identity_provider_id)
            return await go_to_provider(context, provider, request, "")
        case Refuse(reason):
            name = application.name if application else ""
            await context.services.audit_seldom(
                "application.refused",
                of=f"{login.person_id}:{request.application_id}:{reason}",
                actor=login.identity.email,
                person_id=login.person_id,
                address=str(context.browser.address),
                **login_detail(application, login.identity),
                reason=reason,
            )
            if reason is Reason.IDENTITY_PROVIDER_NOT_ALLOWED:
                notice = f"{name} does not accept the way that you logged in. Choose one that it does."
                return page(_login_page(context, request, "", notice=notice), status=403)
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


async def _begin_login(context: Context, request: LoginRequest | None, purpose: str) -> web.StreamResponse:
    """Show the ways to log in, or go straight on where the application or the organization wants it and one is left."""
    providers = _ways(context, request, purpose)
    application = context.application(request)
    goes_on = context.services.access().rulebook.organization.auto_redirect_to_identity
    if application is not None and application.auto_redirect_to_identity:
        goes_on = True
    if goes_on and len(providers) == 1 and providers[0].openid:
        return await go_to_provider(context, providers[0], request, purpose)
    notice = "Log in the way that you used before." if purpose.startswith("join-") else ""
    return page(_login_page(context, request, purpose, notice=notice))


def _login_page(context: Context, request: LoginRequest | None, purpose: str, *, notice: str) -> LoginPage:
    providers = _ways(context, request, purpose)
    application = context.application(request)
    pins = [provider for provider in providers if provider.type is IdentitySource.ONE_TIME_PIN]
    form = pins[0] if len(pins) == 1 else None
    choices = tuple(
        Choice(one.name, path(f"/login/{one.id}", request, purpose=purpose)) for one in providers if one is not form
    )
    return LoginPage(
        frame=context.frame(request),
        purpose=purpose,
        notice=notice,
        application=application.name if application else "",
        pin_action=f"/login/{form.id}" if form else "",
        providers=choices,
    )


def _ways(context: Context, request: LoginRequest | None, purpose: str) -> list[IdentityProvider]:
    """Give the providers to log in with: all that the application allows, but the one that is to be joined."""
    return [one for one in providers_of(context, request) if purpose != f"join-{one.id}"]


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
