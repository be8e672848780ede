"""Service tokens on the wire: two fields, each at most once, and values of a known form."""

from __future__ import annotations

import re

import pytest

from secondgate.errors import Malformed, Reason
from secondgate.model.secret import Secret
from secondgate.protocol.service_token import (
    PresentedServiceToken,
    new_client_id,
    new_client_secret,
    parse_service_token,
)

ID = "0123456789abcdef" * 2 + ".access"
SECRET = "fedcba9876543210" * 4


def test_both_fields_are_read_in_any_spelling() -> None:
    for names in (
        ("CF-Access-Client-Id", "CF-Access-Client-Secret"),
        ("cf-access-client-id", "Cf-Access-Client-Secret"),
    ):
        found = parse_service_token([("Host", "x"), (names[0], f" {ID} "), (names[1], SECRET)])
        assert found == PresentedServiceToken(ID, Secret(SECRET))
        assert SECRET not in repr(found)


def test_who_sends_neither_presents_nothing_and_a_half_is_presented() -> None:
    assert parse_service_token([("Host", "x"), ("Accept", ID)]) is None
    assert parse_service_token([("Host", "x"), ("CF-Access-Client", ID), ("CF-Access-Jwt-Assertion", "j")]) is None
    assert parse_service_token([("CF-Access-Client-Id", ID)]) == PresentedServiceToken(ID, Secret(""))
    assert parse_service_token([("CF-Access-Client-Secret", SECRET)]) == PresentedServiceToken("", Secret(SECRET))
    assert parse_service_token([("CF-Access-Client-Id", "")]) == PresentedServiceToken("", Secret(""))


@pytest.mark.case(3)
@pytest.mark.parametrize(
    "more",
    [
        ("CF-Access-Client-Id", ID),
        ("cf-access-client-secret", SECRET),
        ("CF_Access_Client_Id", ID),
        ("CF-Access-Client_Secret", SECRET),
        ("CF.Access.Client.Secret", SECRET),
    ],
)
def test_duplicates_and_twins_are_refused(more: tuple[str, str]) -> None:
    fields = [("CF-Access-Client-Id", ID), ("CF-Access-Client-Secret", SECRET)]
    for headers in ([*fields, more], [more, *fields], [more, more]):
        with pytest.raises(Malformed) as refused:
            parse_service_token(headers)
        assert refused.value.reason is Reason.AMBIGUOUS_HEADER
        assert SECRET not in str(refused.value)


@pytest.mark.case(3)
@pytest.mark.parametrize("value", [f"{SECRET}\n", f"{SECRET}\0", f"a\r\n {SECRET}", f"\t{SECRET}"])
def test_control_characters_are_refused(value: str) -> None:
    with pytest.raises(Malformed):
        parse_service_token([("CF-Access-Client-Id", ID), ("CF-Access-Client-Secret", value)])


@pytest.mark.case(97)
@pytest.mark.parametrize("client_id", [SECRET, f"{SECRET}.access", ID.upper(), ID + "\n", f"x{ID}", "", "ci", "\ud800"])
def test_what_is_no_client_id_has_no_public_form(client_id: str) -> None:
    assert PresentedServiceToken(client_id, Secret("")).public_id == ""
    assert PresentedServiceToken(ID, Secret("")).public_id == ID


def test_made_values_have_the_form_and_all_random_bits() -> None:
    asked = []

    def random_bytes(count: int) -> bytes:
        asked.append(count)
        return bytes(range(count))

    assert re.fullmatch(r"[0-9a-f]{32}\.access", new_client_id(random_bytes))
    assert new_client_secret(random_bytes).reveal() == bytes(range(32)).hex()
    assert asked == [16, 32]
