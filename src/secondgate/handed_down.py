"""What one process of ours tells the next by an environment variable: the command its supervisor, that its workers.

The variables are not called SECONDGATE_…, since that is how settings are overridden. It imports nothing of weight: the
supervisor holds no more than it needs.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SUPERVISOR_VARIABLE = "SUPERVISOR_OF_SECONDGATE"
WORKER_VARIABLE = "WORKER_OF_SECONDGATE"
METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Where workers count. Its name is prometheus_client's: https://prometheus.github.io/client_python/multiprocess/"""
NOBODY = 0xFFFF_FFFF
"""Instead of a number of connections: this worker accepts none."""
COUNT_BYTES = 4


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be supervised. `listeners` has the address of each, as it is written in the configuration."""

    config: str
    workers: int
    listeners: dict[str, str]
    log_level: str
    stop_within_s: float

    def to_text(self) -> str:
        """Give the form that `take_plan` reads."""
        return json.dumps(dataclasses.asdict(self))


@dataclass(frozen=True, slots=True)
class HandedDown:
    """What a worker gets. `listeners` has the descriptors of each one's listening sockets.

    `alive` is a pipe that ends when the supervisor does; `ready` one that takes a byte when the worker serves.
    `folder` is shared by the workers, `replaces` the process id of the worker that had this number before, or 0.
    """

    number: int
    workers: int
    listeners: dict[str, list[int]]
    alive: int
    ready: int
    folder: str
    replaces: int

    def to_text(self) -> str:
        """Give the form that `take_handed_down` reads."""
        return json.dumps(dataclasses.asdict(self))


def take_plan(environ: MutableMapping[str, str]) -> Plan:
    """Take the plan out of the environment. Raises KeyError where there is none."""
    return Plan(**json.loads(environ.pop(SUPERVISOR_VARIABLE)))


def take_handed_down(environ: MutableMapping[str, str]) -> HandedDown | None:
    """Take what a supervisor handed down out of the environment; None in a process without one."""
    text = environ.pop(WORKER_VARIABLE, None)
    if text is None:
        return None
    fields: dict[str, Any] = json.loads(text)
    return HandedDown(**fields)


def metrics_folder(folder: Path) -> Path:
    """Where workers count: files of prometheus_client, one a process and kind."""
    return folder / "metrics"


def connections_file(folder: Path) -> Path:
    """Where each worker says how many connections it has: COUNT_BYTES a worker, listener after listener."""
    return folder / "connections"
