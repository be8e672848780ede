"""Runs Secondgate as `secondgate serve` does, with a clock that the tests can move: the real one plus an offset.

`python -m tests.e2e.serve_with_clock CONFIGURATION CLOCK-FILE`; the file holds the offset in seconds.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from secondgate.app import run
from secondgate.config import load


def main() -> None:
    """Serve until SIGTERM."""
    configuration, offset = Path(sys.argv[1]), Path(sys.argv[2])

    def clock() -> float:
        return time.time() + float(offset.read_text() or 0)

    run(load(configuration, os.environ), clock=clock, config=(str(configuration), os.environ))


if __name__ == "__main__":
    main()
