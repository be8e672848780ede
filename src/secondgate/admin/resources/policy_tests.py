"""Policy tests: `/access/policy-tests`: whom would these policies let in, of all who are known?"""

from __future__ import annotations

from typing import Any

from secondgate.access.shapes import PolicyShape
from secondgate.admin.calls import ApiRequest, Call, Json, Listed, not_found
from secondgate.admin.schemas import request_schema
from secondgate.administration.application_documents import settled_policies
from secondgate.administration.managed import Change
from secondgate.errors import Malformed
from secondgate.flows.policy_tests import PolicyTest, begin_policy_test, load_policy_test
from secondgate.model.access_object import AccessObject, ObjectKind
from secondgate.model.api_token import Permission
from secondgate.model.explanation import Prospect

_PATH = "/accounts/{account_id}/access/policy-tests"
_FILTER = {"success": Prospect.APPROVED, "fail": Prospect.BLOCKED, "error": Prospect.UNKNOWN}


async def create(request: ApiRequest) -> dict[str, Any]:
    """Begin a test. Its policies are read and judged as those of an application that nobody makes."""
    request.verify_keys(("policies",))
    policies = request.body.get("policies")
    if not isinstance(policies, list) or not policies:
        raise Malformed("policies", "is required: a list of policies, or of ids of reusable ones")
    id_, now, new_id = request.services.new_id(), request.services.now(), request.services.new_id
    settled = settled_policies(request.documents, None, policies, new_id=new_id, now=now)
    document = {"name": f"policy test {id_}", "domain": f"{id_}.invalid", "policies": settled}
    imagined = AccessObject(ObjectKind.APPLICATION, id_, document, now, now)
    change = Change(ObjectKind.APPLICATION, id_, imagined)
    access = await request.administration.managed.imagine(change)
    test = await begin_policy_test(request.services, access, access.by_id[id_])
    return {"id": test.id, "status": "success"}


async def read(request: ApiRequest) -> dict[str, Any]:
    """Give how many came out how."""
    test = await _found(request)
    prospects = [prospect for _, prospect in test.prospects]
    total = len(prospects)
    counted = {
        "approved": prospects.count(Prospect.APPROVED),
        "blocked": prospects.count(Prospect.BLOCKED),
        "errored": prospects.count(Prospect.UNKNOWN),
    }
    status = "complete" if test.done_at is not None else "processing"
    return {
        "id": test.id,
        "status": "exceeded time" if test.has_taken_too_long_at(request.services.now()) else status,
        "total_users": total,
        "percent_users_processed": 100 if test.done_at is not None else 0,
        **{f"users_{name}": count for name, count in counted.items()},
        **{f"percent_{name}": count * 100 // total if total else 0 for name, count in counted.items()},
    }


async def users(request: ApiRequest) -> Listed:
    """List people with what came out for each; who is gone since then is left out."""
    wanted = request.one("status")
    if wanted and wanted not in _FILTER:
        raise Malformed("status", f"must be one of {', '.join(_FILTER)}")
    test = await _found(request)
    people = {person.id: person for person in await request.services.durable.list_people()}
    return Listed(
        [
            {"id": id_, "email": people[id_].email, "name": people[id_].name, "status": prospect}
            for id_, prospect in test.prospects
            if id_ in people and (not wanted or prospect is _FILTER[wanted])
        ]
    )


async def _found(request: ApiRequest) -> PolicyTest:
    test = await load_policy_test(request.services, request.parameters["policy_test_id"].lower())
    if test is None:
        raise not_found("policy test")
    return test


_COUNT: Json = {"type": "integer", "minimum": 0}
_COUNTED = ("approved", "blocked", "errored")
_ONE = f"{_PATH}/{{policy_test_id}}"
CALLS = (
    Call(
        method="POST",
        path=_PATH,
        summary="Begin a policy test",
        handler=create,
        tag="policy tests",
        permission=Permission.APPS_WRITE,
        body={
            "type": "object",
            "required": ["policies"],
            "additionalProperties": False,
            "properties": {
                "policies": {
                    "type": "array",
                    "minItems": 1,
                    "items": {"anyOf": [request_schema(PolicyShape), {"type": "string"}]},
                }
            },
        },
        result={"type": "object", "properties": {"id": {"type": "string"}, "status": {"const": "success"}}},
        status=201,
    ),
    Call(
        method="GET",
        path=_ONE,
        summary="Read what came of a policy test",
        handler=read,
        tag="policy tests",
        permission=Permission.APPS_READ,
        result={
            "type": "object",
            "properties": {
                "id": {"type": "string"},
                "status": {"enum": ["processing", "complete", "exceeded time"]},
                "total_users": _COUNT,
                "percent_users_processed": _COUNT,
                **{f"users_{name}": _COUNT for name in _COUNTED},
                **{f"percent_{name}": _COUNT for name in _COUNTED},
            },
        },
    ),
    Call(
        method="GET",
        path=f"{_ONE}/users",
        summary="List users with what came of a policy test for each",
        handler=users,
        tag="policy tests",
        permission=Permission.APPS_READ,
        query={"status": {"enum": list(_FILTER)}},
        is_list=True,
        result={
            "type": "object",
            "properties": {
                "id": {"type": "string"},
                "email": {"type": "string"},
                "name": {"type": "string"},
                "status": {"enum": [str(one) for one in Prospect]},
            },
        },
    ),
)
