"""Data in columns, for people; `--json` is for programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from secondgate.cli.output import one_line, say


def say_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write rows under headings, each column as wide as its widest cell."""
    table = [tuple(headings), *(tuple(one_line(cell) or "-" for cell in row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def say_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Write a name and a value a line."""
    known = list(facts)
    width = max(len(name) for name, _ in known)
    for name, value in known:
        say(f"{name.ljust(width)}  {value or '-'}")


def time_text(at: int | None) -> str:
    """Give Unix seconds as a time in UTC; nothing for None."""
    return "" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
