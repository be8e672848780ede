"""`service-tokens` on a real SQLite file: a secret is shown once, and what is wrong is said in one line."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from secondgate.flows.service_tokens import create_service_token
from secondgate.flows.services import Services
from secondgate.model.secret import Secret
from secondgate.protocol.service_token import PresentedServiceToken
from tests.unit.cli.installation import Installation

SECRET = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


def is_proved(installation: Installation, client_id: str, secret: str) -> bool:
    """Whether a gate that starts now takes this for a token."""

    async def find(services: Services) -> bool:
        presented = PresentedServiceToken(client_id, Secret(secret))
        return services.service_tokens.find(presented, now=services.now()) is not None

    return installation.within(find)


def test_a_token_is_made_with_its_secret_shown_once(empty: Installation) -> None:
    code, out, err = empty.run("service-tokens", "create", "--name", "ci")
    assert (code, err) == (0, "")
    client_id = re.search(r"^CF-Access-Client-Id: ([0-9a-f]{32}\.access)$", out, re.MULTILINE)
    secret = re.search(r"^CF-Access-Client-Secret: ([0-9a-f]{64})$", out, re.MULTILINE)
    assert client_id
    assert secret
    assert is_proved(empty, client_id[1], secret[1])
    for arguments in (("service-tokens", "list"), ("service-tokens", "list", "--json")):
        _, listed, _ = empty.run(*arguments)
        assert client_id[1] in listed
        assert not SECRET.search(listed)


def test_the_data_of_a_token_is_json(empty: Installation) -> None:
    made = empty.data("service-tokens", "create", "--name", "ci", "--duration", "24h")
    assert SECRET.fullmatch(made.pop("client_secret"))
    assert made["expires_at"] == made["created_at"] + 24 * 3600
    assert empty.data("service-tokens", "list") == [made]
    assert empty.data("service-tokens", "revoke", "ci") == {"revoked": made}
    assert empty.data("service-tokens", "list") == []


def test_a_token_is_valid_for_a_year_unless_another_duration_is_given(empty: Installation) -> None:
    year = empty.data("service-tokens", "create", "--name", "year")
    assert year["expires_at"] == year["created_at"] + 8760 * 3600
    assert empty.data("service-tokens", "create", "--name", "old", "--duration", "forever")["expires_at"] is None
    lines = empty.run("service-tokens", "list")[1].splitlines()
    assert lines[0].split() == ["NAME", "CLIENT", "ID", "CREATED", "EXPIRES", "STATE"]
    assert lines[1].split()[-2:] == ["never", "valid"]


def test_a_rotated_token_has_another_secret_and_the_old_one_proves_nothing(empty: Installation) -> None:
    made = empty.data("service-tokens", "create", "--name", "ci")
    rotated = empty.data("service-tokens", "rotate", "ci")
    assert {**made, "client_secret": ""} == {**rotated, "client_secret": ""}
    assert not is_proved(empty, made["client_id"], made["client_secret"])
    assert is_proved(empty, made["client_id"], rotated["client_secret"])
    code, out, err = empty.run("service-tokens", "rotate", made["id"])
    assert (code, err) == (0, "")
    assert "not shown again" in out
    assert is_proved(empty, made["client_id"], SECRET.findall(out)[0])


def test_an_expired_token_is_refreshed_and_valid_again(empty: Installation) -> None:
    async def make(services: Services) -> None:
        await create_service_token(services, name="old", duration_s=3600, actor="test")
        (token,) = await services.durable.list_service_tokens()
        await services.durable.replace_service_token(replace(token, expires_at=1))

    empty.within(make)
    assert empty.run("service-tokens", "list")[1].splitlines()[1].endswith("expired")
    code, out, err = empty.run("service-tokens", "refresh", "old")
    assert (code, err) == (0, "")
    assert out.startswith("old expires: 2")
    assert empty.data("service-tokens", "refresh", "old")["expires_at"] > 1
    assert empty.run("service-tokens", "list")[1].splitlines()[1].endswith("valid")


def test_a_revoked_token_proves_nothing(empty: Installation) -> None:
    made = empty.data("service-tokens", "create", "--name", "ci")
    code, out, err = empty.run("service-tokens", "revoke", "ci")
    assert (code, out, err) == (0, "revoked ci; within 5 seconds it opens nothing\n", "")
    assert not is_proved(empty, made["client_id"], made["client_secret"])


def test_an_expired_token_is_listed_as_such(empty: Installation) -> None:
    async def make(services: Services) -> None:
        await create_service_token(services, name="old", duration_s=0, actor="test")

    empty.within(make)
    assert empty.run("service-tokens", "list")[1].splitlines()[1].endswith("expired")
    code, out, err = empty.run("service-tokens", "rotate", "old")
    assert (code, out) == (1, "")
    assert (
        err == "secondgate: expired: the service token 'old' has expired: refresh it, or revoke it and make another\n"
    )


def test_what_cannot_be_done_is_one_line_and_1(empty: Installation) -> None:
    empty.run("service-tokens", "create", "--name", "ci")
    for arguments, words in (
        (("create", "--name", "ci"), "there is a service token named 'ci' already"),
        (("rotate", "cd"), "there is no service token 'cd'"),
        (("revoke", "cd"), "there is no service token 'cd'"),
    ):
        code, out, err = empty.run("service-tokens", *arguments)
        assert (code, out) == (1, "")
        assert words in err
        assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("create",), "--name"),
        (("create", "--name", ""), "printable characters"),
        (("create", "--name", "a\nb"), "printable characters"),
        (("create", "--name", "01234567-89ab-cdef-0123-456789abcdef"), "must not have the form of an id"),
        (("create", "--name", "ci", "--duration", "1y"), "must be hours, from 1h to 87600h"),
        (("create", "--name", "ci", "--duration", "0h"), "must be hours, from 1h to 87600h"),
        (("rotate",), "NAME"),
        ((), "COMMAND"),
    ],
)
def test_bad_usage_is_2(empty: Installation, arguments: tuple[str, ...], words: str) -> None:
    with pytest.raises(SystemExit) as caught:
        empty.run("service-tokens", *arguments)
    assert caught.value.code == 2
    assert words in empty.capsys.readouterr().err


def test_the_audit_log_has_the_command_line_as_actor(empty: Installation) -> None:
    for arguments in (("create", "--name", "ci"), ("rotate", "ci"), ("revoke", "ci")):
        assert empty.run("service-tokens", *arguments)[0] == 0
    events = empty.within(lambda services: services.durable.list_events())
    assert [(event.action, event.actor) for event in reversed(events)] == [
        ("service_token.created", "command-line"),
        ("service_token.rotated", "command-line"),
        ("service_token.revoked", "command-line"),
    ]
