"""How tables of their own columns are written, and what is required of them."""

from __future__ import annotations

from tests.load.report import markdown_blocks, target_block, targets, text_blocks
from tests.load.scenarios import faults, replicas
from tests.load.table import Table


def table() -> Table:
    rows: list[dict[str, str | int | float | None]] = [
        {replicas.CHANGE: replicas.REVOCATION, "changes": 1000, replicas.P99: 12.34, "wrong": 0},
        {replicas.CHANGE: replicas.CUT, "changes": 20, replicas.MAX: 5001.0, "wrong": 0},
    ]
    return Table(replicas.TITLE, replicas.HEADS, rows, notes=["a note"])


def test_a_table_has_a_line_a_row_and_empty_cells_where_nothing_was_measured() -> None:
    lines = table().lines()
    assert [len(line) for line in lines] == [len(replicas.HEADS)] * 3
    assert (lines[1][1], lines[1][3], lines[1][4], lines[2][4]) == ("1,000", "12.3", "", "5,001")
    assert text_blocks([], [table()]).count("\n") == 4
    assert markdown_blocks([], [table()]).count("|\n") == 4


def test_a_target_of_a_table_is_reached_by_its_number() -> None:
    block = target_block(targets({}, {replicas.TITLE: table()}))
    assert "reached       p99 in ms until three replicas hold to it: revocation (API): 12.3 (≤ 100)" in block
    assert "NOT reached   longest in ms with the subscription cut: revocation: 5e+03 (≤ 5000)" in block


def test_the_worst_fault_counts() -> None:
    found = Table(faults.TITLE, faults.HEADS, [{faults.LATE: 0}, {faults.LATE: 2}, {faults.LATE: None}])
    reached = {target.text: target.found for target in faults.targets(found)}
    assert reached["Redis fails: permissions of what was remembered for longer than 5 s"] == 2
