"""The program as a service manager runs it: what it is started with, asked, and seen to log."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.e2e.processes import Running, free_port, own_environment, start

ASKED = {
    "X-Forwarded-Method": "GET",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "wiki.example.com",
    "X-Forwarded-Uri": "/",
    "Accept": "application/json",
}
WAIT_S = 10.0


def configuration(folder: Path) -> dict[str, Any]:
    return {
        "public_url": "https://mfa.example.com",
        "listen": {name: f"127.0.0.1:{free_port()}" for name in ("gate", "portal", "admin")},
        "storage": {"data_dir": str(folder / "data")},
        "mail": {"outbox": str(folder), "from": "mfa@example.com"},
        "access": {
            "organization": {"name": "Example"},
            "identity_providers": [{"name": "PIN", "type": "onetimepin"}],
            "applications": [
                {
                    "name": "Wiki",
                    "domain": "wiki.example.com",
                    "policies": [{"name": "all", "decision": "bypass", "include": [{"everyone": {}}]}],
                }
            ],
        },
    }


def write(folder: Path, document: dict[str, Any]) -> Path:
    path = folder / "secondgate.yaml"
    path.write_text(json.dumps(document, indent=2))
    return path


def serve(folder: Path, document: dict[str, Any]) -> Running:
    ports = [int(address.rpartition(":")[2]) for address in document["listen"].values()]
    command = [sys.executable, "-m", "secondgate", "serve", "-c", write(folder, document)]
    return start("secondgate", command, folder=folder, ports=ports)


def status(document: dict[str, Any]) -> int:
    port = int(document["listen"]["gate"].rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", "/verify/forward-auth", headers=ASKED)
    answered = connection.getresponse().status
    connection.close()
    return answered


def logged(running: Running, event: str) -> list[dict[str, Any]]:
    """Give what the log holds of an event."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in running.output().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


def wait_for(running: Running, event: str, count: int = 1) -> dict[str, Any]:
    """Wait until the log holds an event so many times, and give the last."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        found = logged(running, event)
        if len(found) >= count:
            return found[-1]
        time.sleep(0.05)
    raise AssertionError(f"no {event} in\n{running.output()}")


def run_to_its_end(path: Path) -> subprocess.CompletedProcess[str]:
    """Start it where it is expected to refuse."""
    return subprocess.run(  # noqa: S603 - the project's own command
        [sys.executable, "-m", "secondgate", "serve", "-c", str(path)],
        env=own_environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
