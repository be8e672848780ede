"""A value that must not be shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T", str, bytes)


@dataclass(frozen=True, slots=True, repr=False)
class Secret(Generic[T]):
    """Hold a secret so that no log, traceback or template shows it; `reveal` gives it."""

    _value: T

    def reveal(self) -> T:
        """Give the secret itself."""
        return self._value

    def __repr__(self) -> str:
        """Show nothing."""
        return "***"

    def __str__(self) -> str:
        """Show nothing."""
        return "***"
