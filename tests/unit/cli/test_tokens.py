"""`token` and `keys` on a real SQLite file: a token is shown once, may no more than was said, and is ended at once."""

from __future__ import annotations

import re
from ipaddress import ip_address

import pytest

from secondgate.errors import Forbidden
from secondgate.flows.api_tokens import verify_api_token
from secondgate.flows.services import Services
from secondgate.model.api_token import ApiToken, Permission
from tests.unit.cli.installation import Installation

TOKEN = re.compile(r"sg_[\w-]{43}")
HERE = "192.0.2.7"


def proved(installation: Installation, presented: str, address: str = HERE) -> ApiToken | None:
    """Give what a listener that starts now takes this for."""

    async def verify(services: Services) -> ApiToken | None:
        try:
            return await verify_api_token(services, presented=presented, address=ip_address(address))
        except Forbidden:
            return None

    return installation.within(verify)


def test_there_is_no_token_before_somebody_makes_one(empty: Installation) -> None:
    assert empty.data("token", "list") == []


def test_a_token_is_shown_once_and_may_what_was_said(empty: Installation) -> None:
    code, out, err = empty.run("token", "create", "--name", "ci", "--permission", "apps-write", "Zero Trust Read")
    assert (code, err) == (0, "")
    (presented,) = TOKEN.findall(out)
    token = proved(empty, presented)
    assert token
    assert token.permissions == {Permission.APPS_WRITE, Permission.ZERO_TRUST_READ}
    assert (token.expires_at, token.networks) == (None, ())
    for arguments in (("token", "list"), ("token", "list", "--json")):
        _, listed, _ = empty.run(*arguments)
        assert "ci" in listed
        assert not TOKEN.search(listed)
        assert token.token_hash not in listed


def test_the_data_of_a_token_is_json(empty: Installation) -> None:
    made = empty.data(
        *("token", "create", "--name", "ci", "--permission", "all"),
        *("--ttl", "720h", "--ip", "192.0.2.0/24", "2001:db8::/32", "--ip", "198.51.100.1"),
    )
    presented = made.pop("token")
    assert TOKEN.fullmatch(presented)
    assert made["permissions"] == sorted(Permission)
    assert made["expires_at"] == made["created_at"] + 720 * 3600
    assert made["networks"] == ["192.0.2.0/24", "2001:db8::/32", "198.51.100.1/32"]
    assert empty.data("token", "list") == [made]
    assert proved(empty, presented, "203.0.113.1") is None
    assert proved(empty, presented)
    listed = empty.run("token", "list")[1].splitlines()[1]
    assert re.search(r" valid  192.0.2.0/24, 2001:db8::/32, 198.51.100.1/32  all$", listed)
    assert empty.data("token", "list")[0]["last_used_at"]


def test_permissions_are_given_by_their_names_in_any_case(empty: Installation) -> None:
    names = [one.value.upper() for one in Permission]
    made = empty.data("token", "create", "--name", "ci", "--permission", *names[:3], "--permission", *names[3:])
    assert made["permissions"] == sorted(Permission)


def test_a_revoked_token_opens_nothing(empty: Installation) -> None:
    for name, by in (("one", "name"), ("two", "id")):
        made = empty.data("token", "create", "--name", name, "--permission", "mfa-reset")
        code, out, err = empty.run("token", "revoke", made[by])
        assert (code, out, err) == (0, f"revoked {name}; it opens nothing any more\n", "")
        assert proved(empty, made["token"]) is None
    assert empty.run("token", "revoke", "one")[::2] == (1, "secondgate: not_found: there is no token 'one'\n")


def test_a_name_belongs_to_one_token(empty: Installation) -> None:
    arguments = ("token", "create", "--name", "ci", "--permission", "all")
    assert empty.run(*arguments)[0] == 0
    code, out, err = empty.run(*arguments)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "there is a token named 'ci' already" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("create", "--permission", "all"), "--name"),
        (("create", "--name", "ci"), "--permission"),
        (("create", "--name", "ci", "--permission"), "--permission"),
        (("create", "--name", "a\nb", "--permission", "all"), "printable characters"),
        (("create", "--name", "ci", "--permission", "app-read"), "did you mean 'apps-read'?"),
        (("create", "--name", "ci", "--permission", "zero trust reed"), "did you mean 'Zero Trust Read'?"),
        (("create", "--name", "ci", "--permission", "xyz"), "there is no permission 'xyz' (all:"),
        (("create", "--name", "ci", "--permission", "all", "--ttl", "1y"), "must be hours"),
        (("create", "--name", "ci", "--permission", "all", "--ip", "10.0.0.1/8"), "write 10.0.0.0/8"),
        (("revoke",), "NAME"),
        ((), "COMMAND"),
    ],
)
def test_bad_usage_is_2(empty: Installation, arguments: tuple[str, ...], words: str) -> None:
    with pytest.raises(SystemExit) as caught:
        empty.run("token", *arguments)
    assert caught.value.code == 2
    assert words in empty.capsys.readouterr().err


def test_help_lists_every_permission_with_its_short_name(empty: Installation) -> None:
    with pytest.raises(SystemExit):
        empty.run("token", "create", "--help")
    text = empty.capsys.readouterr().out
    for permission in Permission:
        assert f"{permission.name.lower().replace('_', '-')} " in text
        assert permission.value in text


@pytest.mark.case(76)
def test_the_audit_log_has_the_command_line_as_actor_and_no_secret(empty: Installation) -> None:
    made = empty.data("token", "create", "--name", "ci", "--permission", "all")
    empty.run("token", "revoke", "ci")
    empty.run("keys", "rotate")
    events = empty.within(lambda services: services.durable.list_events())
    assert [(event.action, event.actor) for event in reversed(events)] == [
        ("api_token.created", "command-line"),
        ("api_token.revoked", "command-line"),
        ("signing_keys.rotated", "command-line"),
    ]
    assert made["token"] not in repr(events)


@pytest.mark.case(90)
def test_keys_are_listed_and_rotated(empty: Installation) -> None:
    before = empty.data("keys", "list")
    assert (len(before["keys"]), before["interval_days"]) == (1, 42)
    code, out, err = empty.run("keys", "rotate")
    assert (code, err) == (0, "")
    made = empty.data("keys", "rotate")
    kids = [key["kid"] for key in empty.data("keys", "list")["keys"]]
    assert kids[0] == made["kid"]
    assert kids[1] in out
    assert kids[2] == before["keys"][0]["kid"]
    lines = empty.run("keys", "list")[1].splitlines()
    assert lines[0].split() == ["KEY", "ALGORITHM", "CREATED"]
    assert lines[-1].endswith("as every 42 days")
