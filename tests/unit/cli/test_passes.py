"""`pass` on a real SQLite file: a code is shown once, opens what it should, and what is wrong is said in one line."""

from __future__ import annotations

import re

import pytest

from secondgate.flows.services import Services
from secondgate.model.temporary_pass import TemporaryPass
from tests.unit.cli.installation import ANN, Installation

CODE = re.compile(r"(?<![0-9A-Z])[0-9A-HJKMNP-TV-Z]{4}(?:-[0-9A-HJKMNP-TV-Z]{4}){2}(?![0-9A-Z])")


def known(installation: Installation) -> TemporaryPass | None:
    async def load(services: Services) -> TemporaryPass | None:
        return await services.durable.load_pass("person-ann")

    return installation.within(load)


def test_a_pass_is_made_with_its_code_shown_once(installation: Installation) -> None:
    code, out, err = installation.run("pass", "create", ANN)
    assert (code, err) == (0, "")
    (shown,) = CODE.findall(out)
    assert out.splitlines()[3] == shown
    stored = known(installation)
    assert stored
    assert stored.expires_at == stored.created_at + 3600
    assert stored.created_by == "command-line"
    for arguments in (("pass", "list"), ("pass", "list", "--json")):
        assert not CODE.search(installation.run(*arguments)[1])
    (mail,) = (installation.file.parent / "outbox").glob("*.eml")
    assert not CODE.search(mail.read_text())
    assert f"To: {ANN}" in mail.read_text()


def test_the_data_of_a_pass_is_json(installation: Installation) -> None:
    made = installation.data("pass", "create", ANN, "--ttl", "30m")
    assert CODE.fullmatch(made.pop("code"))
    assert (made["email"], made["state"], made["used_at"]) == (ANN, "valid", None)
    assert made["expires_at"] == made["created_at"] + 1800
    assert installation.data("pass", "list") == [made]
    assert installation.data("pass", "revoke", ANN) == {"revoked": made}
    assert installation.data("pass", "list") == []


def test_the_list_says_what_became_of_each(installation: Installation) -> None:
    installation.run("pass", "create", ANN)

    async def age(services: Services) -> None:
        stored = await services.durable.load_pass("person-ann")
        assert stored
        await services.durable.claim_pass("person-ann", code_mac=stored.code_mac, now=services.now())

    installation.within(age)
    lines = installation.run("pass", "list")[1].splitlines()
    assert lines[0].split() == ["EMAIL", "ISSUED", "BY", "VALID", "UNTIL", "STATE"]
    assert (lines[1].split()[0], lines[1].split()[-1]) == (ANN, "used")


def test_another_pass_takes_the_place_of_the_first(installation: Installation) -> None:
    first = installation.data("pass", "create", ANN)
    second = installation.data("pass", "create", ANN)
    assert first["id"] != second["id"]
    assert [one["id"] for one in installation.data("pass", "list")] == [second["id"]]


def test_a_revoked_pass_is_gone(installation: Installation) -> None:
    installation.run("pass", "create", ANN)
    assert installation.run("pass", "revoke", ANN) == (0, f"revoked the pass of {ANN}\n", "")
    assert known(installation) is None
    code, out, err = installation.run("pass", "revoke", ANN)
    assert (code, out) == (1, "")
    assert "has no temporary pass" in err


def test_nobody_is_made_by_it(installation: Installation) -> None:
    for command in ("create", "revoke"):
        code, out, err = installation.run("pass", command, "nobody@example.com")
        assert (code, out) == (1, "")
        assert err.count("\n") == 1
        assert "nobody@example.com" in err
    assert [one["email"] for one in installation.data("users", "list")] == [ANN]


def test_a_disabled_person_gets_none(installation: Installation) -> None:
    installation.run("users", "disable", ANN)
    code, out, err = installation.run("pass", "create", ANN)
    assert (code, out) == (1, "")
    assert "disabled" in err


@pytest.mark.parametrize("ttl", ["0m", "59s", "73h", "1d", "forever", ""])
def test_another_duration_is_bad_usage(
    installation: Installation, capsys: pytest.CaptureFixture[str], ttl: str
) -> None:
    with pytest.raises(SystemExit) as left:
        installation.run("pass", "create", ANN, "--ttl", ttl)
    assert left.value.code == 2
    assert "from 1m to 72h" in capsys.readouterr().err
    assert known(installation) is None
