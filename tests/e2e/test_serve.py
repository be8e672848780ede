"""The program as a service manager runs it: start, SIGHUP, SIGTERM, and refusals to start."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from secondgate.reload import LOOK_EVERY_S
from tests.e2e.serving import WAIT_S, configuration, run_to_its_end, serve, status, wait_for, write


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
    missing = run_to_its_end(write(tmp_path, document))
    assert (missing.returncode, len(missing.stderr.splitlines())) == (1, 1)
    assert "restore it from a backup" in missing.stderr
    bad = run_to_its_end(write(tmp_path, {**document, "workerz": 1}))
    assert bad.returncode == 2
    assert "workerz: unknown key; did you mean workers?" in bad.stderr


def test_an_address_in_use_is_named_with_its_listener(tmp_path: Path) -> None:
    document = configuration(tmp_path)
    running = serve(tmp_path, document)
    try:
        (tmp_path / "other").mkdir()
        second = {**document, "storage": {"data_dir": str(tmp_path / "other" / "data")}}
        done = run_to_its_end(write(tmp_path / "other", second))
        assert done.returncode == 1
        assert "listen.gate: cannot listen on" in done.stderr.splitlines()[-1]
    finally:
        running.stop()
