"""What a portal handler knows of a request: the browser by its cookies, its login, and the login request it carries.

Cookies of the portal's host: `state` (binds forms and PINs to the browser), `device` (names the browser over
logins), `login` (names the person). Answers are made here too, so that no handler sets a cookie or a policy by hand.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import hdrs, web

from secondgate.errors import Forbidden, Malformed, Reason
from secondgate.flows.browser import DEVICE_TTL_S, Browser, RenewedLogin, load_login
from secondgate.flows.jwt_login import identity_of_jwt
from secondgate.flows.login_request import LoginRequest, verify_login_request
from secondgate.flows.services import Services
from secondgate.model.application import Application
from secondgate.model.audit import Actor, ActorKind
from secondgate.model.person import Identity
from secondgate.model.session import Login
from secondgate.portal.design import style_url
from secondgate.portal.pages import Frame, Page, render
from secondgate.protocol.cookie import clear_cookie, host_cookie_name, parse_cookie, set_cookie
from secondgate.protocol.forwarded import parse_host
from secondgate.protocol.opaque_token import new_token, token_hash
from secondgate.proxied import Arrival, ProxyTrust, read_arrival

STATE, DEVICE, LOGIN = "secondgate_state", "secondgate_device", "secondgate_login"
MAX_BODY_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Portal:
    """What the portal's handlers work with."""

    services: Services
    trust: ProxyTrust
    host: str
    secure: bool


PORTAL = web.AppKey("portal", Portal)


@dataclass(slots=True)
class Context:
    """One request at the portal's host.

    `way_again` is where to begin anew what an outage or a refusal ends; empty: where the request went.
    """

    portal: Portal
    arrival: Arrival
    state_token: str
    is_state_new: bool
    browser: Browser
    cookies: list[str] = field(default_factory=list)
    form_origins: list[str] = field(default_factory=list)
    way_again: str = ""

    @property
    def services(self) -> Services:
        """The flows' services."""
        return self.portal.services

    @property
    def login(self) -> Login | None:
        """Who is logged in."""
        return self.browser.login

    @property
    def csrf_token(self) -> str:
        """The token of forms: of this browser and this person."""
        person_id = self.login.person_id if self.login else ""
        text = f"csrf:{self.browser.state_id}:{person_id}"
        return hmac.new(self.services.mac_key, text.encode(), "sha256").hexdigest()

    def frame(self, request: LoginRequest | None = None) -> Frame:
        """Give what every page of this request has."""
        organization = self.services.access().rulebook.organization
        design = organization.login_design
        return Frame(
            organization=organization.name,
            email=self.login.identity.email if self.login else "",
            csrf_token=self.csrf_token,
            request=request.token if request else "",
            header_text=design.header_text,
            footer_text=design.footer_text,
            logo=design.logo,
            style_url=style_url(design),
        )

    async def named(self) -> Identity | None:
        """Give whom a trusted proxy or a token of another login system names, as far as its keys are known."""
        return await named_by(self.services, self.arrival)

    def keep(self, renewed: RenewedLogin) -> None:
        """Give the browser the tokens of a new or renewed login."""
        self._set(DEVICE, renewed.device_token, DEVICE_TTL_S)
        self._set(LOGIN, renewed.login_token, None)
        self.browser = Browser(
            self.browser.state_id, token_hash(renewed.device_token), self.browser.address, renewed.login
        )

    def forget_login(self) -> None:
        """Take the login's cookie back."""
        self.browser = Browser(self.browser.state_id, self.browser.device_token_id, self.browser.address)
        self.cookies.append(clear_cookie(host_cookie_name(LOGIN, secure=self.portal.secure), secure=self.portal.secure))

    def keep_state(self) -> None:
        """Give the browser its state cookie, where it has none."""
        if self.is_state_new:
            self._set(STATE, self.state_token, None)

    def login_request(self, token: object) -> LoginRequest | None:
        """Prove the login request that a page carries; None where there is none. Raises TokenRejected."""
        if not isinstance(token, str) or not token:
            return None
        request = verify_login_request(self.services, token)
        self.form_origins.append(self.services.origin_of(request.host))
        return request

    def application(self, request: LoginRequest | None) -> Application | None:
        """Give the application that a login request is for."""
        return self.services.access().by_id.get(request.application_id) if request else None

    def _set(self, name: str, value: str, max_age_s: int | None) -> None:
        secure = self.portal.secure
        self.cookies.append(
            set_cookie(host_cookie_name(name, secure=secure), value, secure=secure, max_age_s=max_age_s)
        )


CONTEXT = web.RequestKey("context", Context)


async def read_context(request: web.Request, portal: Portal) -> Context:
    """Read the browser's cookies. Raises Unavailable, and Malformed for an identity that can be read in two ways."""
    arrival = read_arrival(request, portal.trust)
    services = portal.services

    def cookie(name: str) -> str | None:
        return parse_cookie(arrival.cookie, host_cookie_name(name, secure=portal.secure))

    state = cookie(STATE)
    state_token = state or new_token(services.random_bytes)
    device_token, login_token = cookie(DEVICE), cookie(LOGIN)
    device_id = token_hash(device_token) if device_token else ""
    login = None
    if login_token and device_token:
        login = await load_login(services, login_token=login_token, device_token_id=device_id)
        if login is not None and await _end_login_of_another(services, arrival, login):
            login = None
    browser = Browser(token_hash(state_token), device_id, arrival.client, login)
    return Context(portal, arrival, state_token, state is None, browser)


async def named_by(services: Services, arrival: Arrival) -> Identity | None:
    """Give whom a request names besides our own cookies. Raises Malformed for what can be read in two ways."""
    return arrival.identity() or await identity_of_jwt(services, arrival.jwts())


async def _end_login_of_another(services: Services, arrival: Arrival, login: Login) -> bool:
    """End a login when a trusted proxy or a token says that somebody else sits at the browser; whether it did."""
    identity = await named_by(services, arrival)
    if identity is None or identity.email == login.identity.email:
        return False
    if await services.sessions.delete_login(login.id):
        await services.audit(
            "identity.mismatch",
            actor=Actor(ActorKind.PERSON, identity.email),
            person_id=login.person_id,
            address=str(arrival.client),
        )
    return True


def context_of(request: web.Request) -> Context:
    """Give the context that the middleware read."""
    return request[CONTEXT]


def request_host(request: web.Request) -> str:
    """Give the host that a request is for, in its one spelling; empty for what is no host."""
    hosts = [value for name, value in request.raw_headers if name.lower() == b"host"]
    if len(hosts) != 1:
        return ""
    try:
        return parse_host(hosts[0].decode("latin-1"))
    except Malformed:
        return ""


def page(page: Page, *, status: int = 200) -> web.Response:
    """Answer with a page."""
    return web.Response(status=status, text=render(page), content_type="text/html", charset="utf-8")


def see_other(location: str) -> web.Response:
    """Send a browser on with a GET (RFC 9110, section 15.4.4)."""
    return web.Response(status=303, headers={hdrs.LOCATION: location})


async def read_form(request: web.Request, context: Context) -> Mapping[str, str]:
    """Read a form that this browser got from us. Raises Forbidden(CROSS_SITE), Malformed."""
    fields = await read_own_form(request, context, context.services.portal_origin)
    _verify_same_site(context, fields.get("csrf_token"))
    return fields


async def read_own_form(request: web.Request, context: Context, origin: str) -> Mapping[str, str]:
    """Read a form that a page of `origin` sent; its token is not looked at. Raises Forbidden(CROSS_SITE), Malformed."""
    if request.content_type != "application/x-www-form-urlencoded" or (request.charset or "utf-8").lower() != "utf-8":
        raise Forbidden(Reason.CROSS_SITE, "a form of another type")
    try:
        data = await request.post()
    except UnicodeDecodeError:
        raise Malformed("form", "must be UTF-8") from None
    _verify_origin(context, origin)
    return {name: value for name, value in data.items() if isinstance(value, str)}


def presented_token(fields: Mapping[str, str]) -> bytes:
    """Give a form's token, to be compared."""
    return fields.get("csrf_token", "").encode("utf-8", "surrogatepass")


async def read_json(request: web.Request, context: Context) -> Mapping[str, object]:
    """Read a JSON object that our script sent. Raises Forbidden(CROSS_SITE), Malformed."""
    if request.content_type != "application/json":
        raise Forbidden(Reason.CROSS_SITE, "not JSON")
    _verify_same_site(context, request.headers.get("X-CSRF-Token"))
    try:
        body = json.loads(await request.read())
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise Malformed("body", "must be a JSON object")
    return body


def _verify_origin(context: Context, expected: str) -> None:
    """Prove that a post comes from a page of our own origin, where browsers say from where."""
    headers = {name.lower(): value for name, value in context.arrival.headers}
    origin = headers.get("origin")
    if origin is not None and origin != expected:
        raise Forbidden(Reason.CROSS_SITE, "another origin")
    if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise Forbidden(Reason.CROSS_SITE, "another site")


def _verify_same_site(context: Context, presented_token: str | None) -> None:
    """Prove that a post comes from a page of ours (OWASP: synchronizer token, and the origin where it is sent)."""
    _verify_origin(context, context.services.portal_origin)
    presented = (presented_token or "").encode("utf-8", "surrogatepass")
    if context.is_state_new or not hmac.compare_digest(presented, context.csrf_token.encode()):
        raise Forbidden(Reason.CROSS_SITE, "no token of this browser")
