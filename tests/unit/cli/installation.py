"""A configuration with real SQLite in a folder, and how commands are run on it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from secondgate import cli
from secondgate.app import open_services
from secondgate.config import load
from secondgate.flows.services import Services

T = TypeVar("T")
ANN = "ann@example.com"
EVERYBODY = [{"name": "people", "decision": "allow", "include": [{"email_domain": {"domain": "example.com"}}]}]
OFFICE = {"name": "office", "decision": "bypass", "include": [{"ip": {"ip": "10.0.0.0/8"}}]}
ACCESS = {
    "organization": {
        "name": "Example",
        "mfa_config": {"allowed_authenticators": ["totp", "security_key"], "session_duration": "24h"},
        "mfa_required_for_all_apps": True,
    },
    "identity_providers": [{"name": "PIN", "type": "onetimepin"}],
    "applications": [
        {"name": "Wiki", "domain": "wiki.example.com", "policies": EVERYBODY},
        {
            "name": "Wiki administration",
            "domain": "wiki.example.com/admin",
            "policies": EVERYBODY,
            "mfa_config": {"allowed_authenticators": ["security_key"]},
        },
        {"name": "Shop", "domain": "shop.example.com", "policies": [*EVERYBODY, OFFICE]},
        {
            "name": "Menu",
            "domain": "menu.example.com",
            "policies": EVERYBODY,
            "mfa_config": {"mfa_disabled": True},
        },
    ],
}


@dataclass(frozen=True, slots=True)
class Installation:
    """A configuration file, and how its commands are run."""

    file: Path
    data_dir: Path
    capsys: pytest.CaptureFixture[str]

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Run a command: exit code, standard output, standard error."""
        code = cli.run([*arguments, "-c", str(self.file)])
        out, err = self.capsys.readouterr()
        return code, out, err

    def data(self, *arguments: str) -> Any:  # noqa: ANN401 - JSON is of any shape
        """Run a command that succeeds with `--json` and says nothing else, and give its data."""
        code, out, err = self.run(*arguments, "--json")
        assert (code, err) == (0, "")
        return json.loads(out)

    def within(self, work: Callable[[Services], Awaitable[T]]) -> T:
        """Do something with the stores, as the server would."""

        async def run() -> T:
            async with open_services(load(self.file, {})) as services:
                return await work(services)

        try:
            return asyncio.run(run())
        finally:
            self.capsys.readouterr()
