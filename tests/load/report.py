"""The table, the targets, and what is kept: JSON, a Markdown table to paste, and a picture."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from tests.load.measure import Row
from tests.load.scenarios import faults, hits, million, misses, replicas
from tests.load.table import Table, Target, markdown_lines, text_lines

HEADS = (
    "scenario",
    "requests/s",
    "÷ nginx",
    "÷ nginx+nginx",
    "÷ aiohttp",
    "p50 ms",
    "p99 ms",
    "p99 at half",
    "CPU ms/1,000",
    "Redis/check",
    "MB",
)
BASELINES = (hits.NGINX, hits.FRONT, hits.AIOHTTP)
MILLION_RATIO, BYTES = "ratio_to_1000", "bytes_per_session"
HIT = hits.direct("auth-request")


def targets(rows: Mapping[str, Row], tables: Mapping[str, Table]) -> list[Target]:
    """Compare rows and tables with what is required of them."""
    hit, behind, miss, all_live = (rows.get(name) for name in (HIT, hits.BEHIND, misses.MISSES, million.ALL))
    return [
        Target("hits directly, of nginx return 200", "≥", 0.45, _ratio(hit, hits.NGINX)),
        Target("hits directly, times a plain aiohttp route", "≥", 5, _ratio(hit, hits.AIOHTTP)),
        Target("hits behind nginx, of nginx asking a static nginx", "≥", 0.62, _ratio(behind, hits.FRONT)),
        Target("rate with all sessions live, of the rate with 1,000", "≥", 0.9, _more(all_live, MILLION_RATIO)),
        Target("bytes of memory for each cached session", "≤", 700, _more(all_live, BYTES)),
        Target("p99 in ms at half of the highest rate, hits directly", "≤", 1, hit.half_p99_ms if hit else None),
        Target("Redis commands a hit", "≤", 0.01, hit.redis_per_check if hit else None),
        Target("Redis round trips a miss", "≤", 1.01, miss.redis_per_check if miss else None),
        *replicas.targets(tables.get(replicas.TITLE)),
        *faults.targets(tables.get(faults.TITLE)),
    ]


def _ratio(row: Row | None, baseline: str) -> float | None:
    return row.ratios.get(baseline) if row else None


def _more(row: Row | None, name: str) -> float | None:
    value = row.more.get(name) if row else None
    return float(value) if isinstance(value, (int, float)) else None


def cells(row: Row) -> list[str]:
    """Give a row as texts."""
    return [
        row.name,
        f"{row.rate:,.0f}",
        *(_number(row.ratios.get(name), 2) for name in BASELINES),
        _number(row.p50_ms, 3),
        _number(row.p99_ms, 3),
        _number(row.half_p99_ms, 3),
        _number(row.cpu_ms_per_1000, 1),
        _number(row.redis_per_check, 3),
        _number(row.resident_mb, 0),
    ]


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def text_table(rows: list[Row]) -> str:
    """Give the table for a terminal."""
    return text_lines([list(HEADS), *map(cells, rows)])


def markdown_table(rows: list[Row]) -> str:
    """Give the table for a README."""
    return markdown_lines([list(HEADS), *map(cells, rows)])


def text_blocks(rows: list[Row], tables: list[Table]) -> str:
    """Give everything that was found, for a terminal."""
    blocks = [text_table(rows), notes(rows)] if rows else []
    blocks += [
        "\n".join([table.title, text_lines(table.lines()), *(f"  {note}" for note in table.notes)]) for table in tables
    ]
    return "\n\n".join(blocks)


def markdown_blocks(rows: list[Row], tables: list[Table]) -> str:
    """Give everything that was found, for a README."""
    blocks = [markdown_table(rows)] if rows else []
    for table in tables:
        notes_ = "".join(f"\n{note}.\n" for note in table.notes)
        blocks.append(f"{table.title}:\n\n{markdown_lines(table.lines())}{notes_}")
    return "\n".join(blocks)


def target_block(found: list[Target]) -> str:
    """Give the last block: every target, and whether it is reached."""
    return "\n".join(["Targets:", *(target.line() for target in found)])


def notes(rows: list[Row]) -> str:
    """Give what rows say besides their numbers."""
    shown = [(row.name, name, value) for row in rows for name, value in row.more.items() if isinstance(value, float)]
    return "\n".join(f"  {name}: {what.replace('_', ' ')} {value:,.3f}" for name, what, value in shown)


def save(
    folder: Path,
    rows: list[Row],
    tables: list[Table],
    *,
    facts: Mapping[str, object],
    options: Mapping[str, object],
    found: list[Target],
) -> None:
    """Write `load.json` and `load.md`."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = {
        "taken_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": dict(facts),
        "options": dict(options),
        "rows": [asdict(row) for row in rows],
        "tables": [asdict(table) for table in tables],
        "targets": [{**asdict(one), "is_reached": one.is_reached} for one in found],
    }
    (folder / "load.json").write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    (folder / "load.md").write_text(markdown_blocks(rows, tables))
