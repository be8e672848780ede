"""The command line: what it prints, where, and its exit codes."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from secondgate import __version__, cli
from secondgate.cli.output import complain, one_line, say
from secondgate.errors import Reason, Rejected, Unavailable

SOUND = """\
public_url: https://mfa.example.com
mail: {outbox: outbox, from: mfa@example.com}
access:
  identity_providers: [{name: PIN, type: onetimepin}]
  applications:
    - {name: Wiki, domain: wiki.example.com, policies: [{name: all, decision: allow, include: [{everyone: {}}]}]}
    - {name: Shop, domain: shop.example.com, policies: [{name: all, decision: allow, include: [{everyone: {}}]}]}
"""
UNSOUND = """\
public_url: http://mfa.example.com
worker: 1
access:
  organization: {mfa_config: {allowed_authenticators: [sms], session_duration: 1y}}
  applications: [{name: Wiki, domain: w.example.com}, {name: Other, domain: w.example.com}]
"""


@pytest.fixture
def sound(tmp_path: Path) -> str:
    file = tmp_path / "sound.yaml"
    file.write_text(SOUND)
    return str(file)


@pytest.fixture
def unsound(tmp_path: Path) -> str:
    file = tmp_path / "unsound.yaml"
    file.write_text(UNSOUND)
    return str(file)


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [variable for variable in os.environ if variable.startswith("SECONDGATE_")]:
        monkeypatch.delenv(variable)


def test_check_counts_what_is_sound(sound: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["check", "-c", sound]) == 0
    assert capsys.readouterr() == ("ok: 2 applications, 2 policies, 0 groups, 0 lists, 1 identity provider\n", "")


@pytest.mark.parametrize("before", [True, False])
def test_options_stand_before_or_after_the_command(
    sound: str, capsys: pytest.CaptureFixture[str], *, before: bool
) -> None:
    options = ["--json", "-c", sound]
    assert cli.run([*options, "check"] if before else ["check", *options]) == 0
    assert json.loads(capsys.readouterr().out)["applications"] == 2


def test_the_configuration_can_be_named_by_the_environment(
    sound: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECONDGATE_CONFIG", sound)
    assert cli.run(["check"]) == 0
    monkeypatch.setenv("SECONDGATE_WORKERS", "2")
    assert cli.run(["check"]) == 2
    assert "workers: more than 1 needs storage.redis" in capsys.readouterr().err


def test_check_prints_every_problem_on_a_line_of_its_own(unsound: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["check", "-c", unsound]) == 2
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert len(lines) == 7
    assert all(line.startswith(f"{unsound}:") for line in lines)
    for word in ("public_url", "worker", "'sms'", "1y" if "1y" in err else "duration", "has no policy", "already"):
        assert word in err


def test_check_gives_the_problems_as_json(unsound: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["check", "--json", "-c", unsound]) == 2
    out, err = capsys.readouterr()
    answer = json.loads(out)
    assert err == ""
    assert not answer["ok"]
    assert answer["problems"][0] == {
        "path": "public_url",
        "message": "must be https:// (http:// only for localhost and names ending in .localhost)",
        "file": unsound,
        "line": 1,
        "column": 1,
    }


def test_a_file_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.run(["check", "-c", str(tmp_path / "none.yaml")]) == 2
    assert capsys.readouterr().err == f"{tmp_path}/none.yaml: cannot be read: No such file or directory\n"


def test_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["schema"]) == 0
    pretty = capsys.readouterr().out
    assert cli.run(["schema", "--json"]) == 0
    line = capsys.readouterr().out
    assert json.loads(pretty) == json.loads(line)
    assert line.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["check", "--nothing"]])
def test_bad_usage_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.run(arguments)
    assert caught.value.code == 2
    assert "usage: secondgate" in capsys.readouterr().err


def a_group_that_raises(error: BaseException) -> ModuleType:
    def fail(_: argparse.Namespace) -> int:
        raise error

    def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
        inner = subparsers.add_parser("things").add_subparsers(required=True)
        inner.add_parser("fail").set_defaults(func=fail)

    group = ModuleType("things")
    group.__dict__["add_parser"] = add_parser
    return group


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (Unavailable("the database\ncannot be asked"), 1, "secondgate: the database cannot be asked\n"),
        (Rejected(Reason.NOT_FOUND, "no such person"), 1, "secondgate: not_found: no such person\n"),
        (PermissionError(13, "Permission denied", "/data"), 1, "secondgate: Permission denied: /data\n"),
        (OSError("the disk is gone"), 1, "secondgate: the disk is gone\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
    ids=repr,
)
def test_what_fails_is_one_line_without_a_traceback(
    error: BaseException,
    code: int,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(cli, "COMMAND_GROUPS", (a_group_that_raises(error),))
    assert cli.run(["things", "fail", "--json"]) == code
    assert capsys.readouterr().err == line


@pytest.mark.case(21)
def test_hostile_names_are_inert_in_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\x1b[2Jb")
    complain("a\nb\u2028c\udc80")
    assert capsys.readouterr() == ("a\\x1b[2Jb\n", "a\\nb\\u2028c\\udc80\n")
    assert one_line("Ünïcode stays") == "Ünïcode stays"


def test_a_problem_with_a_hostile_key_stays_on_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "c.yaml"
    file.write_text('public_url: https://mfa.example.com\n"a\\n\\e[2Jb": 1\n')
    assert cli.run(["check", "-c", str(file)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def started(*arguments: str) -> subprocess.Popen[str]:
    program = [sys.executable, "-m", "secondgate", *arguments]
    return subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # noqa: S603 - our own


def test_the_program_runs_as_a_module() -> None:
    version = started("--version")
    assert version.communicate() == (f"secondgate {__version__}\n", "")
    assert version.returncode == 0
    missing = started("check", "-c", "/nowhere.yaml")
    assert missing.communicate() == ("", "/nowhere.yaml: cannot be read: No such file or directory\n")
    assert missing.returncode == 2


def test_a_reader_that_has_enough_is_no_failure() -> None:
    process = started("schema")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 0
