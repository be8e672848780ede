"""Exit codes of the command line."""

from __future__ import annotations

DONE = 0
FAILED = 1
BAD_CONFIGURATION = 2
INTERRUPTED = 130
