"""One thing that makes no sense, where it stands, and what it was concluded from."""

from __future__ import annotations

from dataclasses import dataclass

from secondgate.errors import Problem


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem with its path, as `access.applications[1].domain`.

    `needs` are paths that the conclusion depends on, `[*]` for any number: when what stood there could not be read,
    the finding says nothing.
    """

    path: str
    message: str
    needs: tuple[str, ...] = ()

    def problem(self) -> Problem:
        """Give it without its place in a file."""
        return Problem(self.path, self.message)


def names_in(section: str, *fields: str) -> tuple[str, ...]:
    """Give the paths that must have been read to know every name in a list of objects."""
    return (section, f"{section}[*]", *(f"{section}[*].{field}" for field in ("id", "name", *fields)))
