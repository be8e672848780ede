"""Takes what the configuration file says now, on SIGHUP and whenever the file changes.

Its `access` part takes effect at the next request, as one step. A file with a problem changes nothing, and the log
names every problem with its place: once, however often such a file is written again. What else changed is named too,
since it needs a restart.

A change is noticed by looking at the file (through links, so that the links of a mounted ConfigMap may be turned
elsewhere), and taken when the file stayed the same from one look to the next: whoever writes it may take a moment.
The files that it names for secrets are not looked at: SIGHUP reads them again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from secondgate.administration.managed import ManagedAccess
from secondgate.config import Settings, load
from secondgate.errors import InvalidConfiguration

log = structlog.get_logger("secondgate.reload")

LOOK_EVERY_S = 1.0
Look = tuple[int, ...] | None
"""What tells one state of a file from another; None: it cannot be looked at."""


class Reload:
    """Reads the configuration again for a process that runs with the settings `running`.

    `renewed` is called each time when settings were read that are good.
    """

    def __init__(
        self,
        managed: ManagedAccess,
        config: tuple[str, Mapping[str, str]],
        running: Settings,
        *,
        renewed: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._managed = managed
        self._file, self._environ = config
        self._running = running
        self._renewed = renewed
        self._clock = clock
        self._taken = running
        self._complaints: tuple[str, ...] = ()
        self._seen: Look = ()
        self._pending: Look = ()

    def now(self) -> None:
        """Read the file again because somebody asked: whatever is found is logged."""
        self._complaints = ()
        try:
            settings = load(self._file, self._environ)
        except (InvalidConfiguration, OSError) as error:
            self._refuse(error)
            return
        self._take(settings)

    async def look(self) -> None:
        """Look at the file; read it if it is another than when it was read, and the same as at the look before.

        The first two looks find what changed since the process read it at its start.
        """
        look = _look(self._file)
        is_still, self._pending = look == self._pending, look
        if look == self._seen or not is_still:
            return
        self._seen, taken = look, self._taken
        try:
            settings = await asyncio.to_thread(load, self._file, self._environ)
        except (InvalidConfiguration, OSError) as error:
            self._refuse(error)
            return
        is_first = self._taken is taken  # somebody may have asked meanwhile, and found what is newer
        if is_first and (settings != taken or self._complaints):
            self._take(settings)

    def _take(self, settings: Settings) -> None:
        running = self._running
        try:
            if settings.manages_access and running.manages_access:
                self._managed.manage_by_file(settings.access, file=self._file, now=int(self._clock()))
        except InvalidConfiguration as error:
            self._refuse(error)
            return
        self._complaints, self._taken = (), settings
        self._renewed()
        waiting = [
            name
            for name in type(running).model_fields
            if name != "access" and getattr(settings, name) != getattr(running, name)
        ]
        if settings.manages_access != running.manages_access:
            waiting.append("access")
        if waiting:
            log.warning("reload.needs_restart", settings=waiting)
        access = self._managed()
        log.info("reload.done", version=access.version[:12], applications=len(access.applications))

    def _refuse(self, error: InvalidConfiguration | OSError) -> None:
        found = error.problems if isinstance(error, InvalidConfiguration) else (error,)
        complaints = tuple(map(str, found))
        if complaints != self._complaints:
            log.error("reload.refused", problems=list(complaints))
        self._complaints = complaints


def _look(file: str) -> Look:
    try:
        status = Path(file).stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
