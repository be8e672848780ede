"""Several workers behind the same ports: they share the work, die, reload and end without an answer that is wrong."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.mmap_dict import MmapedDict

from secondgate.app import COUNTED_EVERY_S
from tests.e2e.processes import Running, free_port, start
from tests.e2e.serving import ASKED, WAIT_S, configuration, logged, run_to_its_end, wait_for, write

WORKERS = 2
RECOVERY_S = 1.0
"""After which time a worker's death is felt no more."""


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    port = free_port()
    command = ["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    running = start(f"redis-{port}", command, folder=tmp_path_factory.mktemp("redis"), ports=[port])
    yield running
    running.stop()


def with_workers(folder: Path, redis: Running, workers: int = WORKERS) -> dict[str, Any]:
    document = configuration(folder)
    document["workers"] = workers
    document["storage"]["redis"] = f"redis://127.0.0.1:{redis.name.rpartition('-')[2]}/0"
    return document


@contextmanager
def serving(folder: Path, document: dict[str, Any]) -> Iterator[Running]:
    """Serve with several workers, all of which serve; none of them is left in the end."""
    command = [sys.executable, "-m", "secondgate", "serve", "-c", write(folder, document)]
    running = start("secondgate", command, folder=folder, ports=[], env={"TMPDIR": str(folder)})
    try:
        wait_for(running, "listening", 3)
        yield running
    finally:
        running.stop()
        for line in logged(running, "worker.started"):
            if is_running(line["pid"]):
                os.kill(line["pid"], signal.SIGKILL)


def is_running(pid: int) -> bool:
    """Whether a process runs; one that ended and was not reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def pids(running: Running) -> list[int]:
    return [line["pid"] for line in logged(running, "worker.started")]


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=5)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(5)
        self.sock.connect(self._path)


def connect(document: dict[str, Any], listener: str = "gate") -> http.client.HTTPConnection:
    address: str = document["listen"][listener]
    if address.startswith("unix:"):
        return UnixConnection(address.removeprefix("unix:"))
    return http.client.HTTPConnection("127.0.0.1", int(address.rpartition(":")[2]), timeout=5)


def check(connection: http.client.HTTPConnection) -> int:
    connection.request("GET", "/verify/forward-auth", headers=ASKED)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def check_once(document: dict[str, Any]) -> int:
    connection = connect(document)
    try:
        return check(connection)
    finally:
        connection.close()


def checks_counted(document: dict[str, Any]) -> float:
    connection = connect(document, "admin")
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return sum(float(count) for count in re.findall(r"^secondgate_checks_total{.*} (\S+)$", text, re.MULTILINE))


def checks_of(folder: Path) -> dict[int, float]:
    """Read how many checks each process answered, from the files that they count in."""
    counted = {}
    for file in folder.glob("secondgate-*/metrics/counter_*.db"):
        values = MmapedDict.read_all_values_from_file(str(file))  # type: ignore[no-untyped-call]
        counted[int(file.stem.rpartition("_")[2])] = sum(value for _, value, *_ in values)
    return counted


@dataclass
class Load:
    """A steady stream of checks, each over a connection of its own; what came of each, and when it began."""

    document: dict[str, Any]
    seen: list[tuple[float, int | str]] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def _ask(self) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            try:
                self.seen.append((began, check_once(self.document)))
            except (OSError, http.client.HTTPException) as error:
                self.seen.append((began, repr(error)))
            time.sleep(0.002)

    @contextmanager
    def running(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            time.sleep(0.2)
            yield
            time.sleep(0.2)
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def outcomes(self, *, after: float = 0.0) -> set[int | str]:
        return {outcome for began, outcome in self.seen if began >= after}


def test_all_workers_serve_connections_that_come_together_and_what_they_count_adds_up(
    tmp_path: Path, redis: Running
) -> None:
    document = with_workers(tmp_path, redis)
    with serving(tmp_path, document) as running:
        assert [line["worker"] for line in logged(running, "worker.started")] == [1, 2]
        for number in range(1, 4):
            connections = [connect(document) for _ in range(16)]
            for connection in connections:
                connection.connect()
            for _ in range(10):
                assert {check(connection) for connection in connections} == {200}
            for connection in connections:
                connection.close()
            time.sleep(2 * COUNTED_EVERY_S)  # each worker adds what it counted before long
            assert {checks_counted(document) for _ in range(8)} == {160.0 * number}
        shares = checks_of(tmp_path)
        assert set(shares) == set(pids(running))
        assert min(shares.values()) >= 0.25 * sum(shares.values())
        with sqlite3.connect(tmp_path / "data" / "secondgate.sqlite3") as database:
            assert database.execute("SELECT count(*) FROM signing_keys").fetchone() == (1,)


def test_a_killed_worker_is_replaced_and_no_check_is_answered_wrongly_or_forgotten(
    tmp_path: Path, redis: Running
) -> None:
    document = with_workers(tmp_path, redis)
    load = Load(document)
    with serving(tmp_path, document) as running:
        first, second = pids(running)
        with load.running():
            killed_at = time.monotonic()
            os.kill(first, signal.SIGKILL)
            ended = wait_for(running, "worker.ended")
            wait_for(running, "worker.started", 3)
            time.sleep(0.3)
        assert (ended["worker"], ended["pid"], ended["signal"]) == (1, first, "SIGKILL")
        assert pids(running)[:2] == [first, second]
        assert is_running(pids(running)[2])
        errors = [(began, outcome) for began, outcome in load.seen if outcome != HTTPStatus.OK]
        assert all(isinstance(outcome, str) for _, outcome in errors), errors  # no other status: broken connections
        assert all(killed_at - RECOVERY_S < began < killed_at + RECOVERY_S for began, _ in errors), errors
        assert len(errors) <= 4  # one for each connection that the worker may have had

        time.sleep(2 * COUNTED_EVERY_S)
        before = checks_counted(document)
        answered = sum(isinstance(outcome, int) for _, outcome in load.seen)
        # What the killed worker had answered and not added yet is lost: a moment's checks.
        assert 0.9 * answered <= before <= answered + len(errors)
        for _ in range(20):
            assert check_once(document) == HTTPStatus.OK
        time.sleep(2 * COUNTED_EVERY_S)
        assert {checks_counted(document) for _ in range(8)} == {before + 20}
        assert len(checks_of(tmp_path)) == 3

        os.kill(second, signal.SIGTERM)  # one that is asked to end is replaced too
        ended = wait_for(running, "worker.ended", 2)
        assert (ended["worker"], ended["exit_code"]) == (2, 0)
        # A bad file keeps a worker from starting again, and the others go on with what they have.
        write(tmp_path, {**document, "workerz": 1})
        wait_until(lambda: any(line.get("exit_code") == 2 for line in logged(running, "worker.ended")))
        assert check_once(document) == HTTPStatus.OK
        write(tmp_path, document)
        wait_for(running, "worker.started", 4)


@pytest.mark.case(92)
def test_sighup_under_load_reaches_every_worker_and_drops_no_request(tmp_path: Path, redis: Running) -> None:
    document = with_workers(tmp_path, redis)
    load = Load(document)
    with serving(tmp_path, document) as running:
        with load.running():
            write(tmp_path, {**document, "workerz": 1})
            running.process.send_signal(signal.SIGHUP)
            wait_for(running, "reload.refused", WORKERS)
            refused_until = time.monotonic()
            document["access"]["applications"][0]["policies"][0]["decision"] = "deny"
            write(tmp_path, document)
            running.process.send_signal(signal.SIGHUP)
            wait_for(running, "reload.done", WORKERS)
            reloaded_at = time.monotonic()
            time.sleep(0.3)
        assert {line["worker"] for line in logged(running, "reload.done")} == {1, 2}
        assert load.outcomes() == {200, 401}
        assert {outcome for began, outcome in load.seen if began < refused_until - 0.1} == {200}
        assert load.outcomes(after=reloaded_at) == {401}
        assert pids(running) == pids(running)[:WORKERS]


def test_sigterm_finishes_what_is_under_way_and_leaves_nothing_behind(tmp_path: Path, redis: Running) -> None:
    document = with_workers(tmp_path, redis)
    with serving(tmp_path, document) as running:
        workers = pids(running)
        asked = [connect(document, "admin") for _ in range(8)]
        redis.process.send_signal(signal.SIGSTOP)
        try:
            for connection in asked:
                connection.request("GET", "/readyz")
            time.sleep(0.3)
            running.process.send_signal(signal.SIGTERM)
            wait_for(running, "stopping", 1 + WORKERS)
            running.process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
            with pytest.raises(OSError, match="refused"):
                check_once(document)
        finally:
            redis.process.send_signal(signal.SIGCONT)
        assert [connection.getresponse().status for connection in asked] == [200] * 8
        for connection in asked:
            connection.close()
        assert running.process.wait(WAIT_S) == 0
        assert not any(map(is_running, workers))
        assert not list(tmp_path.glob("secondgate-*"))
        assert not logged(running, "worker.ended")


def test_workers_end_when_the_supervisor_is_killed(tmp_path: Path, redis: Running) -> None:
    document = with_workers(tmp_path, redis)
    with serving(tmp_path, document) as running:
        running.process.kill()
        running.process.wait()
        wait_until(lambda: not any(map(is_running, pids(running))))
        assert len(logged(running, "worker.supervisor_lost")) == WORKERS
        wait_until(lambda: not list(tmp_path.glob("secondgate-*")))


def test_workers_share_unix_sockets(redis: Running) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        document = with_workers(folder, redis)
        document["listen"] |= {one: f"unix:{folder}/{one}.sock" for one in ("gate", "admin")}
        with socket.socket(socket.AF_UNIX) as left_over:
            left_over.bind(f"{folder}/gate.sock")
        with serving(folder, document) as running:
            connections = [connect(document) for _ in range(16)]
            for connection in connections:
                connection.connect()
            assert Counter(check(connection) for _ in range(10) for connection in connections) == {200: 160}
            time.sleep(2 * COUNTED_EVERY_S)
            assert checks_counted(document) == 160.0
            assert min(checks_of(folder).values()) >= 40
            for connection in connections:
                connection.close()
            running.process.send_signal(signal.SIGINT)
            assert running.process.wait(WAIT_S) == 0
        assert not list(folder.glob("*.sock"))


@pytest.mark.case(88, 92)
def test_a_refusal_to_start_is_said_once_and_is_the_exit_code(tmp_path: Path, redis: Running) -> None:
    document = with_workers(tmp_path, redis, workers=4)
    bad = run_to_its_end(write(tmp_path, {**document, "workerz": 1, "log_levl": "info"}))
    assert (bad.returncode, len(bad.stderr.splitlines())) == (2, 2)

    with socket.create_server(("127.0.0.1", int(document["listen"]["portal"].rpartition(":")[2]))):
        taken = run_to_its_end(write(tmp_path, document))
    assert (taken.returncode, len(taken.stderr.splitlines())) == (1, 1)
    assert taken.stderr.startswith("secondgate: listen.portal: cannot listen on 127.0.0.1:")

    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / "sealing.key").write_bytes(b"k" * 32)
    lost = run_to_its_end(write(tmp_path, document))
    assert (lost.returncode, len(lost.stderr.splitlines())) == (1, 1), lost.stderr
    assert lost.stderr.startswith("secondgate: ")
