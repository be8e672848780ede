"""Rules that name service tokens are found wherever they stand."""

from __future__ import annotations

from typing import Any

import pytest

from secondgate.administration.documents import Documents
from secondgate.administration.managed import Change, InvalidChange
from secondgate.administration.token_rules import find_token_users, verify_tokens_known
from secondgate.model.access_object import AccessObject, ObjectKind


def named(reference: object) -> dict[str, Any]:
    return {"service_token": {"token_id": reference}}


def made(kind: ObjectKind, name: str, **document: object) -> AccessObject:
    return AccessObject(kind, f"id-{name}", {"name": name, **document}, 0, 0)


GROUP = made(ObjectKind.GROUP, "robots", include=[{"everyone": {}}], require=[named("one")])
POLICY = made(ObjectKind.POLICY, "machines", include=[{"everyone": {}}], exclude=[{"everyone": {}}, named("two")])
APP = made(ObjectKind.APPLICATION, "Wiki", policies=["machines", {"name": "own", "include": [named("three")]}])
DOCUMENTS = Documents(0, (GROUP, POLICY, APP))


@pytest.mark.parametrize(
    ("references", "users"),
    [
        ({"one"}, ("the group 'robots'",)),
        ({"two", "x"}, ("the policy 'machines'",)),
        ({"three"}, ("the application 'Wiki'",)),
        ({"one", "three"}, ("the group 'robots'", "the application 'Wiki'")),
        ({"machines"}, ()),
        (set(), ()),
    ],
)
def test_who_names_a_token_is_told(references: set[str], users: tuple[str, ...]) -> None:
    assert find_token_users(DOCUMENTS, references) == users


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        (GROUP, "access.groups[0].require[0].service_token.token_id"),
        (POLICY, "access.policies[0].exclude[1].service_token.token_id"),
        (APP, "access.applications[0].policies[1].include[0].service_token.token_id"),
        (made(ObjectKind.GROUP, "new", include=[named("x")]), "access.groups[1].include[0].service_token.token_id"),
    ],
)
def test_an_unknown_token_is_refused_at_its_place(changed: AccessObject, path: str) -> None:
    change = Change(changed.kind, changed.id, changed)
    with pytest.raises(InvalidChange) as refused:
        verify_tokens_known(DOCUMENTS, change, set())
    assert [problem.path for problem in refused.value.problems] == [path]
    verify_tokens_known(DOCUMENTS, change, {"one", "two", "three", "x"})


@pytest.mark.case(74)
@pytest.mark.parametrize("include", [None, "x", 5, [None], ["x"], [{"service_token": "x"}], [named(5)], [named(None)]])
def test_what_has_no_form_of_a_rule_names_nothing(include: object) -> None:
    changed = made(ObjectKind.POLICY, "odd", include=include)
    verify_tokens_known(DOCUMENTS, Change(changed.kind, changed.id, changed), set())


def test_what_is_deleted_names_nothing() -> None:
    verify_tokens_known(DOCUMENTS, Change(POLICY.kind, POLICY.id, None), set())
