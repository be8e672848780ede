"""Adding an MFA device: `/AddMfaDevice`, a link that can be shared, and the pages behind it."""

from __future__ import annotations

from aiohttp import web

from secondgate.errors import Malformed, NotSignedIn, ProofRejected, Reason, Rejected
from secondgate.flows.enrol import (
    begin_registration,
    begin_totp_enrolment,
    complete_registration,
    complete_totp_enrolment,
    load_totp_setup,
)
from secondgate.flows.hand_over import decide_login
from secondgate.flows.login_request import LoginRequest
from secondgate.flows.window import load_window, may_enrol_first
from secondgate.model.decision import StepUp
from secondgate.model.organization import Method
from secondgate.model.session import Login
from secondgate.portal.context import Context, context_of, page, read_form, read_json, see_other
from secondgate.portal.enrolment_pages import AddDevicePage, EnrolTotpPage, EnrolWebauthnPage, MethodOffer
from secondgate.portal.journey import ADD_DEVICE, DEVICES, PASS, after_enrolment, path
from secondgate.portal.pages import Choice
from secondgate.portal.providers import provider_to_ask_again
from secondgate.portal.words import status_of, words_for


async def show_choice(request: web.Request) -> web.StreamResponse:
    """GET /AddMfaDevice: choose a method."""
    context = context_of(request)
    login_request = context.login_request(request.query.get("request"))
    if context.login is None:
        return see_other(path("/login", login_request, purpose="add"))
    if await _needs_pass(context, context.login):
        return see_other(path(PASS, login_request))
    return page(await _choice_page(context, context.login, login_request))


async def submit_choice(request: web.Request) -> web.StreamResponse:
    """POST /AddMfaDevice: begin with a method; first verify with an authenticator, where there is one."""
    context = context_of(request)
    form = await read_form(request, context)
    login_request = context.login_request(form.get("request"))
    login = context.login
    if login is None:
        return see_other(path("/login", login_request, purpose="add"))
    method = _parse_method(form.get("method"))
    purpose = "add" if method is Method.TOTP else f"add-{method}"
    if await _needs_pass(context, login):
        return see_other(path(PASS, login_request, purpose=purpose))
    if await _must_verify(context, login):
        return see_other(path("/challenge", login_request, purpose=purpose))
    if method is Method.TOTP:
        try:
            await begin_totp_enrolment(context.services, context.browser, login)
        except Rejected as error:
            again = await _choice_page(context, login, login_request, error=words_for(error))
            return page(again, status=status_of(error))
    return see_other(path(f"{ADD_DEVICE}/{method}", login_request))


async def show_totp(request: web.Request) -> web.StreamResponse:
    """GET /AddMfaDevice/totp: QR code and setup key of the seed that waits for its code."""
    context = context_of(request)
    login_request = context.login_request(request.query.get("request"))
    login = context.login
    if login is None or await _is_closed(context, login):
        return see_other(path(ADD_DEVICE, login_request))
    shown = await _totp_page(context, login, login_request)
    return page(shown) if shown else see_other(path(ADD_DEVICE, login_request))


async def submit_totp(request: web.Request) -> web.StreamResponse:
    """POST /AddMfaDevice/totp: the code that confirms the seed."""
    context = context_of(request)
    form = await read_form(request, context)
    login_request = context.login_request(form.get("request"))
    login = context.login
    if login is None:
        return see_other(path("/login", login_request, purpose="add"))
    try:
        renewed = await complete_totp_enrolment(
            context.services, context.browser, login, code=form.get("code"), name=form.get("name")
        )
    except (Malformed, ProofRejected) as error:
        again = await _totp_page(context, login, login_request, name=form.get("name", ""), error=words_for(error))
        if again is None:
            return page(
                await _choice_page(
                    context, login, login_request, error="The setup took too long. Choose again to start it anew."
                ),
                status=status_of(error),
            )
        return page(again, status=status_of(error))
    context.keep(renewed)
    return see_other(after_enrolment(login_request))


async def show_webauthn(request: web.Request) -> web.StreamResponse:
    """GET /AddMfaDevice/security_key and /AddMfaDevice/biometrics."""
    context = context_of(request)
    login_request = context.login_request(request.query.get("request"))
    method = _parse_method(request.path.rpartition("/")[2])
    login = context.login
    if login is None or await _is_closed(context, login):
        return see_other(path(ADD_DEVICE, login_request))
    shown = EnrolWebauthnPage(
        frame=context.frame(login_request),
        method=method,
        options_url=f"{ADD_DEVICE}/options",
        finish_url=f"{ADD_DEVICE}/finish",
        back_url=path(ADD_DEVICE, login_request),
        listed_only=context.services.access().rulebook.organization.mfa.required_aaguids is not None,
    )
    return page(shown)


async def give_options(request: web.Request) -> web.StreamResponse:
    """POST /AddMfaDevice/options: options for `navigator.credentials.create`."""
    context = context_of(request)
    body = await read_json(request, context)
    if context.login is None:
        raise NotSignedIn(Reason.NO_SESSION)
    method = _parse_method(body.get("method"))
    if method is Method.TOTP:
        raise Malformed("method", "must be security_key or biometrics")
    options, ceremony = await begin_registration(context.services, context.browser, context.login, method=method)
    return web.json_response({"options": options, "ceremony": ceremony})


async def finish(request: web.Request) -> web.StreamResponse:
    """POST /AddMfaDevice/finish: a new credential."""
    context = context_of(request)
    body = await read_json(request, context)
    login_request = context.login_request(body.get("request"))
    if context.login is None:
        raise NotSignedIn(Reason.NO_SESSION)
    renewed = await complete_registration(
        context.services,
        context.browser,
        context.login,
        ceremony=body.get("ceremony"),
        response=body.get("credential"),
        name=body.get("name"),
    )
    context.keep(renewed)
    return web.json_response({"location": after_enrolment(login_request)})


def _parse_method(text: object) -> Method:
    try:
        return Method(str(text))
    except ValueError:
        raise Malformed("method", "choose totp, security_key or biometrics") from None


async def _must_verify(context: Context, login: Login) -> bool:
    """Whether an existing authenticator must be used before another can be added."""
    if not await context.services.durable.list_authenticators(login.person_id):
        return False
    return await load_window(context.services, login) is None


async def _needs_pass(context: Context, login: Login) -> bool:
    """Whether the first device can be added with a temporary pass alone."""
    if await context.services.durable.list_authenticators(login.person_id):
        return False
    return not await may_enrol_first(context.services, context.browser, login)


async def _is_closed(context: Context, login: Login) -> bool:
    return await _needs_pass(context, login) or await _must_verify(context, login)


async def _choice_page(
    context: Context, login: Login, request: LoginRequest | None, *, error: str = ""
) -> AddDevicePage:
    methods = context.services.access().rulebook.organization.mfa.allowed_authenticators
    application, provider = context.application(request), None
    if request is not None:
        decision, _, _ = await decide_login(context.services, context.browser, login, request)
        if isinstance(decision, StepUp):
            methods = decision.requirement.methods
            provider = provider_to_ask_again(context, login, request, decision.requirement)
        else:
            application = None
    window = await load_window(context.services, login)
    by_pass = window is not None and window.by_pass
    totp = await context.services.durable.load_totp(login.person_id)
    taken = MethodOffer(Method.TOTP, "You have one already.")
    if totp is not None and by_pass:
        removal = path(f"{DEVICES}/{totp[0].id}/remove", request)
        taken = MethodOffer(Method.TOTP, "You have one already.", Choice("Remove it first", removal))
    offers = tuple(taken if method is Method.TOTP and totp is not None else MethodOffer(method) for method in methods)
    return AddDevicePage(
        frame=context.frame(request),
        error=error,
        action=ADD_DEVICE,
        offers=offers,
        application=application.name if application else "",
        verify_first=await _must_verify(context, login),
        pass_until=window.closes_at if window is not None and by_pass else None,
        cancel_url="" if application else DEVICES,
        provider=provider,
    )


async def _totp_page(
    context: Context, login: Login, request: LoginRequest | None, *, name: str = "", error: str = ""
) -> EnrolTotpPage | None:
    setup = await load_totp_setup(context.services, context.browser, login)
    if setup is None:
        return None
    return EnrolTotpPage(
        frame=context.frame(request),
        error=error,
        action=f"{ADD_DEVICE}/totp",
        uri=setup.uri,
        setup_key=setup.key,
        presented_name=name[:64],
        back_url=path(ADD_DEVICE, request),
    )
