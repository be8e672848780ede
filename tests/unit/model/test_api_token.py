"""What a token may, from where and when, and what it may give."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from secondgate.model.api_token import ApiToken, Permission

TOKEN = ApiToken("id", "ci", "hash", frozenset((Permission.APPS_WRITE, Permission.MFA_RESET)), (), 0)
TEN, HOST = ip_network("10.0.0.0/8"), ip_network("10.0.0.7")


def test_writing_includes_reading_of_the_same_and_nothing_else_does() -> None:
    assert {one for one in Permission if TOKEN.may(one)} == {*TOKEN.permissions, Permission.APPS_READ}
    assert Permission.APPS_REVOKE.reading is Permission.MFA_RESET.reading is Permission.APPS_READ.reading is None


@pytest.mark.case(27)
def test_it_is_valid_from_its_beginning_until_its_end_unless_disabled() -> None:
    token = replace(TOKEN, not_before=10, expires_at=20)
    assert [token.is_valid_at(now) for now in (9, 10, 19, 20)] == [False, True, True, False]
    assert not replace(token, is_enabled=False).is_valid_at(15)
    assert TOKEN.is_valid_at(0)


@pytest.mark.parametrize(
    ("networks", "excluded", "address", "may"),
    [
        ((), (), "192.0.2.1", True),
        ((TEN,), (), "10.9.9.9", True),
        ((TEN,), (), "::ffff:10.9.9.9", True),
        ((TEN,), (), "11.0.0.0", False),
        ((TEN,), (), "::1", False),
        ((TEN,), (HOST,), "10.0.0.7", False),
        ((TEN,), (HOST,), "10.0.0.8", True),
        ((), (HOST,), "::ffff:10.0.0.7", False),
    ],
)
def test_it_comes_from_its_networks_in_either_spelling_and_never_from_the_excluded_ones(
    networks: tuple[object, ...], excluded: tuple[object, ...], address: str, *, may: bool
) -> None:
    token = replace(TOKEN, networks=networks, excluded_networks=excluded)  # type: ignore[arg-type]  # parametrized
    assert token.may_come_from(ip_address(address)) is may


@pytest.mark.case(72)
def test_a_token_gives_what_it_has_and_no_more() -> None:
    assert TOKEN.reason_not_to_give(TOKEN) == ""
    assert TOKEN.reason_not_to_give(replace(TOKEN, permissions=frozenset((Permission.APPS_READ,)))) == ""
    for more in set(Permission) - {Permission.APPS_READ, *TOKEN.permissions}:
        assert more.value in TOKEN.reason_not_to_give(replace(TOKEN, permissions=frozenset((more,))))
    mortal = replace(TOKEN, expires_at=10)
    assert [mortal.reason_not_to_give(replace(TOKEN, expires_at=at)) == "" for at in (9, 10, 11, None)] == [
        True,
        True,
        False,
        False,
    ]
    placed = replace(TOKEN, networks=(TEN,), excluded_networks=(HOST,))
    for networks, excluded, may in (
        ((TEN,), (HOST,), True),
        ((TEN,), (TEN,), True),
        ((ip_network("10.1.0.0/16"),), (), True),
        ((TEN,), (), False),
        ((HOST,), (), False),
        ((), (HOST,), False),
        ((TEN, ip_network("11.0.0.0/8")), (HOST,), False),
        ((ip_network("0.0.0.0/0"),), (HOST,), False),
        ((ip_network("::/0"),), (HOST,), False),
    ):
        other = replace(TOKEN, networks=networks, excluded_networks=excluded)
        assert (placed.reason_not_to_give(other) == "") is may, (networks, excluded)
