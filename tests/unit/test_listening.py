"""Where it listens: what is left over of another process goes, and nothing else."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from secondgate.errors import StartRefused
from secondgate.listening import open_sockets


def test_a_socket_that_is_left_over_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "gate.sock"
    left_over = socket.socket(socket.AF_UNIX)
    left_over.bind(str(path))
    left_over.close()
    (opened,) = open_sockets("gate", f"unix:{path}")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    opened.close()


def test_a_file_is_never_removed_for_a_socket(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    with pytest.raises(StartRefused, match=r"listen\.gate: cannot listen on unix:.*in use"):
        open_sockets("gate", f"unix:{path}")
    assert path.read_text() == "mine"
