"""The README's first command, as a newcomer runs it."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

from tests.e2e.processes import free_port, own_environment
from tests.e2e.proxies import ROOT

LIMIT_S = 400


def test_the_demo_walks_the_whole_way_by_itself(tmp_path: Path) -> None:
    command = ["./deploy/demo", "--check", "--port", str(free_port()), "--folder", str(tmp_path / "demo")]
    done = subprocess.run(  # noqa: S603 - the project's own command
        command, cwd=ROOT, env=own_environment(), capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("passed: the whole way through Traefik works")


def test_a_port_that_is_taken_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(  # noqa: S603 - the project's own command
            ["./deploy/demo", "--check", "--port", port, "--folder", str(tmp_path)],
            cwd=ROOT,
            env=own_environment(),
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    assert done.returncode == 1
    assert f"port {port} is in use" in done.stderr.splitlines()[-1]
