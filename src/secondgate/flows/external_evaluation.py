"""Asking the operator's own services about a person at a login (`external_evaluation`).

All that an application depends on are asked at once, once for each login request; what they said is kept with the
grant. A service that cannot be asked, or whose answer proves nothing, makes the login Unavailable: it is never taken
for a no, which an `exclude` would turn into a yes.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from secondgate.errors import Malformed, Rejected, TooManyAttempts, Unavailable
from secondgate.flows.login_request import REQUEST_TTL_S, LoginRequest
from secondgate.flows.services import Services
from secondgate.model.policy import ExternalEvaluation
from secondgate.model.session import Evaluation, Login
from secondgate.protocol.evaluation import parse_evaluation_response, verify_evaluation
from secondgate.protocol.jwt import EVALUATION_LIFE_S, TokenKind
from secondgate.protocol.opaque_token import new_token
from secondgate.store.ports import Kind
from secondgate.store.sessions import decode, encode

log = structlog.get_logger("secondgate.flows.external_evaluation")

EVALUATIONS_PER_PERSON = (60, 600)
HTTP_OK = 200


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What was said for one login request."""

    evaluations: tuple[Evaluation, ...]


async def load_evaluations(services: Services, login: Login, request: LoginRequest) -> tuple[Evaluation, ...]:
    """Give what the external evaluations of the request's application say of this person.

    Raises Unavailable when one cannot be asked, TooManyAttempts for a person who asks again and again.
    """
    rules = services.access().evaluations.get(request.application_id, frozenset())
    if not rules:
        return ()
    # `at` and the provider, since somebody who logs in anew meanwhile may be told apart by how
    key = f"{request.id}:{login.person_id}:{login.identity.identity_provider_id}:{login.at}"
    known = decode(Evaluated, await services.live.load(Kind.EVALUATIONS, key))
    if known is not None and {one.rule for one in known.evaluations} == rules:
        return known.evaluations
    count, window_s = EVALUATIONS_PER_PERSON
    if await services.live.increment(Kind.COUNTER, f"evaluation:{login.person_id}", ttl_s=window_s) > count:
        raise TooManyAttempts(window_s, "too many external evaluations were asked for")
    said = await asyncio.gather(*(_ask(services, login, rule) for rule in rules), return_exceptions=True)
    if failure := next((one for one in said if isinstance(one, BaseException)), None):
        raise failure
    evaluations = tuple(one for one in said if isinstance(one, Evaluation))
    await services.live.save(Kind.EVALUATIONS, key, encode(Evaluated(evaluations)), ttl_s=REQUEST_TTL_S)
    return evaluations


async def _ask(services: Services, login: Login, rule: ExternalEvaluation) -> Evaluation:
    nonce = new_token(services.random_bytes)
    urls = (rule.evaluate_url, rule.keys_url)
    try:
        answer = await services.outgoing.post_json(
            rule.evaluate_url, {"token": _question(services, login, rule, nonce)}, configured_urls=urls
        )
        if answer.status != HTTP_OK:
            raise Unavailable(f"the external evaluation {rule.evaluate_url} answered {answer.status}")
        token = parse_evaluation_response(answer.body)
        keys = await services.documents.load_key_set(rule.keys_url, configured_urls=urls, token=token)
        said_yes = verify_evaluation(token, keys=keys, expected_nonce=nonce, now=services.now())
    except Rejected as error:
        detail = error.detail if isinstance(error, Malformed) else str(error)
        raise Unavailable(
            f"the answer of the external evaluation {rule.evaluate_url} proves nothing: {detail}"
        ) from error
    log.info("evaluation.answered", person_id=login.person_id, url=rule.evaluate_url, said_yes=said_yes)
    return Evaluation(rule, said_yes)


def _question(services: Services, login: Login, rule: ExternalEvaluation, nonce: str) -> str:
    now, identity = services.now(), login.identity
    claims = {
        "iss": services.portal_origin,
        "aud": rule.evaluate_url,
        "sub": login.person_id,
        "iat": now,
        "nbf": now,
        "exp": now + EVALUATION_LIFE_S,
        "nonce": nonce,
        "identity": {
            "id": login.person_id,
            "email": identity.email,
            "name": identity.name,
            "groups": list(identity.groups),
            "amr": list(identity.amr),
            "idp": {"id": identity.identity_provider_id, "type": identity.source},
            "oidc_fields": {name: list(values) for name, values in identity.claims if values},
        },
    }
    return services.keys.sign(TokenKind.EVALUATION, claims)
