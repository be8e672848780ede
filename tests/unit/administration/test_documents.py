"""Objects as documents, and the shapes that they are as a whole."""

from __future__ import annotations

from typing import Any

import pytest

from secondgate.access import compile_access
from secondgate.access.shapes import AccessShapes
from secondgate.administration.documents import (
    NOTHING,
    ORGANIZATION_ID,
    Documents,
    documents_of_file,
    read_shapes,
    stored_documents,
)
from secondgate.errors import InvalidConfiguration
from secondgate.model.access_object import AccessObject, ObjectKind, StoredAccess

ACCOUNT = "0123456789abcdef0123456789abcdef"
NOW = 1_800_000_000
A, B = "0b0e5d0e-6d9c-4d8e-8f43-0a3f2a1c9d1a", "0b0e5d0e-6d9c-4d8e-8f43-0a3f2a1c9d1b"


def group(id_: str, **document: Any) -> AccessObject:  # noqa: ANN401 - any JSON
    return AccessObject(ObjectKind.GROUP, id_, {"name": id_, "include": [{"everyone": {}}], **document}, NOW, NOW)


def problems(data: dict[str, object]) -> dict[str, str]:
    with pytest.raises(InvalidConfiguration) as refused:
        read_shapes(data)
    return {problem.path: problem.message for problem in refused.value.problems}


def test_an_object_is_added_last_replaced_where_it_stood_and_taken_away() -> None:
    documents = Documents(7, (group("a"), group("b")))
    more = documents.saved(group("c"))
    assert [one.id for one in more.objects] == ["a", "b", "c"]
    changed = more.saved(group("b", name="new"))
    assert [one.document["name"] for one in changed.objects] == ["a", "new", "c"]
    assert [one.id for one in changed.without(ObjectKind.GROUP, "a").objects] == ["b", "c"]
    assert changed.without(ObjectKind.LIST, "a") == changed
    assert changed.version == 7
    assert [one.id for one in documents.objects] == ["a", "b"]


def test_one_id_may_stand_for_an_object_of_each_kind() -> None:
    tag = AccessObject(ObjectKind.TAG, "a", {"name": "a"}, NOW, NOW)
    documents = Documents(0, (group("a"),)).saved(tag)
    assert documents.of(ObjectKind.TAG) == (tag,)
    assert documents.find(ObjectKind.GROUP, "a") == group("a")
    assert documents.find(ObjectKind.TAG, "A") is None
    assert documents.of(ObjectKind.LIST) == ()


def test_shapes_are_made_of_all_objects_with_their_ids_in_their_order() -> None:
    organization = AccessObject(ObjectKind.ORGANIZATION, ORGANIZATION_ID, {"name": "Example"}, NOW, NOW)
    stored = StoredAccess(3, (group(B, name="b"), organization, group(A, name="a")))
    documents = stored_documents(stored)
    shapes = documents.shapes()
    assert documents.version == 3
    assert [(one.id, one.name) for one in shapes.groups] == [(B, "b"), (A, "a")]
    assert shapes.organization.name == "Example"
    assert NOTHING.shapes().groups == ()


def test_every_field_that_is_not_well_formed_is_named_with_its_place_and_what_is_allowed() -> None:
    found = problems(
        {
            "organization": {"session_duration": "1y", "nmae": "x"},
            "groups": [{"name": "a", "include": [{"everyone": {}}]}, {"name": 7, "include": [{"everyone": {}}]}],
            "lists": [{"name": "l", "type": "SOCKS"}],
        }
    )
    assert found.keys() == {
        "access.organization.session_duration",
        "access.organization.nmae",
        "access.groups[1].name",
        "access.lists[0].type",
    }
    assert (
        "minutes" in found["access.organization.session_duration"]
        or "30m" in found["access.organization.session_duration"]
    )
    assert "name" in found["access.organization.nmae"]
    assert "AAGUID" in found["access.lists[0].type"]


@pytest.mark.parametrize("kind", ["certificate", "geo", "github-organization"])
def test_a_rule_of_a_kind_that_is_not_judged_is_named_never_ignored(kind: str) -> None:
    found = problems({"groups": [{"name": "a", "include": [{kind: {"name": "x"}}]}]})
    assert any(kind in path + message for path, message in found.items())


def test_a_problem_in_a_policy_of_an_application_is_named_by_its_place_there() -> None:
    policy = {"name": "p", "decision": "perhaps", "include": [{"everyone": {}}]}
    found = problems({"applications": [{"name": "A", "domain": "a.example.com", "policies": [policy]}]})
    assert list(found) == ["access.applications[0].policies[0].decision"]


FILE = {
    "organization": {"name": "Example"},
    "identity_providers": [
        {
            "name": "Corporate",
            "type": "oidc",
            "config": {"issuer_url": "https://login.example.com", "client_id": "c", "client_secret": "not to be seen"},
        }
    ],
    "lists": [{"name": "Guests", "type": "EMAIL", "items": [{"value": "Guest@Example.com"}]}],
    "groups": [{"id": "0b0e5d0e-6d9c-4d8e-8f43-0a3f2a1c9d11", "name": "Staff", "include": [{"everyone": {}}]}],
    "policies": [{"name": "Guests", "decision": "allow", "include": [{"email_list": {"id": "Guests"}}]}],
    "applications": [{"name": "Wiki", "domain": "wiki.example.com", "policies": ["Guests"], "tags": ["in"]}],
    "tags": [{"name": "in"}],
}


def test_a_files_objects_have_the_ids_that_they_are_judged_by() -> None:
    shapes = AccessShapes.model_validate(FILE)
    documents = documents_of_file(shapes, account_id=ACCOUNT, now=NOW)
    access = compile_access(shapes, account_id=ACCOUNT)
    ids = {kind: [one.id for one in documents.of(kind)] for kind in ObjectKind}
    (application,) = access.applications
    assert ids == {
        ObjectKind.ORGANIZATION: [ORGANIZATION_ID],
        ObjectKind.IDENTITY_PROVIDER: [access.identity_providers[0].id],
        ObjectKind.LIST: ids[ObjectKind.LIST],
        ObjectKind.GROUP: list(access.rulebook.groups),
        ObjectKind.POLICY: [application.policies[0].id],
        ObjectKind.APPLICATION: [application.id],
        ObjectKind.TAG: ["in"],
    }
    (rule,) = application.policies[0].criteria.include
    assert getattr(rule, "list_id", None) in ids[ObjectKind.LIST]


def test_a_files_objects_made_into_shapes_again_mean_the_same() -> None:
    shapes = AccessShapes.model_validate({name: part for name, part in FILE.items() if name != "identity_providers"})
    documents = documents_of_file(shapes, account_id=ACCOUNT, now=NOW)
    again = compile_access(documents.shapes(), account_id=ACCOUNT)
    once = compile_access(shapes, account_id=ACCOUNT)
    assert again.rulebook == once.rulebook
    assert again.applications == once.applications


def test_a_files_secrets_stay_hidden_and_what_it_leaves_out_is_not_invented() -> None:
    documents = documents_of_file(AccessShapes.model_validate(FILE), account_id=ACCOUNT, now=NOW)
    assert "not to be seen" not in repr(documents)
    (organization,) = documents.of(ObjectKind.ORGANIZATION)
    assert organization.document == {"name": "Example"}
    (list_,) = documents.of(ObjectKind.LIST)
    assert [list_.document] == FILE["lists"]


def test_what_a_file_says_still_is_as_old_as_it_was() -> None:
    before = documents_of_file(AccessShapes.model_validate(FILE), account_id=ACCOUNT, now=NOW)
    changed = {**FILE, "organization": {"name": "New"}, "tags": [{"name": "in"}, {"name": "new"}]}
    after = documents_of_file(AccessShapes.model_validate(changed), account_id=ACCOUNT, now=NOW + 9, before=before)
    times = {(one.kind, one.id): (one.created_at - NOW, one.updated_at - NOW) for one in after.objects}
    assert times.pop((ObjectKind.ORGANIZATION, ORGANIZATION_ID)) == (0, 9)
    assert times.pop((ObjectKind.TAG, "new")) == (9, 9)
    assert set(times.values()) == {(0, 0)}


def test_what_is_made_of_all_documents_is_made_once_and_anew_for_others() -> None:
    made: list[int] = []

    def count(documents: Documents) -> int:
        made.append(len(documents.objects))
        return len(documents.objects)

    empty = Documents()
    one = empty.saved(AccessObject(ObjectKind.GROUP, "a", {"name": "a"}, 0, 0))
    assert [empty.once(count), one.once(count), one.once(count), empty.once(count)] == [0, 1, 1, 0]
    assert made == [0, 1]
    assert one.find(ObjectKind.GROUP, "a") is one.objects[0]
    assert one.without(ObjectKind.GROUP, "a").find(ObjectKind.GROUP, "a") is None
    assert one.find(ObjectKind.POLICY, "a") is None
