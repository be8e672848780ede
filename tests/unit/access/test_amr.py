"""The two spellings of AMR matching."""

from __future__ import annotations

from typing import Any

import pytest

from secondgate.access import AccessShapes, compile_access
from secondgate.errors import InvalidConfiguration


def compiled(**amr: object) -> int | None:
    config: dict[str, Any] = {"allowed_authenticators": ["totp"], **amr}
    shapes = AccessShapes.model_validate({"organization": {"name": "Example", "mfa_config": config}})
    return compile_access(shapes, account_id="0" * 32).rulebook.organization.mfa.amr_matching_session_duration_s


@pytest.mark.parametrize(
    ("amr", "expected_s"),
    [
        ({}, None),
        ({"amr_matching_enabled": False}, None),
        ({"amr_matching_enabled": True}, 86400),
        ({"amr_matching_enabled": True, "amr_session_duration": "2h"}, 7200),
        ({"amr_matching_session_duration": "2h"}, 7200),
        ({"amr_matching_session_duration": "0m"}, 0),
        ({"amr_matching_session_duration": "60m", "amr_matching_enabled": True, "amr_session_duration": "1h"}, 3600),
    ],
)
def test_both_spellings_are_read(amr: dict[str, object], expected_s: int | None) -> None:
    assert compiled(**amr) == expected_s


@pytest.mark.parametrize(
    ("amr", "words"),
    [
        ({"amr_matching_session_duration": "1h", "amr_matching_enabled": False}, "turns AMR matching on"),
        ({"amr_matching_session_duration": "1h", "amr_session_duration": "2h"}, "give one of them"),
        ({"amr_session_duration": "2h"}, "says nothing without amr_matching_enabled: true"),
        ({"amr_session_duration": "2h", "amr_matching_enabled": False}, "says nothing without"),
    ],
)
def test_spellings_that_disagree_are_refused(amr: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidConfiguration, match=words):
        compiled(**amr)
