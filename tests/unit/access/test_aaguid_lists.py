"""Lists of AAGUIDs, and the organization that requires one: one form, no silence, never "no restriction"."""

from __future__ import annotations

from typing import Any

import pytest

from secondgate.access import AccessShapes, compile_access, find_problems
from secondgate.access.fields import parse_aaguid
from secondgate.errors import InvalidConfiguration, Malformed

YUBIKEY = "2fc0579f811347eab116bb5a8db9202a"
TITAN = "42b4fb4a286643b29bf76c6669c2e5d3"
REQUIRED = "access.organization.mfa_config.required_aaguids"
ACCOUNT = "0" * 32


def settings(*values: str, required: object = "keys", **more: Any) -> dict[str, Any]:  # noqa: ANN401 - of the wire
    return {
        "organization": {"mfa_config": {"allowed_authenticators": ["security_key"], "required_aaguids": required}},
        "lists": [
            {"name": "people", "type": "EMAIL", "items": [{"value": "ann@example.com"}]},
            {"name": "keys", "type": "AAGUID", "items": [{"value": value, "description": "a key"} for value in values]},
        ],
        **more,
    }


def problems(data: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one.path, one.message) for one in find_problems(AccessShapes.model_validate(data))]


def required_by(data: dict[str, Any]) -> frozenset[str] | None:
    access = compile_access(AccessShapes.model_validate(data), account_id=ACCOUNT)
    return access.rulebook.organization.mfa.required_aaguids


@pytest.mark.case(58)
@pytest.mark.parametrize(
    "text", [YUBIKEY, YUBIKEY.upper(), "2fc0579f-8113-47ea-b116-bb5a8db9202a", "2FC0579F-8113-47ea-b116-bb5a8db9202a"]
)
def test_every_spelling_is_compared_in_one_form(text: str) -> None:
    assert parse_aaguid(text) == YUBIKEY
    assert required_by(settings(text, TITAN)) == frozenset((YUBIKEY, TITAN))


@pytest.mark.case(58)
@pytest.mark.parametrize(
    "text",
    [
        "",
        "YubiKey 5",
        YUBIKEY[1:],
        f"{YUBIKEY}0",
        f"g{YUBIKEY[1:]}",
        f"{{{YUBIKEY}}}",
        f"urn:uuid:{YUBIKEY}",
        "2fc0-579f811347eab116bb5a8db9202a",
        "2fc0579f-811347ea-b116-bb5a-8db9202a",
        f" {YUBIKEY}",
        f"\N{FULLWIDTH DIGIT TWO}{YUBIKEY[1:]}",
        "0" * 32,
        "00000000-0000-0000-0000-000000000000",
    ],
)
def test_what_is_no_aaguid_is_a_problem_at_its_place(text: str) -> None:
    with pytest.raises(Malformed):
        parse_aaguid(text)
    [(path, _)] = problems(settings(TITAN, text))
    assert path == "access.lists[1].items[1].value"


@pytest.mark.case(58)
def test_the_same_value_in_another_spelling_is_a_duplicate() -> None:
    [(path, message)] = problems(settings(YUBIKEY, "2FC0579F-8113-47EA-B116-BB5A8DB9202A"))
    assert (path, "in the list already" in message) == ("access.lists[1].items[1].value", True)


def test_values_are_kept_as_they_were_sent() -> None:
    sent = "2FC0579F-8113-47EA-B116-BB5A8DB9202A"
    shapes = AccessShapes.model_validate(settings(sent))
    assert shapes.lists[1].items[0].value == sent


@pytest.mark.case(58)
@pytest.mark.parametrize(
    ("required", "words"),
    [
        ("gone", "there is no list of type AAGUID named 'gone'; there is: keys"),
        ("people", "'people' is no list of type AAGUID"),
    ],
)
def test_a_reference_that_leads_nowhere_is_a_problem_and_never_no_restriction(required: str, words: str) -> None:
    data = settings(YUBIKEY, required=required)
    assert problems(data) == [(REQUIRED, words)]
    with pytest.raises(InvalidConfiguration):
        required_by(data)


@pytest.mark.case(58)
def test_an_empty_list_can_enrol_nobody_and_is_a_problem() -> None:
    [(path, message)] = problems(settings())
    assert (path, "nobody could enrol" in message) == (REQUIRED, True)


def test_a_list_may_be_named_by_its_id() -> None:
    list_id = "abcdef78-1234-4234-8234-123456789abc"
    data = settings(YUBIKEY, required=list_id.upper())
    data["lists"][1]["id"] = list_id
    assert required_by(data) == frozenset((YUBIKEY,))


def test_null_requires_nothing() -> None:
    data = settings(YUBIKEY, required=None)
    assert problems(data) == []
    assert required_by(data) is None
    del data["organization"]["mfa_config"]["required_aaguids"]
    assert required_by(data) is None
    assert required_by({}) is None


@pytest.mark.parametrize("level", ["application", "policy"])
def test_only_the_organization_requires_models(level: str) -> None:
    policy: dict[str, Any] = {"name": "all", "decision": "allow", "include": [{"everyone": {}}]}
    application: dict[str, Any] = {"name": "Wiki", "domain": "wiki.example.com", "policies": [policy]}
    (application if level == "application" else policy)["mfa_config"] = {"required_aaguids": "keys"}
    with pytest.raises(ValueError, match="required_aaguids"):
        AccessShapes.model_validate(settings(YUBIKEY, applications=[application]))


def test_a_change_of_the_list_is_another_version() -> None:
    versions = {
        compile_access(AccessShapes.model_validate(settings(*values)), account_id=ACCOUNT).version
        for values in ((YUBIKEY,), (TITAN,), (YUBIKEY, TITAN))
    }
    assert len(versions) == 3
