"""The program `secondgate`, also as `python -m secondgate`."""

from __future__ import annotations

import sys

from secondgate.cli import run


def main() -> None:
    """Run the command line and leave with its exit code."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
