"""The organization: `/access/organizations`, one object and not a list; and ending a person's sessions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from secondgate.access.shapes import DEFAULT_AMR_DURATION, OrganizationShape
from secondgate.admin.calls import ApiRequest, Call, Json
from secondgate.admin.objects import replaced, times
from secondgate.admin.schemas import TIMES, request_schema, result_schema
from secondgate.administration.documents import ORGANIZATION_ID, Documents
from secondgate.administration.managed import Change
from secondgate.errors import Malformed, NotFound, Reason
from secondgate.flows.sessions import end_sessions
from secondgate.model.access_object import AccessObject, ObjectKind
from secondgate.model.api_token import Permission
from secondgate.protocol.email_address import parse_email

_PATH = "/accounts/{account_id}/access/organizations"
_KIND = ObjectKind.ORGANIZATION
_SHORT, _LONG = (
    frozenset(("amr_matching_session_duration",)),
    frozenset(("amr_matching_enabled", "amr_session_duration")),
)
"""The two spellings of AMR matching."""


async def read(request: ApiRequest) -> dict[str, Any]:
    """Give the organization."""
    return _answer(request, request.documents)


async def replace(request: ApiRequest) -> dict[str, Any]:
    """PUT, and POST: what is absent is kept, `null` clears."""
    return await _change(request, replaced)


async def merge(request: ApiRequest) -> dict[str, Any]:
    """PATCH: objects are merged field by field."""
    return await _change(request, _patched)


def _patched(old: Mapping[str, object], body: Mapping[str, object]) -> dict[str, object]:
    """Give a document after a PATCH, into the spelling of AMR matching that it uses.

    What was written in the other one would otherwise stand beside it, and go on saying what was just taken back.
    """
    before, sent = old.get("mfa_config"), body.get("mfa_config")
    if not isinstance(before, Mapping) or not isinstance(sent, Mapping):
        return merged(old, body)
    spellings = [spelling for spelling in (_SHORT, _LONG) if not spelling.isdisjoint(sent)]
    if len(spellings) != 1:
        return merged(old, body)
    shown = both_spellings(before)
    kept = {name: value for name, value in shown.items() if name in spellings[0] or name not in _SHORT | _LONG}
    return merged({**old, "mfa_config": kept}, body)


def merged(old: Mapping[str, object], body: Mapping[str, object]) -> dict[str, object]:
    """Give a document after a PATCH (RFC 7396)."""
    document = dict(old)
    for name, value in body.items():
        before = document.get(name)
        if value is None:
            document.pop(name, None)
        elif isinstance(value, Mapping):
            document[name] = merged(before if isinstance(before, Mapping) else {}, value)
        else:
            document[name] = value
    return document


async def revoke_user(request: ApiRequest) -> bool:
    """End everything that is live of a person, known by address or id."""
    request.verify_keys(_REVOKE["properties"])
    email, uid = request.body.get("email"), request.body.get("user_uid")
    durable = request.services.durable
    if isinstance(uid, str) and uid:
        person = await durable.load_person(uid)
    elif isinstance(email, str) and email:
        person = await durable.load_person_by_email(parse_email(email))
    else:
        raise Malformed("email", "is required, or user_uid")
    if person is None:
        raise NotFound(Reason.NOT_FOUND, "there is no such user")
    await end_sessions(request.services, person.id, actor=request.actor)
    return True


async def _change(request: ApiRequest, merge_into: Any) -> dict[str, Any]:  # noqa: ANN401 - one of the two above
    now = request.services.now()

    def decide(documents: Documents) -> Change:
        old = documents.find(_KIND, ORGANIZATION_ID)
        sent = dict(request.body)
        if sent.get("auth_domain") == _domain(request):  # as it was read: it follows from public_url
            del sent["auth_domain"]
        document = merge_into(old.document if old else {}, sent)
        made_at = old.created_at if old else now
        return Change(_KIND, ORGANIZATION_ID, AccessObject(_KIND, ORGANIZATION_ID, document, made_at, now))

    changed = await request.change(decide)
    return _answer(request, changed.documents)


def _answer(request: ApiRequest, documents: Documents) -> dict[str, Any]:
    one = documents.find(_KIND, ORGANIZATION_ID)
    answer: dict[str, Any] = {"auth_domain": _domain(request)}
    if one is None:
        return answer
    answer |= {**one.document, **times(one)}
    config = answer.get("mfa_config")
    if isinstance(config, Mapping):
        answer["mfa_config"] = both_spellings(config)
    return answer


def both_spellings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Give an `mfa_config` with AMR matching in both spellings where it is set in one."""
    shown = dict(config)
    duration = config.get("amr_matching_session_duration")
    if duration is None and config.get("amr_matching_enabled"):
        shown["amr_matching_session_duration"] = config.get("amr_session_duration", DEFAULT_AMR_DURATION)
    elif duration is not None:
        shown |= {"amr_matching_enabled": True, "amr_session_duration": duration}
    return shown


def _domain(request: ApiRequest) -> str:
    return request.administration.portal_host


_RESULT: Json = {
    **result_schema(OrganizationShape, {"auth_domain": {"type": "string"}, **TIMES}),
    "required": ["auth_domain"],
}
_BODY = request_schema(OrganizationShape, is_partial=True)
_REVOKE: Json = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "email": {"type": "string"},
        "user_uid": {"type": "string"},
        "devices": {"type": "boolean"},
        "warp_session_reauth": {"type": "boolean"},
    },
}
CALLS = (
    Call(
        method="GET",
        path=_PATH,
        summary="Read the organization",
        handler=read,
        tag="organization",
        permission=Permission.ORGANIZATIONS_READ,
        result=_RESULT,
    ),
    *(
        Call(
            method=method,
            path=_PATH,
            summary=summary,
            handler=handler,
            tag="organization",
            permission=Permission.ORGANIZATIONS_WRITE,
            result=_RESULT,
            body=_BODY,
            status=status,
        )
        for method, summary, handler, status in (
            ("POST", "Create the organization", replace, 201),
            ("PUT", "Change the organization", replace, 200),
            ("PATCH", "Change some fields of the organization", merge, 200),
        )
    ),
    Call(
        method="POST",
        path=f"{_PATH}/revoke_user",
        summary="End all sessions of a user",
        handler=revoke_user,
        tag="organization",
        permission=Permission.ORGANIZATIONS_REVOKE,
        result={"const": True},
        body=_REVOKE,
    ),
)
