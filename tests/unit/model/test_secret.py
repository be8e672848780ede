"""A secret shows nowhere."""

from __future__ import annotations

import pytest

from secondgate.model.keys import SigningAlgorithm, SigningKey
from secondgate.model.secret import Secret


@pytest.mark.case(97)
def test_a_secret_is_shown_only_when_asked_for() -> None:
    secret = Secret("hunter2")
    key = SigningKey("k", SigningAlgorithm.ES256, Secret(b"hunter2"), "", 0)
    for text in (str(secret), repr(secret), f"{secret}", f"{secret!r:>40}", repr([secret]), repr(key)):
        assert "hunter2" not in text
    assert secret.reveal() == "hunter2"
    assert secret == Secret("hunter2")
