"""The table of all actions in SECURITY.md is held to the code: to every place that writes to the audit log."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import secondgate
from secondgate.model.access_object import ObjectKind
from secondgate.model.audit import EFFECTS, FAILURES, LOGIN_FAILURES

ROOT = Path(__file__).parents[2]
WRITERS = {"audit", "_audit", "audit_seldom", "new_event"}
ACTION = re.compile(r"[a-z_]+\.[a-z_]+")


def written() -> Iterator[str]:
    """Give every action that is named where something is written to the audit log."""
    for path in Path(secondgate.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            places: list[ast.expr] = []
            if isinstance(node, ast.Call) and _name(node.func) in WRITERS:
                places = node.args
            elif isinstance(node, ast.Assign) and any(_name(target) == "action" for target in node.targets):
                places = [node.value]
            for part in (part for place in places for part in ast.walk(place)):
                if isinstance(part, ast.Constant) and ACTION.fullmatch(str(part.value)):
                    yield str(part.value)
    for kind in ObjectKind:
        yield from (f"{kind}.{verb}" for verb in ("created", "updated", "deleted"))


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def documented() -> list[str]:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    table = text.partition("\n## The audit log\n")[2].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return [action for cell in cells for action in re.findall(r"`([^`]+)`", cell)]


def test_the_table_has_every_action_once_and_no_other() -> None:
    assert sorted(documented()) == sorted(set(written()))


def test_what_verbs_mean_is_said_of_verbs_that_are_used() -> None:
    used = {action.partition(".")[2] for action in written()}
    assert used >= FAILURES | frozenset().union(*EFFECTS.values())
    assert FAILURES.isdisjoint(frozenset().union(*EFFECTS.values()))
    assert set(written()) >= LOGIN_FAILURES


def test_log_lines_of_what_is_audited_have_the_same_name() -> None:
    services = (Path(secondgate.__file__).parent / "flows" / "services.py").read_text(encoding="utf-8")
    assert "log.info(\n        event.action," in services
