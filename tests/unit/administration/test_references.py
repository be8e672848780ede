"""Who refers to an object is named; what refers to nothing anyway is not held against it."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from secondgate.administration.documents import ORGANIZATION_ID, Documents
from secondgate.administration.references import find_references
from secondgate.model.access_object import AccessObject, ObjectKind


def id_of(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))


def made(kind: ObjectKind, name: str, **document: Any) -> AccessObject:  # noqa: ANN401 - any JSON
    id_ = {ObjectKind.ORGANIZATION: ORGANIZATION_ID, ObjectKind.TAG: name}.get(kind, id_of(name))
    return AccessObject(kind, id_, {"name": name, **document}, 0, 0)


GUESTS = made(ObjectKind.LIST, "Guests", type="EMAIL", items=[{"value": "a@example.com"}])
MODELS = made(ObjectKind.LIST, "Models", type="AAGUID", items=[{"value": "0" * 31 + "1"}])
STAFF = made(ObjectKind.GROUP, "Staff", include=[{"email_list": {"id": id_of("Guests")}}])
MORE = made(ObjectKind.GROUP, "More", include=[{"group": {"id": "Staff"}}])
PIN = made(ObjectKind.IDENTITY_PROVIDER, "PIN", type="onetimepin")
SHARED = made(ObjectKind.POLICY, "Shared", decision="allow", include=[{"login_method": {"id": id_of("PIN")}}])
TAG = made(ObjectKind.TAG, "in")
WIKI = made(
    ObjectKind.APPLICATION,
    "Wiki",
    domain="wiki.example.com",
    policies=[id_of("Shared"), {"name": "own", "decision": "deny", "include": [{"group": {"id": id_of("Staff")}}]}],
    allowed_idps=[id_of("PIN")],
    tags=["in"],
)
ORGANIZATION = made(
    ObjectKind.ORGANIZATION,
    "Example",
    mfa_config={
        "allowed_authenticators": ["security_key"],
        "session_duration": "1h",
        "required_aaguids": id_of("Models"),
    },
)
ALL = Documents(1, (ORGANIZATION, GUESTS, MODELS, STAFF, MORE, PIN, SHARED, TAG, WIKI))


@pytest.mark.case(58)
@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (GUESTS, ("the group 'Staff'",)),
        (MODELS, ("the organization",)),
        (STAFF, ("the group 'More'", "the application 'Wiki'")),
        (MORE, ()),
        (PIN, ("the policy 'Shared'", "the application 'Wiki'")),
        (SHARED, ("the application 'Wiki'",)),
        (TAG, ("the application 'Wiki'",)),
        (WIKI, ()),
    ],
    ids=lambda one: one.document["name"] if isinstance(one, AccessObject) else "",
)
def test_everything_that_refers_to_an_object_is_named_once(one: AccessObject, expected: tuple[str, ...]) -> None:
    assert find_references(ALL, one) == expected


def test_an_object_that_nobody_refers_to_any_more_is_free() -> None:
    assert find_references(ALL.without(ObjectKind.GROUP, MORE.id).without(WIKI.kind, WIKI.id), STAFF) == ()


def test_an_object_of_another_place_with_the_same_name_is_not_meant() -> None:
    documents = ALL.saved(made(ObjectKind.LIST, "Staff", type="IP", items=[{"value": "10.0.0.0/8"}]))
    (list_,) = [one for one in documents.of(ObjectKind.LIST) if one.document["name"] == "Staff"]
    assert find_references(documents, list_) == ()


def test_a_mistake_that_is_there_already_is_not_held_against_it() -> None:
    wrong = made(ObjectKind.GROUP, "Wrong", include=[{"group": {"id": id_of("None")}}])
    assert find_references(ALL.saved(wrong), MORE) == ()


def test_two_that_refer_to_it_in_the_same_words_are_both_named() -> None:
    second = made(ObjectKind.GROUP, "Second", include=[{"email_list": {"id": id_of("Guests")}}])
    assert find_references(ALL.saved(second), GUESTS) == ("the group 'Staff'", "the group 'Second'")
