"""`workers: 2` or more: starts them, starts again those that die, passes signals on, sees to it that all end.

`secondgate serve` becomes this program by exec once the configuration is found good: the process stays the one that
was started, and lets go of all that only workers need (27 MB are left of 118). It opens the listening sockets once and
keeps them, so they go on taking connections whatever becomes of a worker; how workers share them is told in `worker`.

    first start       one worker alone, which migrates the database and makes keys; when it serves, the others.
                      If one refuses to start (exit code 1 or 2), all stop, and its code is ours
    a worker ends     logged, and started again: after 0.1 s, doubling up to 5 s while it dies quickly
    SIGHUP            passed on to each worker that serves, and to one that starts as soon as it does
    SIGTERM, SIGINT   passed on; who has not finished in time is killed; exit code 0
    killed            a pipe that only this process holds open ends, by which workers know: they finish and end

It is one thread and no event loop, since it waits nearly always. It may be process 1 of a container: children that
are not its workers are reaped too.
"""

from __future__ import annotations

import fcntl
import math
import mmap
import os
import selectors
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from secondgate.errors import StartRefused
from secondgate.handed_down import (
    COUNT_BYTES,
    METRICS_VARIABLE,
    NOBODY,
    WORKER_VARIABLE,
    HandedDown,
    Plan,
    connections_file,
    metrics_folder,
    take_plan,
)
from secondgate.listening import open_sockets
from secondgate.logs import configure_logs

log = structlog.get_logger("secondgate.supervisor")

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
STEADY_S = 10.0
"""Who served this long did not die quickly."""
REFUSED = (1, 2)
"""Exit codes of the command line that say: this start makes no sense, and neither does the next."""


@dataclass(slots=True)
class _Worker:
    """One worker's place. Times are of the monotonic clock; `replaced` is the process that had the place before."""

    number: int
    pid: int = 0
    replaced: int = 0
    ready: int = -1
    serves_since: float | None = None
    starts_at: float = math.inf
    pause_s: float = FIRST_PAUSE_S
    is_to_reload: bool = False


@dataclass(slots=True)
class Supervisor:
    """Runs a plan on open sockets. `folder` is private to us and our workers; `signals` gives each signal's number."""

    plan: Plan
    sockets: dict[str, list[socket.socket]]
    folder: Path
    signals: int
    _workers: list[_Worker] = field(init=False)
    _selector: selectors.BaseSelector = field(init=False, default_factory=selectors.DefaultSelector)
    _counts: memoryview[int] = field(init=False)
    _alive: tuple[int, int] = field(init=False, default_factory=os.pipe)
    _is_started: bool = field(init=False, default=False)
    _kills_at: float | None = field(init=False, default=None)
    _code: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._workers = [_Worker(number) for number in range(1, self.plan.workers + 1)]
        self._counts = _make_counts(self.folder, len(self.sockets) * self.plan.workers)
        self._selector.register(self.signals, selectors.EVENT_READ)
        os.set_inheritable(self._alive[0], True)  # noqa: FBT003 - its only form
        for opened in self._opened():
            opened.set_inheritable(True)

    def run(self) -> int:
        """Supervise until all is over, and give the exit code."""
        self._workers[0].starts_at = 0.0
        while True:
            now = time.monotonic()
            if self._kills_at is None:
                for worker in self._workers:
                    if worker.starts_at <= now:
                        self._start(worker)
            elif not any(worker.pid for worker in self._workers):
                return self._code
            elif self._kills_at <= now:
                self._kill_leftovers()
            self._wait()
            self._reap()

    def _wait(self) -> None:
        """Wait for a signal, for a worker that serves, or until something is due."""
        due = min(
            [worker.starts_at for worker in self._workers] if self._kills_at is None else [self._kills_at],
        )
        timeout_s = None if due == math.inf else max(0.0, due - time.monotonic())
        for key, _ in self._selector.select(timeout_s):
            if key.fd == self.signals:
                for number in os.read(self.signals, 4096):
                    self._take_signal(number)
            else:
                worker: _Worker = key.data
                serves = os.read(key.fd, 1) != b""
                self._forget_ready(worker)
                if serves:
                    self._take_ready(worker)

    def _take_signal(self, number: int) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self._stop()
        elif number == signal.SIGHUP and self._kills_at is None:
            for worker in self._workers:
                if worker.serves_since is not None:
                    os.kill(worker.pid, signal.SIGHUP)
                else:
                    worker.is_to_reload = True  # it would die of it until it serves

    def _take_ready(self, worker: _Worker) -> None:
        worker.serves_since = time.monotonic()
        log.info("worker.started", worker=worker.number, pid=worker.pid)
        if worker.is_to_reload:
            worker.is_to_reload = False
            os.kill(worker.pid, signal.SIGHUP)
        if self._is_started:
            return
        for other in self._workers:
            if not other.pid and other.starts_at == math.inf:
                other.starts_at = 0.0
        if all(one.serves_since is not None for one in self._workers):
            self._is_started = True
            for name, address in self.plan.listeners.items():
                log.info("listening", listener=name, address=address)

    def _start(self, worker: _Worker) -> None:
        worker.starts_at = math.inf
        worker.ready, handed_ready = os.pipe()
        handed = HandedDown(
            number=worker.number,
            workers=self.plan.workers,
            listeners={name: [one.fileno() for one in sockets] for name, sockets in self.sockets.items()},
            alive=self._alive[0],
            ready=handed_ready,
            folder=str(self.folder),
            replaces=worker.replaced,
        )
        told = {WORKER_VARIABLE: handed.to_text(), METRICS_VARIABLE: str(metrics_folder(self.folder))}
        # -P: what stands in the folder that we were started in is not ours to import
        command = [sys.executable, "-P", "-m", "secondgate", "serve", "-c", self.plan.config]
        os.set_inheritable(handed_ready, True)  # noqa: FBT003 - its only form
        try:
            # A process group of its own: Ctrl-C reaches the supervisor alone, who passes it on.
            worker.pid = os.posix_spawn(sys.executable, command, {**os.environ, **told}, setpgroup=0)
        except OSError as error:
            log.error("worker.not_started", worker=worker.number, reason=error.strerror)  # noqa: TRY400 - not ours
            os.close(worker.ready)
            worker.ready = -1
            self._start_later(worker)
        else:
            self._selector.register(worker.ready, selectors.EVENT_READ, worker)
        finally:
            os.close(handed_ready)

    def _reap(self) -> None:
        """Learn which children have ended, ours and those that a container's process 1 is left with."""
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                for worker in self._workers:
                    if worker.pid == ended[0]:
                        self._take_end(worker, os.waitstatus_to_exitcode(ended[1]))

    def _take_end(self, worker: _Worker, code: int) -> None:
        """A worker has ended; `code` is its exit code, or the signal's negative number."""
        served_s = 0.0 if worker.serves_since is None else time.monotonic() - worker.serves_since
        has_served = worker.serves_since is not None
        pid, worker.replaced, worker.pid, worker.serves_since = worker.pid, worker.pid, 0, None
        self._forget_ready(worker)
        for listener in range(len(self.sockets)):
            self._counts[listener * self.plan.workers + worker.number - 1] = NOBODY
        if self._kills_at is not None:
            return
        if not self._is_started and not has_served and code in REFUSED:
            self._code = code  # it has said why
            self._stop()
            return
        how = {"exit_code": code} if code >= 0 else {"signal": _signal_name(-code)}
        log.error("worker.ended", worker=worker.number, pid=pid, **how)
        if served_s >= STEADY_S:
            worker.pause_s = FIRST_PAUSE_S
        self._start_later(worker)

    def _start_later(self, worker: _Worker) -> None:
        worker.starts_at = time.monotonic() + worker.pause_s
        worker.pause_s = min(2 * worker.pause_s, LONGEST_PAUSE_S)

    def _stop(self) -> None:
        """Have all workers finish; asked again, go on finishing."""
        if self._kills_at is not None:
            return
        if not self._code:
            log.info("stopping")
        self._kills_at = time.monotonic() + self.plan.stop_within_s
        for opened in self._opened():
            opened.close()
        for worker in self._workers:
            if worker.pid:
                os.kill(worker.pid, signal.SIGTERM)

    def _kill_leftovers(self) -> None:
        self._kills_at = math.inf
        for worker in self._workers:
            if worker.pid:
                log.error("worker.killed", worker=worker.number, pid=worker.pid)
                os.kill(worker.pid, signal.SIGKILL)

    def _forget_ready(self, worker: _Worker) -> None:
        if worker.ready >= 0:
            self._selector.unregister(worker.ready)
            os.close(worker.ready)
            worker.ready = -1

    def _opened(self) -> Iterator[socket.socket]:
        for sockets in self.sockets.values():
            yield from sockets


def main() -> None:
    """Run the plan that the environment holds, and leave with an exit code."""
    plan = take_plan(os.environ)
    configure_logs(plan.log_level)
    signals = _receive_signals()
    try:
        with ExitStack() as stack:
            folder = stack.enter_context(_private_folder())
            sockets = {name: stack.enter_context(_listening(name, text)) for name, text in plan.listeners.items()}
            code = Supervisor(plan, sockets, folder, signals).run()
    except StartRefused as error:
        sys.stderr.write(f"secondgate: {error}\n")
        code = 1
    sys.exit(code)


def _receive_signals() -> int:
    """Give a descriptor from which the numbers of signals can be read as they come."""
    receiving, sending = socket.socketpair()
    receiving.settimeout(0)
    sending.settimeout(0)
    signal.set_wakeup_fd(sending.detach(), warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    return receiving.detach()


@contextmanager
def _private_folder() -> Iterator[Path]:
    """Make a folder for as long as we run. Raises StartRefused."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="secondgate-"))
    except OSError as error:
        reason = error.strerror or error
        raise StartRefused(f"Workers need a folder for temporary files: {reason}; set TMPDIR to one.") from error
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # While it is locked systemd-tmpfiles does not clean it up, however old it is: tmpfiles.d(5), "Age".
        fcntl.flock(held, fcntl.LOCK_SH)
        metrics_folder(folder).mkdir()
        yield folder
    finally:
        os.close(held)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _listening(name: str, address: str) -> Iterator[list[socket.socket]]:
    """Listen; a Unix socket's file is removed in the end, unless it is somebody else's by then."""
    sockets = open_sockets(name, address)
    path = Path(address.removeprefix("unix:")) if address.startswith("unix:") else None
    made = path.stat().st_ino if path else 0
    try:
        yield sockets
    finally:
        for opened in sockets:
            opened.close()
        if path:
            with suppress(FileNotFoundError):
                if path.stat().st_ino == made:
                    path.unlink()


def _make_counts(folder: Path, places: int) -> memoryview[int]:
    """Make the table of connections: nobody accepts yet."""
    path = connections_file(folder)
    path.write_bytes(NOBODY.to_bytes(COUNT_BYTES, sys.byteorder) * places)
    with path.open("r+b") as file:
        return memoryview(mmap.mmap(file.fileno(), 0)).cast("I")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


if __name__ == "__main__":
    main()
