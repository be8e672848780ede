"""`/access/apps/{application_id}/user_policy_checks`: what an application would decide for somebody, and why.

Cloudflare's client cannot say whom it asks about: `email`, and `ip` for rules about addresses, are ours. Without them
it is somebody who is not known.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from secondgate.access.compile import application_aud
from secondgate.admin.calls import ApiRequest, Call, Json
from secondgate.admin.resources.applications import APPLICATIONS
from secondgate.errors import Malformed, Reason
from secondgate.flows.explanation import NO_ADDRESS, Known, load_known
from secondgate.model.api_token import Permission
from secondgate.model.decision import Allow, Decision, Refuse, SignIn, StepUp
from secondgate.model.explanation import Explanation, JudgedPolicy, Outcome, explain_application
from secondgate.model.policy import Address, Visitor
from secondgate.protocol.email_address import parse_email


async def check(request: ApiRequest) -> dict[str, Any]:
    """Give the application as it would judge, and who it is judged for."""
    one = APPLICATIONS.found(request.documents, request)
    access = request.services.access()
    application = access.by_id[one.id]
    email, address = request.one("email"), _address(request)
    known = await load_known(request.services, parse_email(email)) if email else None
    explanation = explain_application(
        access,
        application,
        visitor=Visitor(address, known.identity if known else None),
        mfa=known.mfa if known else (),
        now=request.services.now(),
    )
    return {
        "app_state": {
            "app_uid": one.id,
            "aud": application_aud(one.id),
            "hostname": str(application.destinations[0]),
            "name": application.name,
            "policies": [_policy(judged) for judged in explanation.policies],
            **_status(known, explanation),
        },
        "user_identity": _identity(known, request.administration.account_id),
    }


def _address(request: ApiRequest) -> Address:
    text = request.one("ip")
    try:
        return ip_address(text) if text else NO_ADDRESS
    except ValueError:
        raise Malformed("ip", "must be an address, as 192.0.2.7 or 2001:db8::1") from None


def _policy(judged: JudgedPolicy) -> dict[str, Any]:
    policy = judged.policy
    return {
        "id": policy.id,
        "name": policy.name,
        "decision": policy.action,
        "precedence": policy.precedence,
        "matched": judged.outcome is Outcome.MATCHED,
        "outcome": judged.outcome,
        "decides": judged.decides,
    }


def _status(known: Known | None, explanation: Explanation) -> dict[str, str]:
    decision: Decision | None = explanation.unknown
    if known is not None:
        decision = explanation.with_newest or explanation.without_mfa
        is_of_somebody = not (isinstance(decision, Allow) and decision.is_of_nobody)
        if known.person is not None and known.person.disabled and is_of_somebody:
            decision = Refuse(Reason.PERSON_DISABLED)
    match decision:
        case Allow():
            return {"status": "approved"}
        case StepUp(reason=reason):
            return {"status": "mfa_required", "reason": reason}
        case SignIn(reason=reason):
            return {"status": "login_required", "reason": reason}
        case Refuse(reason=reason):
            return {"status": "blocked", "reason": reason}
        case _:
            return {"status": "blocked", "reason": Reason.NO_APPLICATION}


def _identity(known: Known | None, account_id: str) -> dict[str, Any] | None:
    if known is None:
        return None
    identity: dict[str, Any] = {"account_id": account_id, "email": known.identity.email, "name": known.identity.name}
    if known.person is not None:
        identity |= {"id": known.person.id, "user_uuid": known.person.id}
    if known.login is not None:
        identity["iat"] = known.login.at
    return {**identity, "is_warp": False, "is_gateway": False}


_TEXT: Json = {"type": "string"}
CALLS = (
    Call(
        method="GET",
        path=f"{APPLICATIONS.path}/{{{APPLICATIONS.id_parameter}}}/user_policy_checks",
        summary="Say what an application would decide for a user, and why",
        handler=check,
        tag="applications",
        permission=Permission.APPS_READ,
        query={"email": _TEXT, "ip": _TEXT},
        result={
            "type": "object",
            "required": ["app_state", "user_identity"],
            "properties": {
                "app_state": {
                    "type": "object",
                    "required": ["app_uid", "aud", "hostname", "name", "policies", "status"],
                    "properties": {
                        "status": {"enum": ["approved", "mfa_required", "login_required", "blocked"]},
                        "reason": _TEXT,
                        "policies": {"type": "array", "items": {"type": "object"}},
                    },
                },
                "user_identity": {"type": ["object", "null"]},
            },
        },
    ),
)
