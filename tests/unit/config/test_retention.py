"""How long the audit log is kept, as the configuration says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from secondgate.config import load
from secondgate.config.retention import Retention, parse_retention
from secondgate.errors import InvalidConfiguration, Malformed

CONFIGURATION = "public_url: https://mfa.example.com\n"


@pytest.mark.parametrize(
    ("text", "seconds"), [("24h", 86400), ("2160h", 7_776_000), ("87600h", 315_360_000), ("forever", None)]
)
def test_hours_and_for_ever_are_read_and_written_alike(text: str, seconds: int | None) -> None:
    assert parse_retention(text) == Retention(seconds)
    assert str(Retention(seconds)) == text


@pytest.mark.parametrize(
    "value", ["23h", "0h", "-24h", "24", 24, "1d", "30m", "", None, True, "never", "87601h", "24H"]
)
def test_less_than_a_day_or_another_form_is_refused(value: object) -> None:
    with pytest.raises(Malformed) as caught:
        parse_retention(value)
    assert "at least 24h" in caught.value.detail


def test_the_configuration_names_it(tmp_path: Path) -> None:
    file = tmp_path / "secondgate.yaml"
    file.write_text(CONFIGURATION)
    assert load(file, {}).audit.retention == Retention(8760 * 3600)
    assert load(file, {"SECONDGATE_AUDIT__RETENTION": "forever"}).audit.retention == Retention(None)
    file.write_text(CONFIGURATION + "audit: {retention: 12h}\n")
    with pytest.raises(InvalidConfiguration) as caught:
        load(file, {})
    (problem,) = caught.value.problems
    assert (problem.path, problem.line) == ("audit.retention", 2)
    assert "at least 24h" in problem.message
