"""A site whose objects the API manages, with a token that the command line made while it runs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudflare

from tests.e2e.certificate import Certificate
from tests.e2e.processes import own_environment
from tests.e2e.sites import Site, choose_place, running_site
from tests.e2e.visitor import Visitor

LABELS = ("wiki", "vault")
ACCOUNT_ID = "0123456789abcdef0123456789abcdef"


@dataclass(frozen=True, slots=True)
class ApiSite:
    """What runs, and what a client of its API needs."""

    site: Site
    token: str

    @property
    def base_url(self) -> str:
        """What a client is given instead of Cloudflare's own address."""
        return f"http://{self.site.admin}/client/v4"

    def client(self, token: str = "") -> Any:  # noqa: ANN401 - the client's models are untyped here
        """Give the official client: only its address and its token are not those that it would have."""
        return cloudflare.Cloudflare(base_url=self.base_url, api_token=token or self.token)

    def make_token(self, name: str, permission: str) -> str:
        """Make another token at the command line."""
        return make_token(self.site.config_file, name, permission)

    def enrol(self, address: str) -> str:
        """Let somebody log in at the portal and set up an authenticator app; gives its key."""
        return Visitor(self.site).enrol_totp(address, "mfa", "/AddMfaDevice")


def make_token(config_file: Path, name: str, permission: str) -> str:
    """Make a token of the API as an administrator does."""
    command = [sys.executable, "-m", "secondgate", "token", "create", "-c", config_file, "--json"]
    done = subprocess.run(  # noqa: S603 - the project's own command
        [*map(str, command), "--name", name, "--permission", permission],
        env=own_environment(),
        capture_output=True,
        check=True,
        timeout=60,
    )
    return str(json.loads(done.stdout)["token"])


@contextmanager
def running_api_site(folder: Path, *, application: int, certificate: Certificate) -> Iterator[ApiSite]:
    """Run Secondgate with nothing managed, behind Traefik."""
    place = choose_place("traefik", folder)
    with running_site(
        place,
        labels=LABELS,
        access=None,
        application=application,
        certificate=certificate,
        settings={"account_id": ACCOUNT_ID},
    ) as site:
        yield ApiSite(site, make_token(site.config_file, "first", "all"))
