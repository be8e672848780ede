"""Using a temporary pass: instead of an MFA device that was lost, or before the first one where that is guarded.

It leads on to adding a device, and from there to the application that asked. What a pass opens is decided in
`flows.passes`.
"""

from __future__ import annotations

from aiohttp import web

from secondgate.errors import Rejected
from secondgate.flows.login_request import LoginRequest
from secondgate.flows.passes import complete_pass
from secondgate.flows.window import load_window, may_enrol_first
from secondgate.model.organization import FirstEnrollment
from secondgate.model.session import Login
from secondgate.portal.context import Context, context_of, page, read_form, see_other
from secondgate.portal.enrolment_pages import PassPage, PassReason
from secondgate.portal.journey import PASS, after_pass, parse_purpose, path
from secondgate.portal.words import status_of, words_for


async def show_pass(request: web.Request) -> web.StreamResponse:
    """GET /pass: the form.

    Reads: the login, its device window, the person's authenticators. Answers: the page; 303 to the login where there is
    none, and on where no pass is needed (any more). Costs: two reads.
    """
    context = context_of(request)
    login_request = context.login_request(request.query.get("request"))
    purpose = parse_purpose(request.query.get("purpose"))
    login = context.login
    if login is None:
        return see_other(path("/login", login_request, purpose="pass"))
    has_device = bool(await context.services.durable.list_authenticators(login.person_id))
    needs_none = (
        await load_window(context.services, login) is not None
        if has_device
        else await may_enrol_first(context.services, context.browser, login)
    )
    if needs_none:
        return see_other(after_pass(login_request, purpose))
    return page(_pass_page(context, login_request, purpose, has_device=has_device))


async def submit_pass(request: web.Request) -> web.StreamResponse:
    """POST /pass: the pass opens this browser's device window."""
    context = context_of(request)
    form = await read_form(request, context)
    login_request = context.login_request(form.get("request"))
    purpose = parse_purpose(form.get("purpose"))
    login = context.login
    if login is None:
        return see_other(path("/login", login_request, purpose="pass"))
    try:
        renewed = await complete_pass(context.services, context.browser, login, code=form.get("code"))
    except Rejected as error:
        return await _refuse(context, login, login_request, purpose, error)
    context.keep(renewed)
    return see_other(after_pass(login_request, purpose))


async def _refuse(
    context: Context, login: Login, request: LoginRequest | None, purpose: str, error: Rejected
) -> web.Response:
    has_device = bool(await context.services.durable.list_authenticators(login.person_id))
    again = _pass_page(context, request, purpose, has_device=has_device, error=words_for(error))
    return page(again, status=status_of(error))


def _pass_page(
    context: Context, request: LoginRequest | None, purpose: str, *, has_device: bool, error: str = ""
) -> PassPage:
    application = context.application(request)
    is_network = context.services.access().rulebook.organization.first_enrollment is FirstEnrollment.NETWORK
    first = PassReason.NETWORK if is_network else PassReason.FIRST
    back_url = path("/challenge", request, purpose=purpose if request else purpose or "devices")
    return PassPage(
        frame=context.frame(request),
        purpose=purpose,
        error=error,
        action=PASS,
        reason=PassReason.LOST if has_device else first,
        application=application.name if application else "",
        back_url=back_url if has_device else "",
    )
