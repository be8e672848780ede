"""The program as a service manager runs it: start, SIGHUP, SIGTERM, and refusals to start."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from secondgate.reload import LOOK_EVERY_S
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


def wait_for(running: Running, event: str, count: int = 1) -> dict[str, Any]:
    """Wait until the log holds an event so many times, and give the last."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        lines: list[dict[str, Any]] = [
            json.loads(line) for line in running.output().splitlines() if line.startswith("{")
        ]
        found = [line for line in lines if line["event"] == event]
        if len(found) >= count:
            return found[-1]
        time.sleep(0.05)
    raise AssertionError(f"no {event} in\n{running.output()}")


@pytest.mark.case(92)
def test_sighup_takes_new_policies_refuses_bad_files_and_sigterm_ends_with_0(tmp_path: Path) -> None:
    document = configuration(tmp_path)
    running = serve(tmp_path, document)
    try:
        assert status(document) == 200
        document["access"]["applications"][0]["policies"][0]["decision"] = "deny"
        write(tmp_path, document)
        running.process.send_signal(signal.SIGHUP)
        wait_for(running, "reload.done")
        assert status(document) == 401

        write(tmp_path, {**document, "workerz": 1})
        running.process.send_signal(signal.SIGHUP)
        refused = wait_for(running, "reload.refused")
        assert "did you mean workers" in refused["problems"][0]
        assert status(document) == 401

        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(WAIT_S) == 0
    finally:
        running.stop()


@pytest.mark.case(92)
def test_a_changed_file_is_taken_by_itself_and_a_bad_one_is_refused_once(tmp_path: Path) -> None:
    document = configuration(tmp_path)
    running = serve(tmp_path, document)
    try:
        write(tmp_path, {**document, "workerz": 1})
        assert "did you mean workers" in wait_for(running, "reload.refused")["problems"][0]
        assert status(document) == 200
        write(tmp_path, {**document, "workerz": 1})
        time.sleep(3 * LOOK_EVERY_S)
        assert running.output().count("reload.refused") == 1

        document["access"]["applications"][0]["policies"][0]["decision"] = "deny"
        (tmp_path / "new").mkdir()
        write(tmp_path / "new", document).replace(tmp_path / "secondgate.yaml")
        wait_for(running, "reload.done")
        assert status(document) == 401
    finally:
        running.stop()


@pytest.mark.case(88, 92)
def test_a_refusal_to_start_is_one_line_and_an_exit_code(tmp_path: Path) -> None:
    document = configuration(tmp_path)
    running = serve(tmp_path, document)
    running.stop()
    for left in (tmp_path / "data").glob("secondgate.sqlite3*"):
        left.unlink()
    missing = _run(write(tmp_path, document))
    assert (missing.returncode, len(missing.stderr.splitlines())) == (1, 1)
    assert "restore it from a backup" in missing.stderr
    bad = _run(write(tmp_path, {**document, "workerz": 1}))
    assert bad.returncode == 2
    assert "workerz: unknown key; did you mean workers?" in bad.stderr


def test_an_address_in_use_is_named_with_its_listener(tmp_path: Path) -> None:
    document = configuration(tmp_path)
    running = serve(tmp_path, document)
    try:
        (tmp_path / "other").mkdir()
        second = {**document, "storage": {"data_dir": str(tmp_path / "other" / "data")}}
        done = _run(write(tmp_path / "other", second))
        assert done.returncode == 1
        assert "listen.gate: cannot listen on" in done.stderr.splitlines()[-1]
    finally:
        running.stop()


def _run(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - the project's own command
        [sys.executable, "-m", "secondgate", "serve", "-c", str(path)],
        env=own_environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
