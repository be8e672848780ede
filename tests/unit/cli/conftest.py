"""Installations for the commands: one that was never started, and one with a person in it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from secondgate.flows.services import Services
from secondgate.model.organization import Method
from secondgate.model.person import Authenticator, Identity
from secondgate.model.secret import Secret
from secondgate.model.session import ApplicationSession, Grant, Login, MfaSession
from tests.unit.cli.installation import ACCESS, ANN, Installation


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Installation:
    """Give an installation that was never started."""
    for variable in [variable for variable in os.environ if variable.startswith("SECONDGATE_")]:
        monkeypatch.delenv(variable)
    file = tmp_path / "secondgate.yaml"
    file.write_text(
        json.dumps(
            {
                "public_url": "https://mfa.example.com",
                "storage": {"data_dir": "data"},
                "mail": {"outbox": "outbox", "from": "mfa@example.com"},
                "access": ACCESS,
            }
        )
    )
    return Installation(file, tmp_path / "data", capsys)


@pytest.fixture
def installation(empty: Installation) -> Installation:
    """Give an installation in which Ann has a TOTP authenticator and a security key, and is at work in one browser."""
    empty.within(_enrol)
    return empty


async def _enrol(services: Services) -> None:
    now = int(time.time())
    identity = Identity(ANN, "Ann", identity_provider_id=services.access().identity_providers[0].id)
    person = await services.durable.find_or_create_person(new_id="person-ann", email=ANN, name="Ann", now=now)
    await services.durable.save_last_login(person.id, name="Ann", now=now)
    totp = Authenticator("device-totp", person.id, Method.TOTP, "Telephone", now)
    key = Authenticator(
        "device-key", person.id, Method.SECURITY_KEY, "Blue key", now + 1, credential_id=b"id", public_key=b"key"
    )
    await services.durable.add_authenticator(totp, only_as_first=True, totp_seed=Secret(b"s" * 20))
    await services.durable.add_authenticator(key, only_as_first=False)
    mfa = MfaSession(person.id, "browser-1", Method.TOTP, totp.id, now - 60)
    login = Login("login-hash", person.id, "browser-1", identity, now - 90, now + 3600)
    grant = Grant(services.access().applications[0].id, now, now + 3600, (mfa,), "assertion")
    session = ApplicationSession(
        "session-hash", "wiki.example.com", person.id, "browser-1", identity, now, now + 3600, (grant,)
    )
    await services.sessions.save_login(login, now=now)
    await services.sessions.save_mfa_session(mfa)
    await services.sessions.save_application_session(session, now=now)
