"""A PostgreSQL of this run's own, from Debian's package. It does not run as root: then the package's user runs it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

from tests.e2e.processes import free_port, start
from tests.load.programs import Program, pinned

USER = "postgres"


def start_postgres(folder: Path, core: int) -> Program:
    """Make a cluster in `folder` and serve it. Raises RuntimeError where the package is missing."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    if not programs:
        raise RuntimeError("PostgreSQL is not installed: apt install postgresql")
    place, port = folder / "postgres", free_port()
    place.mkdir()
    as_user: list[object] = []
    if os.getuid() == 0:
        shutil.chown(place, USER)
        # `setpriv` becomes the program itself, so that it is ended by the process id that was started.
        as_user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
    make = [
        *as_user,
        programs[-1] / "initdb",
        "-D",
        place / "data",
        "-U",
        USER,
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--no-sync",
    ]
    subprocess.run([str(part) for part in make], check=True, cwd=place, stdout=subprocess.DEVNULL)  # noqa: S603
    serve = [*as_user, programs[-1] / "postgres", "-D", place / "data", "-p", port, "-k", place]
    settings = ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=200"]
    return Program(start("postgres", pinned(core, [*serve, *settings]), folder=folder, ports=[port]), port)


def stop_postgres(program: Program) -> None:
    """Stop it without waiting for its clients (SIGINT: fast shutdown)."""
    program.running.process.send_signal(signal.SIGINT)
    program.running.stop()


def database_url(program: Program) -> str:
    """Give its URL as a setting."""
    return f"postgresql://{USER}@127.0.0.1:{program.port}/postgres"
