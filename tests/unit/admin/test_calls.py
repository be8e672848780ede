"""What a call is asked for: its query, its page, and who may make it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, cast

import pytest

from secondgate.admin.calls import Administration, ApiRequest, Call, Listed, not_found, timestamp
from secondgate.admin.resources import CALLS
from secondgate.admin.server import answer_of
from secondgate.errors import Malformed, Reason
from secondgate.model.api_token import ApiToken, Permission

TOKEN = ApiToken("id", "ci", "hash", frozenset(), (), 0)


def asked(**query: list[str]) -> ApiRequest:
    nobody = cast("Administration", None)
    return ApiRequest(
        administration=nobody, token=TOKEN, address="192.0.2.1", parameters={}, query=query, called="GET /x"
    )


def test_a_parameter_that_stands_once_is_given_and_one_that_does_not_stand_is_empty() -> None:
    assert asked(name=["a"]).one("name") == "a"
    assert asked().one("name") == ""
    with pytest.raises(Malformed):
        asked(name=["a", "a"]).one("name")


def test_a_parameter_with_nul_is_refused_since_postgresql_has_no_such_text() -> None:
    with pytest.raises(Malformed):
        asked(email=["ann\0"]).one("email")


def test_the_page_is_the_first_of_25_unless_asked_otherwise() -> None:
    assert (asked().paging.page, asked().paging.per_page, asked().paging.offset) == (1, 25, 0)
    paging = asked(page=["3"], per_page=["10"]).paging
    assert (paging.page, paging.per_page, paging.offset) == (3, 10, 20)
    assert asked(page=["1000000"], per_page=["1000"]).paging.per_page == 1000


def test_of_a_list_of_a_thousand_only_what_is_on_the_page_is_told() -> None:
    told: list[object] = []

    def tell(item: object) -> object:
        told.append(item)
        return item

    answer = answer_of(CALLS[0], asked(page=["3"], per_page=["10"]), Listed(range(1000), answer=tell))
    assert told == list(range(20, 30))
    assert json.loads(str(answer.text))["result_info"]["total_pages"] == 100


@pytest.mark.case(74)
@pytest.mark.parametrize("name", ["page", "per_page"])
@pytest.mark.parametrize("text", ["0", "-1", "1.5", "x", "1e3", " 1", "+1", "\u0661", "9" * 400, "1000001", "\u00b2"])
def test_a_page_that_is_no_number_in_bounds_is_refused(name: str, text: str) -> None:
    request = asked(**{name: [text]})
    with pytest.raises(Malformed) as refused:
        _ = request.paging
    assert refused.value.field == name


def test_who_it_is_is_the_token_its_address_and_its_call() -> None:
    actor = asked().actor
    assert "ci" in repr(actor)
    assert "192.0.2.1" in repr(actor)
    assert "hash" not in repr(actor)


CALL = next(call for call in CALLS if call.permission is Permission.ZERO_TRUST_READ)


@pytest.mark.case(72)
@pytest.mark.parametrize(
    ("permissions", "may"),
    [
        ((), False),
        ((Permission.ZERO_TRUST_READ,), True),
        ((Permission.ZERO_TRUST_WRITE,), True),
        ((Permission.APPS_WRITE, Permission.USERS_READ), False),
    ],
)
def test_a_call_is_open_to_its_permission_and_to_the_one_to_change_the_same(
    permissions: tuple[Permission, ...], *, may: bool
) -> None:
    assert CALL.is_open_to(replace(TOKEN, permissions=frozenset(permissions))) is may


@pytest.mark.case(72)
def test_reading_does_not_let_write_and_a_second_permission_is_as_good() -> None:
    writing = replace(CALL, permission=Permission.ZERO_TRUST_WRITE)
    reader = replace(TOKEN, permissions=frozenset((Permission.ZERO_TRUST_READ,)))
    assert not writing.is_open_to(reader)
    assert replace(writing, or_permission=Permission.ZERO_TRUST_READ).is_open_to(reader)
    assert replace(CALL, permission=None).is_open_to(TOKEN)


@pytest.mark.case(72)
@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.method} {call.path}")
def test_each_call_that_changes_something_needs_more_than_reading(call: Call) -> None:
    if call.method == "GET":
        return
    readers = frozenset(one for one in Permission if one.value.endswith(" Read"))
    if call.path.endswith("/policy-tests"):
        return  # tries policies out, and changes nothing
    assert call.permissions
    assert not call.is_open_to(replace(TOKEN, permissions=readers))


def test_no_two_calls_stand_at_one_place() -> None:
    places = [(call.method, _shape(call.path)) for call in CALLS]
    assert len(set(places)) == len(places)


def _shape(path: str) -> Any:  # noqa: ANN401 - compared only
    return tuple("*" if part.startswith("{") else part for part in path.split("/"))


def test_what_is_not_there_is_named_and_times_are_in_rfc_3339() -> None:
    assert (not_found("list").reason, not_found("list").detail) == (Reason.NOT_FOUND, "there is no such list")
    assert timestamp(1_800_000_000) == "2027-01-15T08:00:00Z"
    assert timestamp(0) == "1970-01-01T00:00:00Z"
