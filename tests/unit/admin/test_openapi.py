"""The API's description is made of the table of calls, and says neither more nor less."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from secondgate.access.shapes import GroupShape, IdentityProviderShape, ListShape, OrganizationShape, PolicyShape
from secondgate.admin.calls import Call
from secondgate.admin.openapi import describe
from secondgate.admin.resources import CALLS
from secondgate.admin.schemas import request_schema, result_schema

DESCRIPTION = describe(CALLS)
SHAPES = (GroupShape, IdentityProviderShape, ListShape, OrganizationShape, PolicyShape)


def references(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def operation(call: Call) -> Any:  # noqa: ANN401 - any JSON
    return DESCRIPTION["paths"][call.path][call.method.lower()]


def test_it_is_json_of_openapi_3_1_whose_references_all_lead_somewhere() -> None:
    description = json.loads(json.dumps(DESCRIPTION, allow_nan=False))
    assert description["openapi"].startswith("3.1.")
    found = set(references(description))
    assert found
    for reference in found:
        at = description
        for part in reference.removeprefix("#/").split("/"):
            at = at[part]


def test_each_call_is_described_once_and_nothing_else_is() -> None:
    described = {(method.upper(), path) for path, operations in DESCRIPTION["paths"].items() for method in operations}
    assert described == {(call.method, call.path) for call in CALLS}
    names = [operation(call)["operationId"] for call in CALLS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.method} {call.path}")
def test_a_calls_parameters_body_answer_and_refusals_are_described(call: Call) -> None:
    described = operation(call)
    in_path = {one["name"] for one in described["parameters"] if one["in"] == "path" and one["required"]}
    in_query = {one["name"] for one in described["parameters"] if one["in"] == "query"}
    assert in_path == set(re.findall(r"\{(\w+)\}", call.path))
    assert set(call.query) <= in_query
    assert ({"cursor"} if call.has_cursor else {"page", "per_page"}) <= in_query or not call.is_list
    assert ("requestBody" in described) == (call.body is not None)
    for permission in call.permissions:
        assert permission.value in described["description"]
    responses = described["responses"]
    assert {str(call.status), "400", "403", "404", "409", "429", "503"} == responses.keys()
    result = responses[str(call.status)]["content"]["application/json"]["schema"]["properties"]["result"]
    assert (result.get("type") == "array") or not call.is_list


@pytest.mark.parametrize("shape", SHAPES)
def test_schemas_stand_for_themselves(shape: Any) -> None:  # noqa: ANN401 - a class of shapes
    for schema in (request_schema(shape), request_schema(shape, is_partial=True), result_schema(shape, {})):
        assert list(references(schema)) == []
        assert "$defs" not in json.dumps(schema)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_body_has_no_id_and_a_partial_one_needs_nothing_and_may_clear(shape: Any) -> None:  # noqa: ANN401 - a class
    whole, partial = request_schema(shape), request_schema(shape, is_partial=True)
    assert "id" not in whole["properties"]
    assert whole["properties"].keys() == partial["properties"].keys()
    assert partial["required"] == []
    assert set(whole["required"]) <= whole["properties"].keys()
    for one in partial["properties"].values():
        assert {"type": "null"} in one["anyOf"]


def test_an_answer_has_an_id_times_and_what_is_added_and_nothing_else() -> None:
    schema = result_schema(ListShape, {"count": {"type": "integer"}})
    assert schema["required"] == ["id"]
    assert schema["additionalProperties"] is False
    assert {"id", "name", "type", "items", "count", "created_at", "updated_at"} <= schema["properties"].keys()
    assert schema["properties"]["count"] == {"type": "integer"}


def test_secrets_are_asked_for_and_never_answered_with() -> None:
    asked = json.dumps(request_schema(IdentityProviderShape))
    assert "client_secret" in asked
    (reading,) = [
        call
        for call in CALLS
        if call.method == "GET" and call.path.endswith("/identity_providers/{identity_provider_id}")
    ]
    answered = operation(reading)["responses"]["200"]["content"]["application/json"]["schema"]
    assert '"client_secret"' not in json.dumps(answered)
