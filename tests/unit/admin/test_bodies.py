"""Bodies of calls that are about no managed object: everything that is wrong is named, each with its place."""

from __future__ import annotations

import pytest

from secondgate.admin.bodies import InvalidBody, parse_body
from secondgate.admin.resources.users import NewUserShape, UserShape


def problems(shape: type[UserShape | NewUserShape], body: dict[str, object]) -> dict[str, str]:
    with pytest.raises(InvalidBody) as refused:
        parse_body(shape, body)
    return {problem.path: problem.message for problem in refused.value.problems}


def test_a_body_of_the_form_asked_for_becomes_a_shape() -> None:
    user = parse_body(UserShape, {"name": "Ada", "secondgate": {"disabled": True}})
    assert (user.name, user.email) == ("Ada", None)
    assert user.secondgate is not None
    assert user.secondgate.disabled


def test_every_problem_is_named_at_its_place() -> None:
    body: dict[str, object] = {"name": 7, "secondgate": {"disabled": 1, "extra": 2}, "nmae": "Ada"}
    found = problems(UserShape, body)
    assert set(found) == {"name", "secondgate.disabled", "secondgate.extra", "nmae"}
    assert "did you mean name?" in found["nmae"]
    assert found["secondgate.disabled"] == "must be true or false"


def test_what_is_documented_and_not_honoured_is_refused_as_that() -> None:
    found = problems(NewUserShape, {"access_seat": True})
    assert found["email"] == "is required"
    assert "not supported" in found["access_seat"]
