"""A person's own account: applications, MFA devices, sessions, logging out."""

from __future__ import annotations

from aiohttp import web

from secondgate.errors import NotSignedIn, Reason
from secondgate.flows.enrol import load_own_authenticator, remove_authenticator, rename_authenticator
from secondgate.flows.provider_logout import log_out_with_provider
from secondgate.flows.sessions import end_own_session, list_sessions
from secondgate.flows.window import load_window
from secondgate.model.application import Application
from secondgate.model.decision import may_be_allowed
from secondgate.model.policy import Visitor
from secondgate.model.session import Login
from secondgate.portal.context import Context, context_of, page, read_form, see_other
from secondgate.portal.journey import ADD_DEVICE, DEVICES, after_removal, path
from secondgate.portal.pages import (
    DeviceRow,
    DevicesPage,
    LauncherPage,
    LoggedOutPage,
    LogoutPage,
    RemoveDevicePage,
    SessionRow,
    SessionsPage,
    Tile,
)
from secondgate.portal.provider_logout import logged_out

SESSIONS = "/account/sessions"


async def show_launcher(request: web.Request) -> web.StreamResponse:
    """GET /: the applications that this person may use."""
    context = context_of(request)
    if context.login is None:
        return see_other("/login")
    services = context.services
    tiles = []
    for application in services.access().applications:
        host = application.destinations[0].host
        if not application.app_launcher_visible or host.startswith("*."):
            continue
        if _may_use(context, context.login, application):
            url = services.origin_of(host) + (application.destinations[0].path or "/")
            tiles.append(Tile(application.name, url, application.logo_url))
    return page(LauncherPage(frame=context.frame(), tiles=tuple(tiles)))


async def show_devices(request: web.Request) -> web.StreamResponse:
    """GET /account/devices: the person's authenticators."""
    context = context_of(request)
    login = context.login
    if login is None:
        return see_other(path("/login", purpose="devices"))
    window = await load_window(context.services, login)
    rows = tuple(
        DeviceRow(
            name=device.name,
            method=device.method,
            created_at=device.created_at,
            last_used_at=device.last_used_at,
            rename_action=f"{DEVICES}/{device.id}/name",
            remove_url=f"{DEVICES}/{device.id}/remove",
        )
        for device in await context.services.durable.list_authenticators(login.person_id)
    )
    shown = DevicesPage(
        frame=context.frame(),
        devices=rows,
        add_url=ADD_DEVICE,
        window_until=window.closes_at if window else None,
    )
    return page(shown)


async def rename_device(request: web.Request) -> web.StreamResponse:
    """POST /account/devices/{id}/name."""
    context = context_of(request)
    form = await read_form(request, context)
    await rename_authenticator(context.services, _login(context), request.match_info["id"], name=form.get("name"))
    return see_other(DEVICES)


async def show_removal(request: web.Request) -> web.StreamResponse:
    """GET /account/devices/{id}/remove: confirm; without an open window, verify first."""
    context = context_of(request)
    login = context.login
    if login is None:
        return see_other(path("/login", purpose="devices"))
    login_request = context.login_request(request.query.get("request"))
    device = await load_own_authenticator(context.services, login, request.match_info["id"])
    if await load_window(context.services, login) is None:
        return see_other(path("/challenge", purpose=f"remove-{device.id}"))
    shown = RemoveDevicePage(
        frame=context.frame(login_request),
        name=device.name,
        method=device.method,
        action=f"{DEVICES}/{device.id}/remove",
        cancel_url=after_removal(login_request),
        is_last=len(await context.services.durable.list_authenticators(login.person_id)) == 1,
    )
    return page(shown)


async def remove_device(request: web.Request) -> web.StreamResponse:
    """POST /account/devices/{id}/remove."""
    context = context_of(request)
    form = await read_form(request, context)
    login_request = context.login_request(form.get("request"))
    await remove_authenticator(context.services, context.browser, _login(context), request.match_info["id"])
    return see_other(after_removal(login_request))


async def show_sessions(request: web.Request) -> web.StreamResponse:
    """GET /account/sessions: where the person is logged in."""
    context = context_of(request)
    login = context.login
    if login is None:
        return see_other("/login")
    logins, applications = await list_sessions(context.services, login.person_id)
    rows = [SessionRow("", one.at, one.device_id == login.device_id, f"{SESSIONS}/{one.id}/end") for one in logins] + [
        SessionRow(one.host, one.created_at, one.device_id == login.device_id, f"{SESSIONS}/{one.id}/end")
        for one in applications
    ]
    rows.sort(key=lambda row: row.at, reverse=True)
    return page(SessionsPage(frame=context.frame(), sessions=tuple(rows), end_all_action=f"{SESSIONS}/end"))


async def end_session(request: web.Request) -> web.StreamResponse:
    """POST /account/sessions/{id}/end."""
    context = context_of(request)
    await read_form(request, context)
    await end_own_session(context.services, _login(context), request.match_info["id"])
    return see_other(SESSIONS)


async def end_all_sessions(request: web.Request) -> web.StreamResponse:
    """POST /account/sessions/end: log out everywhere."""
    context = context_of(request)
    await read_form(request, context)
    return await _log_out(context, _login(context), everywhere=True, forget_device=False)


async def show_logout(request: web.Request) -> web.StreamResponse:
    """GET /logout: choose here or everywhere. Being sent here logs nobody out."""
    context = context_of(request)
    if context.login is None:
        host = request.query.get("host", "")
        if context.services.access().index.at_host(host):  # its session may have outlived the login
            return see_other(f"{context.services.origin_of(host)}/.secondgate/logout?here=yes")
        return page(LoggedOutPage(frame=context.frame(), login_url="/login"))
    return page(LogoutPage(frame=context.frame(), action="/logout", cancel_url="/"))


async def submit_logout(request: web.Request) -> web.StreamResponse:
    """POST /logout."""
    context = context_of(request)
    form = await read_form(request, context)
    if context.login is None:
        return page(LoggedOutPage(frame=context.frame(), login_url="/login"))
    return await _log_out(
        context,
        context.login,
        everywhere=form.get("scope") == "everywhere",
        forget_device=form.get("forget_device") == "yes",
    )


async def _log_out(context: Context, login: Login, *, everywhere: bool, forget_device: bool) -> web.StreamResponse:
    provider = await log_out_with_provider(
        context.services,
        login,
        everywhere=everywhere,
        forget_device=forget_device,
        address=str(context.browser.address),
    )
    context.forget_login()
    return logged_out(context, context.frame(), provider, everywhere=everywhere)


def _may_use(context: Context, login: Login, application: Application) -> bool:
    services = context.services
    visitor = Visitor(context.browser.address, login.identity)
    return may_be_allowed(services.access().rulebook, application, visitor, now=services.now())


def _login(context: Context) -> Login:
    if context.login is None:
        raise NotSignedIn(Reason.NO_SESSION)
    return context.login
