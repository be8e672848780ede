"""What the demo consists of: its configuration, its folder, and Traefik with the files in `traefik/`."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from secondgate.errors import StartRefused

APP_HOST, MAIL_HOST, PORTAL_HOST = "app.localhost", "mail.localhost", "mfa.localhost"


@dataclass(frozen=True, slots=True)
class DemoSite:
    """Folder and ports. `port` is Traefik's; the others are taken free."""

    folder: Path
    port: int
    gate_port: int
    portal_port: int
    admin_port: int
    sample_port: int

    @property
    def outbox(self) -> Path:
        """Where mail is written to."""
        return self.folder / "outbox"

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / "secondgate.yaml"

    def url(self, host: str, path: str = "/") -> str:
        """Give a URL of the demo."""
        return f"http://{host}:{self.port}{path}"


def make_site(folder: Path, port: int) -> DemoSite:
    """Make the folder with its configuration. Raises StartRefused when the port is taken or files are missing."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise StartRefused(f"port {port} is in use; give another with --port") from error
    site = DemoSite(folder, port, *(_free_port() for _ in range(4)))
    for one in (folder, site.outbox, folder / "dynamic"):
        one.mkdir(parents=True, exist_ok=True)
    site.config.write_text(json.dumps(_configuration(site), indent=2) + "\n")
    _write_traefik(site)
    return site


def traefik_command(site: DemoSite) -> list[str]:
    """Give the command that runs Traefik. Raises StartRefused when it is not installed."""
    found = shutil.which("traefik", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))
    if found is None:
        raise StartRefused("Traefik is not installed; run ./deploy/demo, which installs it")
    return [found, f"--configFile={site.folder / 'traefik.yaml'}", "--global.checkNewVersion=false"]


def _configuration(site: DemoSite) -> dict[str, object]:
    everyone = [{"name": "everyone", "decision": "allow", "include": [{"everyone": {}}]}]
    key_only = {"allowed_authenticators": ["security_key", "biometrics"]}
    return {
        "public_url": f"http://{PORTAL_HOST}:{site.port}",
        "listen": {
            "gate": f"127.0.0.1:{site.gate_port}",
            "portal": f"127.0.0.1:{site.portal_port}",
            "admin": f"127.0.0.1:{site.admin_port}",
        },
        "log_level": "warning",
        "storage": {"data_dir": "data"},
        "mail": {"outbox": "outbox", "from": f"mfa@{PORTAL_HOST}"},
        "access": {
            "organization": {
                "name": "Demo",
                "mfa_config": {
                    "allowed_authenticators": ["totp", "security_key", "biometrics"],
                    "session_duration": "24h",
                },
                "mfa_required_for_all_apps": True,
            },
            "identity_providers": [{"name": "One-time PIN", "type": "onetimepin"}],
            "applications": [
                {"name": "Sample application", "domain": APP_HOST, "policies": everyone},
                {
                    "name": "Sample vault",
                    "domain": f"{APP_HOST}/vault",
                    "policies": everyone,
                    "mfa_config": key_only,
                },
            ],
        },
    }


def _write_traefik(site: DemoSite) -> None:
    shipped = Path("traefik")
    if not (shipped / "secondgate.yaml").is_file():
        raise StartRefused("the folder traefik/ is not here; run ./deploy/demo in a checkout of Secondgate")
    _render(
        shipped / "traefik.yaml",
        site.folder / "traefik.yaml",
        {'":80"': f'"127.0.0.1:{site.port}"', "/etc/traefik/dynamic": str(site.folder / "dynamic")},
    )
    _render(
        shipped / "secondgate.yaml",
        site.folder / "dynamic" / "secondgate.yaml",
        {
            "127.0.0.1:9180": f"127.0.0.1:{site.gate_port}",
            "127.0.0.1:9181": f"127.0.0.1:{site.portal_port}",
            "mfa.example.test": PORTAL_HOST,
        },
    )
    service = {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{site.sample_port}"}]}}
    routers = {
        "app": {"rule": f"Host(`{APP_HOST}`)", "middlewares": ["secondgate"], "service": "sample"},
        "mail": {"rule": f"Host(`{MAIL_HOST}`)", "service": "sample"},
    }
    dynamic = {"http": {"routers": routers, "services": {"sample": service}}}
    (site.folder / "dynamic" / "sample.yaml").write_text(json.dumps(dynamic, indent=2) + "\n")


def _render(source: Path, target: Path, changes: dict[str, str]) -> None:
    text = source.read_text()
    for old, new in changes.items():
        if old not in text:
            raise StartRefused(f"{source} does not hold {old!r} any more, which the demo changes")
        text = text.replace(old, new)
    target.write_text(text)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
