"""What may be written in the managed objects, and what is refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from secondgate.access.fields import Duration, EmailAddress, Id, MailDomain, Name, Network, Shape, Text, Url
from secondgate.access.rules import RuleShape
from secondgate.access.shapes import (
    AccessShapes,
    ApplicationShape,
    IdentityProviderShape,
    ListShape,
    MfaConfigShape,
    MfaOverrideShape,
    OrganizationShape,
    PolicyShape,
)

WELL_FORMED = [
    {"everyone": {}},
    {"email": {"email": "Ann@Example.com"}},
    {"email_domain": {"domain": "example.com"}},
    {"email_list": {"id": "staff"}},
    {"group": {"id": "staff"}},
    {"ip": {"ip": "192.0.2.0/24"}},
    {"ip": {"ip": "2001:db8::1"}},
    {"ip_list": {"id": "office"}},
    {"login_method": {"id": "PIN"}},
    {"auth_method": {"auth_method": "hwk"}},
]


def messages(error: ValidationError) -> Iterator[str]:
    for details in error.errors():
        yield f"{'.'.join(map(str, details['loc']))}: {details['msg']}"


@pytest.mark.parametrize("rule", WELL_FORMED, ids=str)
def test_each_kind_of_rule_is_taken_and_echoed_as_it_was_sent(rule: dict[str, object]) -> None:
    shape = RuleShape.model_validate(rule)
    assert shape.model_dump(exclude_none=True) == rule
    assert shape.kind in rule


def test_a_rule_knows_what_it_refers_to() -> None:
    assert RuleShape.model_validate({"group": {"id": "staff"}}).reference == "staff"
    assert RuleShape.model_validate({"everyone": {}}).reference is None


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"everyone": None},
        {"everyone": {}, "ip": {"ip": "192.0.2.7"}},
        {"everyone": {"x": 1}},
        {"email": {"email": "a@b@c"}},
        {"email": {"email": "example.com"}},
        {"email": {"email": 7}},
        {"email_domain": {"domain": "@example.com"}},
        {"email_domain": {"domain": "*.example.com"}},
        {"ip": {"ip": "192.0.2.7/24"}},
        {"ip": {"ip": "office"}},
        {"auth_method": {"auth_method": ""}},
        {"auth_method": {"auth_method": "a b"}},
        {"group": {"id": ""}},
        {"group": "staff"},
    ],
    ids=str,
)
def test_what_is_no_rule_of_one_kind_is_refused(rule: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RuleShape.model_validate(rule)


@pytest.mark.parametrize("kind", sorted(RuleShape.NOT_YET))
def test_a_rule_kind_that_nothing_honours_is_never_taken(kind: str) -> None:
    with pytest.raises(ValidationError):
        RuleShape.model_validate({kind: {}})


def test_what_nothing_honours_is_no_field_anywhere() -> None:
    shapes: list[type[Shape]] = [
        AccessShapes,
        ApplicationShape,
        PolicyShape,
        MfaOverrideShape,
        IdentityProviderShape,
    ]
    for shape in shapes:
        assert shape.NOT_YET
        assert shape.NOT_YET.isdisjoint(shape.model_fields)


@pytest.mark.parametrize(
    ("shape", "data"),
    [
        (IdentityProviderShape, {"name": "C", "type": "saml"}),
        (ListShape, {"name": "L", "type": "SERIAL"}),
        (ApplicationShape, {"name": "A", "type": "saas"}),
        (ApplicationShape, {"name": "A", "destinations": [{"type": "private", "uri": "a.b"}]}),
    ],
    ids=str,
)
def test_a_documented_type_that_nothing_honours_is_refused_by_name(shape: type[ListShape], data: object) -> None:
    with pytest.raises(ValidationError) as caught:
        shape.model_validate(data)
    assert any("not supported by this version" in message for message in messages(caught.value))


@pytest.mark.parametrize(
    ("shape", "field", "true_here", "others"),
    [
        (ApplicationShape, "http_only_cookie_attribute", True, [False, 1, "true"]),
        (ApplicationShape, "same_site_cookie_attribute", "lax", ["none", "strict", True]),
        (ApplicationShape, "path_cookie_attribute", False, [True, 0, ""]),
        (ApplicationShape, "enable_binding_cookie", False, [True]),
        (ApplicationShape, "skip_interstitial", False, [True]),
        (ApplicationShape, "allow_authenticate_via_warp", False, [True]),
        (PolicyShape, "purpose_justification_required", False, [True]),
        (PolicyShape, "approval_required", False, [True]),
        (PolicyShape, "isolation_required", False, [True]),
    ],
)
def test_of_some_documented_fields_only_the_value_that_is_true_here_is_taken(
    shape: type[Shape], field: str, true_here: object, others: list[object]
) -> None:
    data = {"name": "A", "decision": "allow"} if shape is PolicyShape else {"name": "A"}
    assert shape.model_validate({**data, field: true_here}).model_dump(exclude_unset=True)[field] == true_here
    for other in others:
        with pytest.raises(ValidationError) as caught:
            shape.model_validate({**data, field: other})
        assert f"{field}: must be {str(true_here).lower()}: " in next(messages(caught.value))


def test_an_override_is_set_when_it_says_anything() -> None:
    assert not MfaOverrideShape().is_set
    assert not MfaOverrideShape(session_duration=None).is_set
    assert MfaOverrideShape(mfa_disabled=False).is_set
    assert MfaOverrideShape(allowed_authenticators=()).is_set


def test_values_are_kept_as_they_were_sent() -> None:
    data = {"allowed_authenticators": ["security_key", "totp"], "session_duration": "90m"}
    assert MfaConfigShape.model_validate(data).model_dump(mode="json", exclude_unset=True) == data


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Text, "a\nb"),
        (Text, "a" * 2049),
        (Text, "\x1b[2J"),
        (Text, 7),
        (Name, ""),
        (Name, " a"),
        (Name, "a" * 351),
        (Id, "7"),
        (Duration, "1y"),
        (Duration, "-1m"),
        (Duration, "721h"),
        (Duration, "30s"),
        (Duration, ""),
        (EmailAddress, "ann"),
        (MailDomain, "exa mple.com"),
        (Network, "10.0.0.1/8"),
        (Url, "javascript:alert(1)"),
        (Url, "//example.com"),
        (Url, "https://user@example.com/"),
        (Url, "https://[::1"),
        (Url, "https://exa mple.com"),
    ],
    ids=str,
)
def test_a_malformed_value_is_refused(kind: Any, text: object) -> None:  # noqa: ANN401 - an annotated type has no type
    adapter: TypeAdapter[str] = TypeAdapter(kind)
    with pytest.raises(ValidationError):
        adapter.validate_python(text)


@pytest.mark.parametrize("value", [0, 1, "true", None])
def test_a_flag_is_true_or_false_and_nothing_like_it(value: object) -> None:
    with pytest.raises(ValidationError):
        ApplicationShape.model_validate({"name": "A", "app_launcher_visible": value})


@pytest.mark.parametrize("value", [True, "1", 1.5, -1, 2**31, 10**4299])
def test_a_precedence_is_a_whole_number(value: object) -> None:
    with pytest.raises(ValidationError):
        PolicyShape.model_validate({"name": "P", "decision": "allow", "precedence": value})


@pytest.mark.parametrize("field", ["session_duration"])
def test_a_session_that_ends_at_once_is_refused(field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ApplicationShape.model_validate({"name": "A", field: "0m"})
    assert any("longer than 0m" in message for message in messages(caught.value))


def test_requests_that_match_nothing_are_denied_whatever_is_said() -> None:
    assert OrganizationShape.model_validate({"deny_unmatched_requests": True}).deny_unmatched_requests
    with pytest.raises(ValidationError) as caught:
        OrganizationShape.model_validate({"deny_unmatched_requests": False})
    assert any("what no application has is refused, always" in message for message in messages(caught.value))
