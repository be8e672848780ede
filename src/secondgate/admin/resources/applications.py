"""Applications: `/access/apps`, known by their id or their audience; and ending everybody's sessions at one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from secondgate.access.compile import application_aud
from secondgate.access.shapes import ApplicationShape, PolicyShape
from secondgate.admin.calls import ApiRequest, Call, Json, not_found
from secondgate.admin.objects import Resource, base_answer, created, replaced, times
from secondgate.admin.resources.policies import POLICIES
from secondgate.admin.schemas import result_schema
from secondgate.administration.application_documents import (
    ADDRESSES,
    PlacedDocument,
    addresses_in,
    placed_documents,
    settled_addresses,
    settled_policies,
    with_addresses,
)
from secondgate.administration.documents import Documents
from secondgate.administration.managed import Change
from secondgate.errors import Malformed
from secondgate.model.access_object import AccessObject, ObjectKind
from secondgate.model.api_token import Permission

_FLAGS = {"": False, "true": True, "false": False}


def policy_answer(documents: Documents, application: AccessObject, placed: PlacedDocument) -> dict[str, Any]:
    """Give a policy as an application has it, whole."""
    if placed.is_reusable and (shared := documents.find(ObjectKind.POLICY, placed.id)) is not None:
        return {**POLICIES.answer(documents, shared), "precedence": placed.precedence}
    own = AccessObject(application.kind, placed.id, placed.document, placed.created_at, placed.updated_at)
    return {"id": own.id, **own.document, "precedence": placed.precedence, "reusable": False, **times(own)}


def application_answer(documents: Documents, one: AccessObject) -> dict[str, Any]:
    """Give an application, with its audience, all that says where it is reached, and its policies whole."""
    policies = [policy_answer(documents, one, placed) for placed in placed_documents(documents, one)]
    answer = base_answer(documents, one)
    return {**with_addresses(answer), "type": "self_hosted", "aud": application_aud(one.id), "policies": policies}


def _is_selected(request: ApiRequest, one: AccessObject) -> bool:
    exact = _FLAGS.get(request.one("exact").lower())
    if exact is None:
        raise Malformed("exact", "must be true or false")
    aud = application_aud(one.id)
    texts = {"name": [str(one.document.get("name", ""))], "domain": list(addresses_in(one.document))}
    for name, values in texts.items():
        wanted = request.one(name).lower()
        if wanted and not any(wanted == text.lower() if exact else wanted in text.lower() for text in values):
            return False
    part = request.one("search").lower()
    found = (aud, *texts["name"], *texts["domain"])
    return request.one("aud").lower() in {"", aud} and any(part in text.lower() for text in found)


class _Applications(Resource):
    """Applications, whose policies and addresses are settled before they are stored."""

    def found(self, documents: Documents, request: ApiRequest) -> AccessObject:
        """Give the application whose id or audience the path names. Raises NotFound."""
        wanted = request.parameters[self.id_parameter].lower()
        for one in documents.of(self.kind):
            if wanted in {one.id, application_aud(one.id)}:
                return one
        raise not_found(self.noun)

    async def create(self, request: ApiRequest) -> dict[str, Any]:
        """Make one."""
        id_, now, new_id = request.services.new_id(), request.services.now(), request.services.new_id

        def decide(documents: Documents) -> Change:
            document = created(request.body)
            if "policies" in document:
                settled = settled_policies(documents, None, document["policies"], new_id=new_id, now=now)
                document["policies"] = settled
            return Change(self.kind, id_, AccessObject(self.kind, id_, document, now, now))

        changed = await request.change(decide)
        return self.answer(changed.documents, self._stored(changed.documents, id_))

    async def replace(self, request: ApiRequest) -> dict[str, Any]:
        """Change one."""
        now, new_id = request.services.now(), request.services.new_id

        def decide(documents: Documents) -> Change:
            old = self.found(documents, request)
            document = _merged(old.document, request.body)
            if request.body.get("policies") is not None:
                settled = settled_policies(documents, old, request.body["policies"], new_id=new_id, now=now)
                document["policies"] = settled
            return Change(self.kind, old.id, AccessObject(self.kind, old.id, document, old.created_at, now))

        changed = await request.change(decide)
        return self.answer(changed.documents, self._stored(changed.documents, changed.change.id))

    async def revoke_tokens(self, request: ApiRequest) -> dict[str, Any]:
        """POST …/revoke_tokens: everybody has to log in to the application again."""
        one = self.found(request.documents, request)
        await request.administration.managed.revoke(one.id)
        await request.services.audit(
            "application.tokens_revoked",
            actor=request.actor,
            id=one.id,
            name=str(one.document.get("name", "")),
        )
        return {}

    def _stored(self, documents: Documents, id_: str) -> AccessObject:
        one = documents.find(self.kind, id_)
        if one is None:  # it was written just now
            raise not_found(self.noun)
        return one


def _merged(old: Mapping[str, object], body: Mapping[str, object]) -> dict[str, object]:
    kept = {name: value for name, value in replaced(old, body).items() if name not in ADDRESSES}
    return {**kept, **settled_addresses(old, body)}


POLICY_RESULT: Json = result_schema(PolicyShape, {**POLICIES.extra, "reusable": {"type": "boolean"}})
APPLICATIONS = _Applications(
    kind=ObjectKind.APPLICATION,
    path="/accounts/{account_id}/access/apps",
    noun="application",
    shape=ApplicationShape,
    reading=Permission.APPS_READ,
    writing=Permission.APPS_WRITE,
    answer=application_answer,
    extra={
        "aud": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "policies": {"type": "array", "items": POLICY_RESULT},
    },
    filters={
        "aud": {"type": "string"},
        "domain": {"type": "string"},
        "name": {"type": "string"},
        "exact": {"type": "boolean"},
        "search": {"type": "string"},
    },
    is_selected=_is_selected,
)
CALLS = (
    *APPLICATIONS.calls(),
    Call(
        method="POST",
        path=f"{APPLICATIONS.path}/{{{APPLICATIONS.id_parameter}}}/revoke_tokens",
        summary="End all sessions of an application",
        handler=APPLICATIONS.revoke_tokens,
        tag="applications",
        permission=Permission.APPS_REVOKE,
        result={"type": "object", "maxProperties": 0},
        status=202,
    ),
)
