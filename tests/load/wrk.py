"""Runs wrk with `check.lua`: as many requests as are answered, for some seconds."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.load.programs import APP
from tests.load.requests import PATHS

SCRIPT = Path(__file__).with_name("check.lua")
CONNECTIONS = 16


@dataclass(frozen=True, slots=True)
class Load:
    """What a load found. `refused` are answers of 400 and more, `broken` requests without an answer."""

    requests: int
    seconds: float
    refused: int
    broken: int
    p50_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What wrk asks: a dialect, an application's host, and people's cookies."""

    dialect: str = "auth-request"
    host: str = APP
    cookies: Path | None = None
    is_navigation: bool = False
    paths: tuple[str, ...] = PATHS

    def environment(self) -> dict[str, str]:
        """Give it as `check.lua` reads it."""
        return {
            "LOAD_DIALECT": self.dialect,
            "LOAD_HOST": self.host,
            "LOAD_COOKIES": str(self.cookies or ""),
            "LOAD_NAVIGATE": "1" if self.is_navigation else "",
            "LOAD_PATHS": " ".join(self.paths),
        }


def begin_wrk(port: int, asked: Asked, *, seconds: float, connections: int = CONNECTIONS) -> subprocess.Popen[str]:
    """Begin a load, on the core of whoever begins it."""
    options = ["-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "5s", "-s", str(SCRIPT)]
    return subprocess.Popen(  # noqa: S603 - our own command
        ["wrk", *options, f"http://127.0.0.1:{port}/"],  # noqa: S607 - found on the PATH
        env={**os.environ, **asked.environment()},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish_wrk(running: subprocess.Popen[str], *, seconds: float) -> Load:
    """Wait for a load's end. Raises RuntimeError with what wrk said when it found nothing."""
    try:
        said, _ = running.communicate(timeout=seconds + 60)
    except subprocess.TimeoutExpired:
        running.kill()
        said, _ = running.communicate()
    found = [line for line in said.splitlines() if line.startswith("LOAD ")]
    if not found:
        raise RuntimeError(f"wrk said nothing of use:\n{said}")
    return Load(**json.loads(found[0].removeprefix("LOAD ")))


def run_wrk(port: int, asked: Asked, *, seconds: float, connections: int = CONNECTIONS) -> Load:
    """Ask for some seconds."""
    return finish_wrk(begin_wrk(port, asked, seconds=seconds, connections=connections), seconds=seconds)
