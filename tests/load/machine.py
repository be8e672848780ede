"""The machine that numbers were taken on: its cores, what runs on it, and what a process has used so far (proc(5))."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
LIBRARIES = ("secondgate", "aiohttp", "uvloop", "redis", "hiredis", "cryptography")


def choose_cores() -> tuple[int, int]:
    """Give the core of what is measured and the core of what measures; one and the same where there is only one.

    To be asked before anything is pinned: a pinned process knows one core.
    """
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


def facts() -> dict[str, object]:
    """Describe the machine and the versions of everything that takes part."""
    cpu = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s*(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return {
        "cpu": cpu[1] if cpu else platform.processor(),
        "cores": os.cpu_count(),
        "memory_mb": int(memory[1]) // 1024 if memory else 0,
        "load_average_before": os.getloadavg()[0],
        "kernel": platform.release(),
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in LIBRARIES},
        "nginx": _version("nginx", "-v"),
        "redis_server": _version("redis-server", "--version"),
        "wrk": _version("wrk", "-v"),
    }


def _version(program: str, flag: str) -> str:
    said = subprocess.run([program, flag], capture_output=True, text=True, check=False)  # noqa: S603 - our own commands
    found = re.search(r"\d+\.\d+[\w.+-]*", said.stdout + said.stderr)
    return found[0] if found else "unknown"


def family(pid: int) -> list[int]:
    """Give a process and everything that descends from it, itself first."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = _stat(path)
        except OSError:
            continue  # it ended meanwhile
        parents.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found = [pid]
    for one in found:
        found.extend(parents.get(one, ()))
    return found


def cpu_s(pid: int) -> float:
    """Give the processor seconds, user and system, that a process and its descendants have used."""
    return sum(_ticks(one) for one in family(pid)) / CLOCK_TICKS


def resident_bytes(pid: int) -> int:
    """Give the resident memory of a process and its descendants."""
    total = 0
    for one in family(pid):
        total += int(Path(f"/proc/{one}/statm").read_text().split()[1]) * PAGE_BYTES
    return total


def _ticks(pid: int) -> int:
    fields = _stat(Path(f"/proc/{pid}/stat"))
    return int(fields[11]) + int(fields[12])


def _stat(path: Path) -> list[str]:
    """Give the fields after the name, which may hold blanks: state, parent, …"""
    return path.read_text().rpartition(")")[2].split()
