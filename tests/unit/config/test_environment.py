"""Overrides from the environment, and secrets in files."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from secondgate.config import Settings, load
from secondgate.errors import InvalidConfiguration

BASE = "public_url: https://mfa.example.com\n"


def loaded(folder: Path, text: str, environ: dict[str, str]) -> Settings:
    file = folder / "secondgate.yaml"
    file.write_text(text)
    return load(file, environ)


def problems(folder: Path, text: str, environ: dict[str, str]) -> list[str]:
    with pytest.raises(InvalidConfiguration) as caught:
        loaded(folder, text, environ)
    return [str(problem).replace(f"{folder}/", "") for problem in caught.value.problems]


def test_variables_override_the_file_and_fill_what_it_lacks(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path,
        "public_url: https://old.example.com\nstorage:\nlog_level: debug\n",
        {
            "SECONDGATE_PUBLIC_URL": "https://new.example.com",
            "SECONDGATE_STORAGE__REDIS": "redis://cache",
            "SECONDGATE_WORKERS": "1",
            "SECONDGATE_TRUSTED_PROXIES": "[10.0.0.0/8]",
            "SECONDGATE_ACCOUNT_ID": "01234567012345670123456701234567",
            "SECONDGATE_ACCESS__ORGANIZATION__NAME": "2026",
            "SECONDGATE_ACCESS__ORGANIZATION__MFA_REQUIRED_FOR_ALL_APPS": "true",
            "SECONDGATE_ACCESS__ORGANIZATION__MFA_CONFIG__ALLOWED_AUTHENTICATORS": "[totp]",
            "SECONDGATE_CONFIG": "elsewhere.yaml",
            "HOME": "/root",
        },
    )
    assert settings.portal_host == "new.example.com"
    assert settings.storage.redis.reveal() == "redis://cache"
    assert (settings.workers, settings.log_level) == (1, "debug")
    assert settings.trusted_proxies == (ip_network("10.0.0.0/8"),)
    assert settings.account_id == "01234567012345670123456701234567"
    assert settings.access.organization.name == "2026"
    assert settings.access.organization.mfa_required_for_all_apps


def test_an_empty_variable_is_an_empty_text(tmp_path: Path) -> None:
    text = BASE + "storage: {redis: 'redis://cache'}\n"
    assert loaded(tmp_path, text, {"SECONDGATE_STORAGE__REDIS": ""}).storage.redis.reveal() == ""


def test_a_secret_is_taken_as_it_stands(tmp_path: Path) -> None:
    for secret in ("12345678901234567890", "a:#b{*&!|>'%@`c0123", "true000000000000"):
        settings = loaded(tmp_path, BASE, {"SECONDGATE_PROXY_SECRET": secret})
        assert settings.proxy_secret is not None
        assert settings.proxy_secret.reveal() == secret


def test_a_secret_of_the_environment_takes_the_place_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("0123456789abcdef\n")
    here, file = "proxy_secret: fedcba9876543210\n", "proxy_secret_file: nowhere\n"
    for text, environ, secret in (
        (file, {"SECONDGATE_PROXY_SECRET": "fedcba9876543210"}, "fedcba9876543210"),
        (here, {"SECONDGATE_PROXY_SECRET_FILE": "secret"}, "0123456789abcdef"),
        (file, {"SECONDGATE_PROXY_SECRET_FILE": "secret"}, "0123456789abcdef"),
    ):
        settings = loaded(tmp_path, BASE + text, environ)
        assert settings.proxy_secret is not None
        assert settings.proxy_secret.reveal() == secret


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("SECONDGATE_STORAGE__REDS", "x", "did you mean SECONDGATE_STORAGE__REDIS?"),
        ("SECONDGATE_STORGE__REDIS", "x", "did you mean SECONDGATE_STORAGE__REDIS?"),
        ("SECONDGATE_STORAGE_REDIS", "x", "is no setting"),
        ("SECONDGATE_", "x", "is no setting"),
        ("SECONDGATE_IDENTITY__XXXXX", "x", "is no setting; there are: headers, jwt"),
        ("SECONDGATE_STORAGE", "x", "stands for an object"),
        ("SECONDGATE_TRUSTED_PROXIES__0", "x", "set the whole instead"),
        ("SECONDGATE_ACCESS__APPLICATIONS__NAME", "x", "set the whole instead"),
        ("SECONDGATE_WORKERS__X", "x", "set the whole instead"),
        ("SECONDGATE_WORKERS", "many", "workers: must be a whole number"),
        ("SECONDGATE_LOG_LEVEL", "inf", "did you mean info?"),
        ("SECONDGATE_TRUSTED_PROXIES", "10.0.0.0/8", "must be a list"),
        ("SECONDGATE_TRUSTED_PROXIES", "[10.0.0.0/8", "must be a list"),
        ("SECONDGATE_TRUSTED_PROXIES", "[7]", "must be an address or a network"),
        ("SECONDGATE_PUBLIC_URL", "7", "must be a URL"),
    ],
)
def test_a_wrong_variable_is_one_problem_that_names_it(
    tmp_path: Path, variable: str, value: str, expected: str
) -> None:
    (found,) = problems(tmp_path, BASE, {variable: value})
    assert found.startswith(f"environment variable {variable}: ")
    assert expected in found


def test_a_variable_below_what_is_no_object_in_the_file_is_a_problem(tmp_path: Path) -> None:
    found = problems(tmp_path, BASE + "storage: 7\n", {"SECONDGATE_STORAGE__REDIS": "redis://cache"})
    assert any("belongs into something that is no object" in line for line in found)


def test_what_kubernetes_says_of_a_service_is_no_misspelt_setting(tmp_path: Path) -> None:
    links = ["SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_GATE", "PORT", "PORT_9180_TCP", "PORT_9180_TCP_ADDR"]
    environ = {f"SECONDGATE_{service}{link}": "tcp://10.0.0.1:9180" for service in ("", "PORTAL_") for link in links}
    assert loaded(tmp_path, BASE, environ).portal_host == "mfa.example.com"
    for variable in ("SECONDGATE_LISTEN__PORT", "SECONDGATE_WORKERS_PORTS"):
        assert len(problems(tmp_path, BASE, {variable: "1"})) == 1


@pytest.mark.case(97)
def test_no_problem_of_a_variable_shows_a_secret(tmp_path: Path) -> None:
    found = problems(tmp_path, BASE, {"SECONDGATE_PROXY_SECRET": "hunter2", "SECONDGATE_STORAGE__REDIS": "hunter2"})
    assert len(found) == 2
    assert "hunter2" not in " ".join(found)


@pytest.mark.parametrize(
    ("content", "word"),
    [(b"", "is empty"), (b"\n", "is empty"), (b"\xff" * 16, "is not UTF-8"), (b"a" * 65537, "is larger than 64 KiB")],
    ids=lambda value: str(value)[:20],
)
def test_a_file_that_holds_no_secret_is_a_problem(tmp_path: Path, content: bytes, word: str) -> None:
    (tmp_path / "secret").write_bytes(content)
    (found,) = problems(tmp_path, BASE + "proxy_secret_file: secret\n", {})
    assert word in found
    assert found.startswith("secondgate.yaml:2:1: proxy_secret_file: ")


def test_a_secret_stands_in_one_place(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("0123456789abcdef\n")
    text = BASE + "storage: {redis: 'redis://cache', redis_file: secret}\n"
    (found,) = problems(tmp_path, text, {})
    assert found.startswith("secondgate.yaml:2:35: storage.redis_file: stands beside redis")


def test_only_one_line_end_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("redis://cache\n")
    assert loaded(tmp_path, BASE + "storage: {redis_file: secret}\n", {}).storage.redis.reveal() == "redis://cache"
    (tmp_path / "secret").write_text("0123456789abcdef\n\n")
    assert "visible ASCII" in problems(tmp_path, BASE + "proxy_secret_file: secret\n", {})[0]


def test_a_file_that_cannot_be_read_brings_no_second_problem(tmp_path: Path) -> None:
    text = BASE + "workers: 1\nstorage: {redis_file: nowhere}\nmail: {from: a@example.com, smtp_file: nowhere}\n"
    found = problems(tmp_path, text, {})
    assert [line.partition(": ")[2].partition(":")[0] for line in found] == ["storage.redis_file", "mail.smtp_file"]
