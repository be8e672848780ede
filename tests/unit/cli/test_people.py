"""`users`, `devices` and `sessions` on a real SQLite file: what they print, change, and write to the audit log."""

from __future__ import annotations

import pytest

from tests.unit.cli.installation import ANN, Installation


def actions(installation: Installation) -> list[str]:
    """Give what the command line did, the newest first."""
    events = installation.within(lambda services: services.durable.list_events())
    return [event.action for event in events if event.actor == "command-line"]


def test_users_are_listed(installation: Installation) -> None:
    code, out, err = installation.run("users", "list")
    headings, ann = out.splitlines()
    assert (code, err) == (0, "")
    assert headings.split() == ["EMAIL", "NAME", "LAST", "LOGIN", "STATE"]
    assert ann.startswith(f"{ANN}  Ann   2")
    assert ann.endswith("enabled")
    assert [(one["email"], one["disabled"]) for one in installation.data("users", "list")] == [(ANN, False)]


def test_a_person_is_shown_with_authenticators_and_sessions(installation: Installation) -> None:
    code, out, _ = installation.run("users", "show", ANN)
    assert code == 0
    assert "Telephone" in out
    assert "1 at the portal, 1 at applications" in out
    shown = installation.data("users", "show", "ANN@example.com")
    assert [one["id"] for one in shown["authenticators"]] == ["device-totp", "device-key"]
    assert (shown["name"], shown["logins"], shown["application_sessions"]) == ("Ann", 1, 1)


def test_a_person_is_deleted_with_everything(installation: Installation) -> None:
    assert installation.run("users", "delete", ANN) == (0, f"deleted {ANN}\n", "")
    assert installation.data("users", "list") == []
    assert installation.within(lambda services: services.sessions.list_logins("person-ann")) == ()
    assert "person.deleted" in actions(installation)


@pytest.mark.case(28)
def test_a_person_is_disabled_with_all_sessions_and_enabled_again(installation: Installation) -> None:
    assert installation.run("users", "disable", ANN) == (0, f"disabled {ANN}\n", "")
    assert installation.data("sessions", "list", ANN) == []
    assert installation.data("users", "show", ANN)["disabled"]
    assert installation.run("users", "enable", ANN) == (0, f"enabled {ANN}\n", "")
    assert not installation.data("users", "show", ANN)["disabled"]
    assert actions(installation) == ["person.enabled", "sessions.ended", "person.disabled"]


def test_authenticators_are_listed(installation: Installation) -> None:
    code, out, _ = installation.run("devices", "list", ANN)
    assert code == 0
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [
        ["device-totp", "totp"],
        ["device-key", "security_key"],
    ]
    assert [one["name"] for one in installation.data("devices", "list", ANN)] == ["Telephone", "Blue key"]


@pytest.mark.case(28)
def test_deleting_an_authenticator_ends_the_sessions_it_carried(installation: Installation) -> None:
    assert installation.run("devices", "delete", ANN, "device-totp") == (0, f"deleted 1 authenticator of {ANN}\n", "")
    assert [one["id"] for one in installation.data("devices", "list", ANN)] == ["device-key"]
    assert [one["kind"] for one in installation.data("sessions", "list", ANN)] == ["login"]
    assert actions(installation) == ["authenticator.deleted"]


def test_an_authenticator_that_is_not_there_is_an_error_and_changes_nothing(installation: Installation) -> None:
    code, out, err = installation.run("devices", "delete", ANN, "device-none")
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert "no such authenticator" in err
    assert len(installation.data("devices", "list", ANN)) == 2


@pytest.mark.case(82)
def test_resetting_deletes_all_authenticators_and_ends_application_sessions(installation: Installation) -> None:
    assert installation.data("devices", "reset", ANN) == {"email": ANN, "deleted": 2}
    assert installation.run("devices", "list", ANN)[1].count("\n") == 1
    assert [one["kind"] for one in installation.data("sessions", "list", ANN)] == ["login"]


def test_sessions_are_listed_by_kind(installation: Installation) -> None:
    code, out, _ = installation.run("sessions", "list", ANN)
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["KIND", "login", "application", "mfa"]
    assert "wiki.example.com: Wiki" in out
    application = installation.data("sessions", "list", ANN)[1]
    assert (application["applications"], application["device"]) == (["Wiki"], "browser-1")


def test_sessions_end(installation: Installation) -> None:
    assert installation.run("sessions", "end", ANN) == (0, f"ended all sessions of {ANN} (3 records)\n", "")
    assert installation.data("sessions", "list", ANN) == []
    assert actions(installation) == ["sessions.ended"]


@pytest.mark.parametrize(
    "command",
    [
        ("users", "show"),
        ("users", "delete"),
        ("users", "disable"),
        ("users", "enable"),
        ("devices", "list"),
        ("devices", "reset"),
        ("sessions", "list"),
        ("sessions", "end"),
    ],
)
def test_somebody_unknown_is_one_line_that_names_the_address(
    installation: Installation, command: tuple[str, str]
) -> None:
    code, out, err = installation.run(*command, "bob@example.com")
    assert (code, out) == (1, "")
    assert err == "secondgate: not_found: nobody with the address bob@example.com has ever logged in\n"


def test_what_is_no_address_is_bad_usage(installation: Installation) -> None:
    with pytest.raises(SystemExit) as caught:
        installation.run("users", "show", "ann")
    assert caught.value.code == 2
    assert "must be one e-mail address" in installation.capsys.readouterr().err


def test_nothing_is_made_anew_where_there_was_a_database(installation: Installation) -> None:
    (installation.data_dir / "secondgate.sqlite3").unlink()
    code, out, err = installation.run("users", "list")
    assert (code, out) == (1, "")
    assert "restore it from a backup" in err
    assert not (installation.data_dir / "secondgate.sqlite3").exists()
