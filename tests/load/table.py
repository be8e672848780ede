"""What a scenario says that is no rate: a table with columns of its own, and targets."""

from __future__ import annotations

from dataclasses import dataclass, field

Value = str | int | float | None


@dataclass(frozen=True, slots=True)
class Target:
    """What must be reached, and what was; None: it was not measured in this run."""

    text: str
    sign: str
    wanted: float
    found: float | None

    @property
    def is_reached(self) -> bool:
        """Whether it is."""
        if self.found is None:
            return False
        return self.found >= self.wanted if self.sign == "≥" else self.found <= self.wanted

    def line(self) -> str:
        """Give it as a line."""
        if self.found is None:
            return f"  not measured  {self.text}"
        said = "reached      " if self.is_reached else "NOT reached  "
        return f"  {said} {self.text}: {self.found:.3g} ({self.sign} {self.wanted:g})"


@dataclass(slots=True)
class Table:
    """A table: each row has a value for each of the heads. `wrong` counts answers that may not be."""

    title: str
    heads: tuple[str, ...]
    rows: list[dict[str, Value]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    wrong: int = 0

    def lines(self) -> list[list[str]]:
        """Give the heads and all rows as texts."""
        return [list(self.heads), *([cell(row.get(head)) for head in self.heads] for row in self.rows)]

    def worst(self, head: str) -> float | None:
        """Give the greatest number in a column; None where there is none."""
        values = (row.get(head) for row in self.rows)
        return max((float(value) for value in values if isinstance(value, (int, float))), default=None)


def cell(value: Value) -> str:
    """Give a value as a text: fractions with as many digits as say something."""
    match value:
        case None:
            return ""
        case float():
            return f"{value:,.0f}" if value >= 1000 else f"{value:,.1f}" if value >= 10 else f"{value:,.2f}"
        case int():
            return f"{value:,}"
        case _:
            return value


def text_lines(lines: list[list[str]]) -> str:
    """Give lines of texts for a terminal, the first line being heads."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            one.ljust(width) if column == 0 else one.rjust(width)
            for column, (one, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def markdown_lines(lines: list[list[str]]) -> str:
    """Give lines of texts for a README, the first line being heads."""
    heads, *rows = lines
    marked = [heads, ["---"] + ["---:"] * (len(heads) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in marked) + "\n"
