"""One more proof: for an application, or before changing MFA devices."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from secondgate.errors import Malformed, NotSignedIn, Reason, Rejected
from secondgate.flows.challenge import begin_assertion, complete_assertion, complete_totp, offered_methods
from secondgate.flows.hand_over import decide_login
from secondgate.flows.login_request import LoginRequest
from secondgate.model.decision import StepUp
from secondgate.model.organization import Method
from secondgate.model.session import Login
from secondgate.portal.context import Context, context_of, page, read_form, read_json, see_other
from secondgate.portal.journey import ADD_DEVICE, PASS, after_identity, parse_purpose, path, purpose_of_proof
from secondgate.portal.pages import ChallengePage, Choice, MethodLink
from secondgate.portal.providers import provider_to_ask_again
from secondgate.portal.words import status_of, words_for


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of the person: for which purpose, and the methods that would do, the preferred one first.

    `provider` is the identity provider whose own MFA would do as well.
    """

    login: Login
    request: LoginRequest | None
    purpose: str
    methods: tuple[Method, ...]
    provider: Choice | None = None

    @property
    def application_id(self) -> str:
        """The application that the proof is for."""
        return self.request.application_id if self.request and not self.purpose else ""


async def show_challenge(request: web.Request) -> web.StreamResponse:
    """GET /challenge: ask for one method; the others stand below."""
    context = context_of(request)
    login_request = context.login_request(request.query.get("request"))
    purpose = parse_purpose(request.query.get("purpose"))
    if context.login is None:
        return see_other(path("/login", login_request, purpose=purpose))
    asked = await _asked(context, context.login, login_request, purpose)
    if asked is None:
        return see_other(after_identity(login_request, purpose))
    if not asked.methods:
        return see_other(path(ADD_DEVICE, login_request))
    chosen = request.query.get("method")
    method = next((m for m in asked.methods if m == chosen), asked.methods[0])
    return page(_challenge_page(context, asked, method))


async def submit_code(request: web.Request) -> web.StreamResponse:
    """POST /challenge: a TOTP code."""
    context = context_of(request)
    form = await read_form(request, context)
    login_request = context.login_request(form.get("request"))
    purpose = parse_purpose(form.get("purpose"))
    if context.login is None:
        return see_other(path("/login", login_request, purpose=purpose))
    asked = await _asked(context, context.login, login_request, purpose)
    if asked is None or Method.TOTP not in asked.methods:
        return see_other(after_identity(login_request, purpose))
    try:
        renewed = await complete_totp(
            context.services, context.browser, asked.login, code=form.get("code"), purpose=purpose_of_proof(purpose)
        )
    except Rejected as error:
        again = _challenge_page(context, asked, Method.TOTP, error=words_for(error))
        return page(again, status=status_of(error))
    context.keep(renewed)
    return see_other(after_identity(login_request, purpose))


async def give_options(request: web.Request) -> web.StreamResponse:
    """POST /challenge/options: options for `navigator.credentials.get`."""
    context = context_of(request)
    asked, method = await _asked_by_script(context, await read_json(request, context))
    options, ceremony = await begin_assertion(
        context.services,
        asked.login,
        method=method,
        purpose=purpose_of_proof(asked.purpose),
        application_id=asked.application_id,
    )
    return web.json_response({"options": options, "ceremony": ceremony})


async def finish(request: web.Request) -> web.StreamResponse:
    """POST /challenge/finish: an assertion."""
    context = context_of(request)
    body = await read_json(request, context)
    asked, _ = await _asked_by_script(context, body)
    renewed = await complete_assertion(
        context.services,
        context.browser,
        asked.login,
        ceremony=body.get("ceremony"),
        response=body.get("credential"),
        purpose=purpose_of_proof(asked.purpose),
        application_id=asked.application_id,
    )
    context.keep(renewed)
    return web.json_response({"location": after_identity(asked.request, asked.purpose)})


async def _asked_by_script(context: Context, body: object) -> tuple[Asked, Method]:
    fields = body if isinstance(body, dict) else {}
    if context.login is None:
        raise NotSignedIn(Reason.NO_SESSION)
    login_request = context.login_request(fields.get("request"))
    asked = await _asked(context, context.login, login_request, parse_purpose(fields.get("purpose")))
    if asked is None:
        raise Malformed("request", "this was done already; load the page again")
    try:
        method = Method(str(fields.get("method")))
    except ValueError:
        raise Malformed("method", "must be security_key or biometrics") from None
    if method is Method.TOTP or method not in asked.methods:
        raise Malformed("method", "this method is not asked for here")
    return asked, method


async def _asked(context: Context, login: Login, request: LoginRequest | None, purpose: str) -> Asked | None:
    """Work out what is asked; None when nothing is (any more)."""
    if purpose:
        methods = await offered_methods(context.services, login, tuple(Method))
        return Asked(login, request, purpose, methods)
    if request is None:
        return None
    decision, _, _ = await decide_login(context.services, context.browser, login, request)
    if not isinstance(decision, StepUp):
        return None
    methods = await offered_methods(context.services, login, decision.requirement.methods)
    provider = provider_to_ask_again(context, login, request, decision.requirement)
    return Asked(login, request, purpose, methods, provider)


def _challenge_page(context: Context, asked: Asked, method: Method, *, error: str = "") -> ChallengePage:
    application = None if asked.purpose else context.application(asked.request)
    others = tuple(
        MethodLink(other, path("/challenge", asked.request, purpose=asked.purpose, method=other))
        for other in asked.methods
        if other is not method
    )
    return ChallengePage(
        frame=context.frame(asked.request),
        purpose=asked.purpose,
        error=error,
        method=method,
        others=others,
        application=application.name if application else "",
        action="/challenge",
        options_url="/challenge/options",
        finish_url="/challenge/finish",
        provider=asked.provider,
        pass_url="" if asked.purpose.startswith("join-") else path(PASS, asked.request, purpose=asked.purpose),
    )
