"""A real OpenID provider (npm's `oidc-provider`, `openid/provider.mjs`): its accounts, its keys, its end."""

from __future__ import annotations

import json
import shutil
import signal
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.certificate import Certificate
from tests.e2e.processes import Running, start
from tests.e2e.proxies import ROOT

MODULES = ROOT / ".tests/openid/node_modules"
PASSWORD = "correct horse"
KEYS_S = 10.0


@dataclass(slots=True)
class OpenIdProvider:
    """One provider. `host` is `127.0.0.1` or `localhost`: cookies know no ports, so two providers need two hosts."""

    name: str
    host: str
    port: int
    folder: Path
    clock: Path
    clients: Sequence[Mapping[str, object]]
    trusted: Certificate
    claims_in_id_token: bool = False
    _accounts: dict[str, dict[str, object]] = field(default_factory=dict)
    _running: Running | None = None

    @property
    def issuer(self) -> str:
        """The provider's issuer, and where its pages are."""
        return f"http://{self.host}:{self.port}"

    def start(self) -> None:
        """Start it, or start it again: with the same key, and knowing nobody's session."""
        self.stop()
        node = shutil.which("node")
        if node is None or not MODULES.is_dir():
            raise RuntimeError("Node.js or the OpenID provider is missing: run ./tests/run e2e once")
        self.folder.mkdir(exist_ok=True)
        (self.folder / "end").unlink(missing_ok=True)
        self._write_accounts()
        settings = {
            "modules": str(MODULES),
            "issuer": self.issuer,
            "port": self.port,
            "clients": self.clients,
            "accounts": str(self.folder / "accounts.json"),
            "clock": str(self.clock),
            "key": str(self.folder / "key.json"),
            "end": str(self.folder / "end"),
            "claims_in_id_token": self.claims_in_id_token,
            "password": PASSWORD,
        }
        path = self.folder / "settings.json"
        path.write_text(json.dumps(settings))
        command = [node, Path(__file__).with_name("openid") / "provider.mjs", path]
        environment = {"NODE_EXTRA_CA_CERTS": str(self.trusted.certificate)}
        self._running = start(self.name, command, folder=self.folder, ports=[self.port], env=environment)

    def stop(self) -> None:
        """Stop it: nobody listens then."""
        if self._running is not None:
            self._running.stop()

    def die_at(self, path: str) -> None:
        """Let it die when it is next asked for a path, without an answer."""
        (self.folder / "end").write_text(path)

    def knows(
        self, login: str, claims: Mapping[str, object], *, amr: Sequence[str] | None = None, auth_age_s: int = 0
    ) -> None:
        """Let somebody have an account, or change it: what is said of them at their next login.

        `login` is the subject and the name to log in with; the address is verified unless `claims` say otherwise.
        `auth_age_s` seconds lie between the proof that the provider speaks of and the login.
        """
        account: dict[str, object] = {"claims": {"email_verified": True, **claims}, "auth_age_s": auth_age_s}
        self._accounts[login] = account if amr is None else {**account, "amr": amr}
        self._write_accounts()

    def rotate_keys(self) -> None:
        """Replace the signing key at once, and wait until the new one is published."""
        if self._running is None:
            raise RuntimeError(f"{self.name} was never started")
        before = self._keys()
        self._running.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + KEYS_S
        while self._keys() == before:
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.name} keeps its key:\n{self.output()}")
            time.sleep(0.05)

    def output(self) -> str:
        """Give what it has written since it was started."""
        return self._running.output() if self._running else ""

    def _keys(self) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/jwks", timeout=KEYS_S) as answer:
            keys: bytes = answer.read()
        return keys

    def _write_accounts(self) -> None:
        """Replace the file in one step: the provider reads it at any time."""
        written = self.folder / "accounts.new"
        written.write_text(json.dumps(self._accounts))
        written.replace(self.folder / "accounts.json")
