"""What is stored of applications: one truth in three fields of addresses, and policies with ids and times."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from secondgate.administration.application_documents import (
    placed_documents,
    settled_addresses,
    settled_policies,
    with_addresses,
)
from secondgate.administration.documents import Documents
from secondgate.errors import InvalidConfiguration, Malformed
from secondgate.model.access_object import AccessObject, ObjectKind

NOW = 1_800_000_000
SHARED = "aaaaaaaa-0000-4000-8000-000000000001"
A, B = "a.example.com", "b.example.com"
OWN = "bbbbbbbb-0000-4000-8000-000000000001"
RULES = {"decision": "allow", "include": [{"everyone": {}}]}
DOCUMENTS = Documents(1, (AccessObject(ObjectKind.POLICY, SHARED, {"name": "shared", **RULES}, NOW, NOW + 5),))


def public(*texts: str) -> list[dict[str, str]]:
    return [{"type": "public", "uri": text} for text in texts]


def application(*policies: object) -> AccessObject:
    return AccessObject(ObjectKind.APPLICATION, "app", {"name": "Wiki", "policies": list(policies)}, NOW, NOW + 9)


def own(**fields: object) -> dict[str, object]:
    return {"id": OWN, "name": "own", **RULES, "created_at": NOW + 1, "updated_at": NOW + 2, **fields}


def settled(given: object, old: AccessObject | None = None) -> Any:  # noqa: ANN401 - JSON
    numbers = itertools.count(1)

    def new_id() -> str:
        return f"new-{next(numbers)}"

    return settled_policies(DOCUMENTS, old, given, new_id=new_id, now=NOW + 100)


@pytest.mark.parametrize(
    ("document", "domain", "addresses"),
    [
        ({"domain": A}, A, [A]),
        ({"destinations": [{"uri": B}, {"uri": A}]}, B, [B, A]),
        ({"self_hosted_domains": ["a.example.com/x"]}, "a.example.com/x", ["a.example.com/x"]),
        ({"domain": A, "destinations": public(B)}, A, [A, B]),
        ({"domain": "A.example.com/", "destinations": public("a.example.com")}, "A.example.com/", ["a.example.com"]),
    ],
)
def test_each_of_the_three_fields_follows_from_the_others(
    document: dict[str, Any], domain: str, addresses: list[str]
) -> None:
    whole = with_addresses(document)
    assert (whole["domain"], whole["self_hosted_domains"]) == (domain, addresses)
    assert whole["destinations"] == public(*addresses)
    assert with_addresses(whole) == whole


TWO = {"domain": "a.example.com", "destinations": public("a.example.com", "b.example.com")}


@pytest.mark.parametrize(
    ("body", "addresses"),
    [
        ({}, ["a.example.com", "b.example.com"]),
        ({"domain": "A.example.com"}, ["a.example.com", "b.example.com"]),
        ({"domain": "c.example.com"}, ["c.example.com", "b.example.com"]),
        ({"domain": "b.example.com"}, ["b.example.com"]),
        ({"destinations": public("c.example.com")}, ["c.example.com"]),
        ({"destinations": public("c.example.com", "a.example.com")}, ["c.example.com", "a.example.com"]),
        ({"self_hosted_domains": ["c.example.com"]}, ["c.example.com"]),
        ({"destinations": None}, ["a.example.com"]),
        ({"domain": None}, ["a.example.com", "b.example.com"]),
    ],
)
def test_what_changed_holds_and_what_did_not_says_nothing(body: dict[str, Any], addresses: list[str]) -> None:
    for sent in [body] if None in body.values() else [body, {**with_addresses(TWO), **body}]:
        after = with_addresses(settled_addresses(TWO, sent))
        assert after["self_hosted_domains"] == addresses
        assert after["domain"] in addresses or after["domain"].lower() in addresses


@pytest.mark.parametrize(
    "body",
    [
        {"domain": 7},
        {"domain": "https://a.example.com"},
        {"destinations": "a.example.com"},
        {"destinations": [7, {"uri": None}, {}]},
        {"destinations": {"uri": "a.example.com"}},
        {"self_hosted_domains": [["a.example.com"]]},
        {"domain": ["c.example.com"], "destinations": [None]},
    ],
)
def test_what_is_of_no_such_form_is_kept_for_the_shapes_to_refuse(body: dict[str, Any]) -> None:
    after = settled_addresses(TWO, body)
    assert body.items() <= after.items()
    document = {"name": "Wiki", **after}
    with pytest.raises(InvalidConfiguration):
        Documents(1, (AccessObject(ObjectKind.APPLICATION, OWN, document, NOW, NOW),)).shapes()


def test_new_policies_get_ids_and_times_and_references_stay_as_they_were_sent() -> None:
    given = [{"name": "new", **RULES}, SHARED, {"id": "shared", "precedence": 4}]
    assert settled(given) == [
        {"id": "new-1", "name": "new", **RULES, "created_at": NOW + 100, "updated_at": NOW + 100},
        SHARED,
        {"id": "shared", "precedence": 4},
    ]


def test_what_was_read_is_sent_back_without_change() -> None:
    old = application(own(), {"id": SHARED, "precedence": 4})
    read = [
        {**own(), "precedence": 1, "reusable": False, "created_at": "2027-01-15T08:00:01Z"},
        {"id": SHARED, "name": "shared", **RULES, "precedence": 4, "reusable": True, "app_count": 1},
    ]
    assert settled(read, old) == [own(precedence=1, updated_at=NOW + 100), {"id": SHARED, "precedence": 4}]
    assert settled([{**own(), "reusable": False}], old) == [own()]


@pytest.mark.parametrize(
    "sent",
    [{"name": "own", **RULES, "decision": "deny"}, {"id": OWN.upper(), "name": "own", **RULES, "decision": "deny"}],
)
def test_an_own_policy_keeps_its_id_and_its_age_when_it_changes(sent: dict[str, object]) -> None:
    assert settled([sent], application(own())) == [own(decision="deny", updated_at=NOW + 100)]


def test_an_own_policy_may_be_named_by_its_id_alone() -> None:
    assert settled([OWN, {"id": OWN, "precedence": 3}], application(own())) == [own(), own(precedence=3)]


def test_another_applications_policy_that_is_sent_whole_becomes_one_with_an_id_of_its_own() -> None:
    (policy,) = settled([own()])
    assert policy["id"] == "new-1"


@pytest.mark.parametrize("field", ["decision", "session_duration", "name"])
def test_a_changed_reusable_policy_within_an_application_is_refused_by_field(field: str) -> None:
    sent = {"id": SHARED, "name": "shared", **RULES, field: "other"}
    with pytest.raises(Malformed) as caught:
        settled([OWN, sent])
    assert caught.value.field == f"policies[1].{field}"


@pytest.mark.parametrize("given", [7, "text", {"id": SHARED}, [7], [None], [{}], [{"precedence": 1}], [[SHARED]]])
def test_what_is_no_list_of_policies_is_left_for_the_shapes_to_refuse(given: object) -> None:
    document = {"name": "Wiki", "domain": "a.example.com", "policies": settled(given)}
    objects = (*DOCUMENTS.objects, AccessObject(ObjectKind.APPLICATION, OWN, document, NOW, NOW))
    with pytest.raises(InvalidConfiguration):
        Documents(1, objects).shapes()


def test_policies_are_placed_as_they_are_judged_with_times_of_their_own() -> None:
    placed = list(placed_documents(DOCUMENTS, application(own(precedence=3), "shared", "gone")))
    assert [(one.number, one.id, one.precedence, one.is_reusable) for one in placed] == [
        (0, OWN, 3, False),
        (1, SHARED, 4, True),
    ]
    assert [(one.created_at, one.updated_at) for one in placed] == [(NOW + 1, NOW + 2), (NOW, NOW + 5)]
    assert placed[0].document == {"name": "own", **RULES}


def test_times_of_policies_are_in_no_shape() -> None:
    document = {"name": "Wiki", "domain": "a.example.com", "policies": [own()]}
    shapes = Documents(1, (AccessObject(ObjectKind.APPLICATION, OWN, document, NOW, NOW),)).shapes()
    assert shapes.applications[0].policies[0].id == OWN
