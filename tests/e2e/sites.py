"""A whole site: an echo application behind a real proxy, and Secondgate beside it, with a clock that can be moved."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.processes import Running, free_port, start
from tests.e2e.proxies import PROXY_SECRET, ROOT, Upstreams

LABELS = ("app", "key", "staff", "open", "plain", "other")
"""The applications' host labels; what each asks for stands in `configuration`."""


@dataclass(frozen=True, slots=True)
class MovableClock:
    """Secondgate's clock: the real one and an offset that a file holds. It only goes forward."""

    file: Path

    def now(self) -> float:
        """Tell Secondgate's time."""
        return time.time() + self._offset_s()

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.file.write_text(str(self._offset_s() + seconds))

    def _offset_s(self) -> float:
        return float(self.file.read_text() or 0)


@dataclass(frozen=True, slots=True)
class Site:
    """Where everything is."""

    name: str
    scheme: str
    domain: str
    port: int
    folder: Path
    clock: MovableClock
    upstreams: Upstreams
    secondgate: Running
    ca_file: Path

    def host(self, label: str) -> str:
        """Give a host by its first label."""
        return f"{label}.{self.domain}"

    def url(self, label: str, path: str = "/") -> str:
        """Give a URL at a host."""
        return f"{self.scheme}://{self.host(label)}:{self.port}{path}"

    @property
    def cookie(self) -> str:
        """The name of the application's cookie."""
        return "__Host-secondgate" if self.scheme == "https" else "secondgate"


def hosts(domain: str) -> list[str]:
    """Give the hosts of all applications."""
    return [f"{label}.{domain}" for label in LABELS]


def start_secondgate(folder: Path, *, scheme: str, domain: str, port: int, upstreams: Upstreams) -> Running:
    """Start Secondgate on SQLite in `folder`, with the clock `folder/clock` and mail into `folder/outbox`."""
    (folder / "outbox").mkdir(exist_ok=True)
    (folder / "clock").write_text("0")
    (folder / "proxy-secret").write_text(PROXY_SECRET)
    path = folder / "secondgate.yaml"
    path.write_text(json.dumps(configuration(folder, f"{scheme}://mfa.{domain}:{port}", domain, upstreams), indent=2))
    command = [sys.executable, "-m", "tests.e2e.serve_with_clock", path, folder / "clock"]
    ports = [upstreams.gate, upstreams.portal]
    return start("secondgate", command, folder=folder, ports=ports, env={"PYTHONPATH": str(ROOT)})


def configuration(folder: Path, public_url: str, domain: str, upstreams: Upstreams) -> dict[str, object]:
    """Give the configuration (JSON is YAML)."""
    people = [{"email_domain": {"domain": "people.test"}}]
    allow = [{"name": "people", "decision": "allow", "include": people}]
    staff = [{"name": "staff", "decision": "allow", "include": [{"email": {"email": "root@people.test"}}]}]
    bypass = [{"name": "all", "decision": "bypass", "include": [{"everyone": {}}]}]
    key_only = {"allowed_authenticators": ["security_key"]}
    return {
        "public_url": public_url,
        "listen": {
            "gate": f"127.0.0.1:{upstreams.gate}",
            "portal": f"127.0.0.1:{upstreams.portal}",
            "admin": f"127.0.0.1:{free_port()}",
        },
        "proxy_secret_file": str(folder / "proxy-secret"),
        "log_level": "debug",
        "storage": {"data_dir": str(folder / "data")},
        "mail": {"outbox": str(folder / "outbox"), "from": "mfa@people.test"},
        "access": {
            "organization": {
                "name": "Example",
                "mfa_config": {
                    "allowed_authenticators": ["totp", "security_key", "biometrics"],
                    "session_duration": "24h",
                },
                "mfa_required_for_all_apps": True,
            },
            "identity_providers": [{"name": "PIN", "type": "onetimepin"}],
            "applications": [
                {"name": "App", "domain": f"app.{domain}", "policies": allow},
                {"name": "Admin area", "domain": f"app.{domain}/admin", "policies": allow, "mfa_config": key_only},
                {"name": "Keys only", "domain": f"key.{domain}", "policies": allow, "mfa_config": key_only},
                {"name": "Staff", "domain": f"staff.{domain}", "policies": staff},
                {"name": "Open", "domain": f"open.{domain}", "policies": bypass},
                {
                    "name": "Plain",
                    "domain": f"plain.{domain}",
                    "policies": allow,
                    "mfa_config": {"mfa_disabled": True},
                },
            ],
        },
    }
