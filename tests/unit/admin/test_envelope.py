"""Answers of the API: one envelope, one table from rejections to statuses and codes, places as JSON pointers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web

from secondgate.admin.envelope import PATHS, ApiError, failure, invalid, rejected, success
from secondgate.administration.documents import Documents
from secondgate.administration.managed import Change, InvalidChange
from secondgate.errors import (
    Conflict,
    Forbidden,
    Malformed,
    NotFound,
    NotSignedIn,
    Problem,
    Reason,
    Rejected,
    TooManyAttempts,
)
from secondgate.model.access_object import AccessObject, ObjectKind


def read(answer: web.Response) -> Any:  # noqa: ANN401 - JSON is of any shape
    assert answer.content_type == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    return json.loads(answer.text or "")


def errors(answer: web.Response) -> list[Any]:
    envelope = read(answer)
    assert (envelope["success"], envelope["messages"], envelope["result"]) == (False, [], None)
    assert envelope["errors"]
    assert answer.status >= 400
    return list(envelope["errors"])


@pytest.mark.parametrize("result", [None, {}, [], True, {"id": "a"}, "text"])
def test_a_success_has_the_result_and_no_errors(result: object) -> None:
    answer = success(result)
    assert answer.status == 200
    assert read(answer) == {"success": True, "errors": [], "messages": [], "result": result}


def test_a_page_says_where_it_stands() -> None:
    info = {"page": 2, "per_page": 1, "count": 1, "total_count": 3, "total_pages": 3}
    assert read(success([1], info=info))["result_info"] == info
    assert success({}, status=201).status == 201


@pytest.mark.parametrize(
    ("error", "status", "code", "message"),
    [
        (Malformed("name", "must be text"), 400, 12130, "access.api.error.invalid_request: name: must be text"),
        (Forbidden(Reason.API_TOKEN, "expired"), 403, 10000, "Authentication error: expired"),
        (Forbidden(Reason.API_TOKEN), 403, 10000, "Authentication error"),
        (NotFound(Reason.NOT_FOUND), 404, 12135, "access.api.error.not_found"),
        (Conflict(Reason.STILL_USED, "is used"), 409, 12132, "access.api.error.conflict: is used"),
        (TooManyAttempts(7), 429, 12130, "too many attempts: try again later"),
        (TooManyAttempts(None), 429, 12130, "too many attempts: try again later"),
        (NotSignedIn(Reason.NO_SESSION, "odd"), 400, 12130, "access.api.error.invalid_request: no_session: odd"),
    ],
    ids=lambda one: type(one).__name__ if isinstance(one, Rejected) else "",
)
def test_each_rejection_has_its_status_and_code(error: Rejected, status: int, code: int, message: str) -> None:
    answer = rejected(error)
    (found,) = errors(answer)
    assert (answer.status, found["code"], found["message"]) == (status, code, message)


def test_clients_are_told_not_to_repeat_a_conflict_and_when_to_repeat_too_many_attempts() -> None:
    assert rejected(Conflict(Reason.STILL_USED)).headers["x-should-retry"] == "false"
    assert rejected(TooManyAttempts(7)).headers["Retry-After"] == "7"
    for error in (TooManyAttempts(None), NotFound(Reason.NOT_FOUND)):
        assert not rejected(error).headers.keys() & {"x-should-retry", "Retry-After"}


@pytest.mark.parametrize(
    ("field", "pointer"),
    [
        ("name", "/name"),
        ("mfa_config.session_duration", "/mfa_config/session_duration"),
        ("policies[1].include[0].email", "/policies/1/include/0/email"),
        ("odd/name~", "/odd~1name~0"),
    ],
)
def test_a_field_is_pointed_to(field: str, pointer: str) -> None:
    (found,) = errors(rejected(Malformed(field, "is wrong")))
    assert found["source"] == {"pointer": pointer}


def test_an_error_without_a_place_has_no_source_and_many_are_told_at_once() -> None:
    found = errors(failure(403, [ApiError(1, "a"), ApiError(2, "b", "/c")], headers={"Retry-After": "5"}))
    assert found == [{"code": 1, "message": "a"}, {"code": 2, "message": "b", "source": {"pointer": "/c"}}]


def app(id_: str) -> AccessObject:
    return AccessObject(ObjectKind.APPLICATION, id_, {"name": id_}, 0, 0)


ORGANIZATION = AccessObject(ObjectKind.ORGANIZATION, "organization", {}, 0, 0)
DOCUMENTS = Documents(1, (app("first"), app("second"), ORGANIZATION))


@pytest.mark.parametrize(
    ("change", "path", "pointer", "message"),
    [
        (Change(ObjectKind.APPLICATION, "second", app("second")), "access.applications[1].domain", "/domain", "domain"),
        (
            Change(ObjectKind.APPLICATION, "second", app("second"), within="policies[0]"),
            "access.applications[1].policies[0].include[2]",
            "/include/2",
            "include[2]",
        ),
        (
            Change(ObjectKind.ORGANIZATION, "organization", ORGANIZATION),
            "access.organization.mfa_config.session_duration",
            "/mfa_config/session_duration",
            "mfa_config.session_duration",
        ),
    ],
)
def test_a_problem_in_the_object_of_the_call_is_told_by_its_place_in_it(
    change: Change, path: str, pointer: str, message: str
) -> None:
    (found,) = errors(invalid(InvalidChange((Problem(path, "is wrong"),), DOCUMENTS, change)))
    assert found["source"] == {"pointer": pointer}
    assert found["message"] == f"access.api.error.invalid_request: {message}: is wrong"


@pytest.mark.case(75)
def test_a_problem_in_another_object_is_told_by_where_that_is_found() -> None:
    change = Change(ObjectKind.ORGANIZATION, "organization", ORGANIZATION)
    problems = tuple(Problem(f"access.applications[{number}].mfa_config", "overrides") for number in range(2))
    found = errors(invalid(InvalidChange(problems, DOCUMENTS, change)))
    assert [one["source"]["pointer"] for one in found] == [
        "/access/apps/first/mfa_config",
        "/access/apps/second/mfa_config",
    ]
    assert {one["code"] for one in found} == {12130}


def test_every_kind_of_object_is_found_somewhere() -> None:
    assert PATHS.keys() == set(ObjectKind)
    assert len(set(PATHS.values())) == len(PATHS)
