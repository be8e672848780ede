"""Programs that run for the time of the tests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

START_S = 30.0
STOP_S = 10.0


def free_port() -> int:
    """Find a port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class Running:
    """A program that was started, and where its output goes."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def output(self) -> str:
        """Give what it has written so far."""
        return self.log.read_text(errors="replace")

    def stop(self) -> None:
        """Ask it to stop; kill it when it does not."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def start(
    name: str,
    command: Sequence[object],
    *,
    folder: Path,
    ports: Sequence[int],
    env: Mapping[str, str] | None = None,
) -> Running:
    """Start a program and wait until it listens on all its ports.

    Raises RuntimeError, with its output, if it never does.
    """
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - the tests' own commands
            [str(part) for part in command],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**own_environment(), **(env or {})},
            cwd=folder,
        )
    running = Running(name, process, log)
    deadline = time.monotonic() + START_S
    for port in ports:
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                running.stop()
                raise RuntimeError(f"{name} does not listen on {port}:\n{running.output()}")
            time.sleep(0.05)
    return running


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def own_environment() -> dict[str, str]:
    """Give our environment without Secondgate's own variables: a program under test reads them as settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("SECONDGATE_")}
