"""What is measured and what it is measured against: each program a process of its own, pinned to a core."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.processes import Running, free_port, start

ROOT = Path(__file__).parents[2]
DOMAIN = "localhost"
"""Plain HTTP is accepted for names under `localhost` alone; what is measured is not TLS."""
APP, OPEN = f"app.{DOMAIN}", f"open.{DOMAIN}"
PIN = "pin"
NAMED = {"email": "X-Auth-Request-Email", "amr": "X-Auth-Request-Amr", "auth_time": "X-Auth-Request-Auth-Time"}


@dataclass(frozen=True, slots=True)
class Program:
    """A program that runs, and the port that is asked."""

    running: Running
    port: int

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.running.process.pid


@dataclass(frozen=True, slots=True)
class Secondgate:
    """A `secondgate serve`, its listeners' ports and its configuration file."""

    running: Running
    gate: int
    portal: int
    admin: int
    config: Path

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.running.process.pid


def pinned(core: int, command: Sequence[object]) -> list[object]:
    """Give the command that runs another one on one core alone, under the same process id."""
    return ["taskset", "-c", str(core), *command]


def start_redis(
    folder: Path, core: int, name: str = "redis", *, port: int = 0, options: Sequence[object] = ()
) -> Program:
    """Start a Redis that writes nothing to disk, on a port of its own or on this one."""
    port = port or free_port()
    command = ["redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly"]
    return Program(start(name, pinned(core, [*command, "no", *options]), folder=folder, ports=[port]), port)


def start_aiohttp(folder: Path, core: int, cookies: Path) -> Program:
    """Start plain aiohttp routes on uvloop: what the same answer costs when a framework gives it."""
    port = free_port()
    command = pinned(core, [sys.executable, "-m", "tests.load.plain_route", port, APP, cookies])
    return Program(start("aiohttp", command, folder=folder, ports=[port], env={"PYTHONPATH": python_path()}), port)


def write_config(
    folder: Path, name: str, redis: int, *, data: Path | None = None, settings: Mapping[str, object] | None = None
) -> Path:
    """Write a configuration: MFA for all applications, one for people, one that is open. SQLite, and a real Redis."""
    people = [{"name": "people", "decision": "allow", "include": [{"email_domain": {"domain": "people.test"}}]}]
    everyone = [{"name": "everyone", "decision": "bypass", "include": [{"everyone": {}}]}]
    mfa = {"allowed_authenticators": ["totp", "security_key"], "session_duration": "720h"}
    configuration = {
        "public_url": f"http://mfa.{DOMAIN}",
        "listen": {which: f"127.0.0.1:{free_port()}" for which in ("gate", "portal", "admin")},
        "storage": {"data_dir": str(data or folder / f"{name}-data"), "redis": f"redis://127.0.0.1:{redis}/0"},
        "mail": {"outbox": str(folder), "from": "mfa@people.test"},
        "access": {
            "organization": {
                "name": "Load",
                "mfa_config": {**mfa, "amr_matching_session_duration": "24h"},
                "mfa_required_for_all_apps": True,
                "session_duration": "24h",
            },
            "identity_providers": [{"name": PIN, "type": "onetimepin"}],
            "applications": [
                {"name": "App", "domain": APP, "policies": people, "session_duration": "24h"},
                {"name": "Open", "domain": OPEN, "policies": everyone},
            ],
        },
        **(settings or {}),
    }
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps(configuration, indent=2))  # JSON is YAML
    return path


def start_secondgate(config: Path, core: int) -> Secondgate:
    """Start the real program with a configuration file, and wait until all its listeners answer."""
    listen = json.loads(config.read_text())["listen"]
    gate, portal, admin = (int(listen[which].rpartition(":")[2]) for which in ("gate", "portal", "admin"))
    command = pinned(core, [sys.executable, "-m", "secondgate", "serve", "-c", config])
    environment = {"PYTHONPATH": python_path()}
    running = start(config.stem, command, folder=config.parent, ports=[gate, portal, admin], env=environment)
    return Secondgate(running, gate, portal, admin, config)


def start_nginx(folder: Path, name: str, core: int, http: str) -> Running:
    """Start an nginx of one process with these settings inside `http { }`; its port stands in them."""
    place = folder / name
    place.mkdir(exist_ok=True)
    temporary = "\n".join(
        f"{one}_temp_path {place}/{one};" for one in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    # One process; and no connection is closed for having been used often.
    (place / "nginx.conf").write_text(
        f"daemon off;\nmaster_process off;\nuser root;\npid {place}/nginx.pid;\nerror_log stderr warn;\n"
        "events { worker_connections 4096; }\n"
        f"http {{\naccess_log off;\nkeepalive_requests 1000000000;\nkeepalive_timeout 1h;\n{temporary}\n{http}\n}}\n"
    )
    nginx = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin") or "nginx"
    command = [nginx, "-p", place, "-e", "stderr", "-c", place / "nginx.conf"]
    port = next(int(line.rsplit(":", 1)[1].rstrip(";")) for line in http.splitlines() if "listen 127" in line)
    return start(name, pinned(core, command), folder=folder, ports=[port])


def start_static_nginx(folder: Path, core: int) -> Program:
    """Start an nginx that answers everything with an empty 200: the limit for a process of its own."""
    port = free_port()
    http = f"server {{\nlisten 127.0.0.1:{port};\nlocation / {{ return 200; }}\n}}"
    return Program(start_nginx(folder, "nginx-static", core, http), port)


def start_front_nginx(folder: Path, name: str, core: int, *, gate: int, portal: int) -> Program:
    """Start an nginx with the files that people include, which asks `gate` and answers from its own memory itself."""
    port = free_port()
    included = folder / name / "secondgate"
    included.mkdir(parents=True)
    for path in (ROOT / "nginx").glob("secondgate*.conf"):
        text = path.read_text().replace("127.0.0.1:9180", f"127.0.0.1:{gate}")
        (included / path.name).write_text(text.replace("127.0.0.1:9181", f"127.0.0.1:{portal}"))
    http = (
        "include secondgate/secondgate.conf;\n"
        f"server {{\nlisten 127.0.0.1:{port};\nserver_name {APP} {OPEN};\n"
        "include secondgate/secondgate-server.conf;\n"
        # `return` would answer before anybody is asked; this module answers after, from memory.
        "location / {\ninclude secondgate/secondgate-protect.conf;\nempty_gif;\n}\n}"
    )
    return Program(start_nginx(folder, name, core, http), port)


def python_path() -> str:
    """Give where programs of this run find the project."""
    return f"{ROOT / 'src'}:{ROOT}"
