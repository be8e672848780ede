"""Validates a document field by field until everything wrong was found, and makes settings of the rest.

After each round what was wrong is taken out, and the rest validated again: so one mistake never hides another. What
was taken out is remembered, for nothing that follows from its absence to be reported as a second mistake.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from pydantic import ValidationError

from secondgate.access.introspection import FILE_SUFFIX, model_at
from secondgate.access.shapes import POLICY_TAGS
from secondgate.access.wording import worded, worded_unknown_key
from secondgate.config.document import Document, Location, Sequence, rendered
from secondgate.config.settings import Settings

MAX_ROUNDS = 100
STAND_IN_URL = "https://secondgate.invalid"


@dataclass(slots=True)
class Validation:
    """What could be read, and the locations (as they were in the document) of what could not."""

    settings: Settings | None = None
    lost: set[Location] = field(default_factory=set)

    def is_consequence(self, path: str, needs: Iterable[str] = ()) -> bool:
        """Whether a finding may follow only from what was taken out: at its place, below it, or where it looked.

        Paths have the document's own numbers; in `needs`, `[*]` is any number.
        """
        lost = {rendered(location) for location in self.lost}
        if any(text == path or text.startswith((f"{path}.", f"{path}[")) for text in lost):
            return True
        patterns = [re.compile(re.escape(need).replace(r"\[\*\]", r"\[\d+\]")) for need in needs]
        return any(pattern.fullmatch(text) for pattern in patterns for text in lost)


def validate(document: Document, *, overrides: dict[Location, str], lost: set[Location]) -> Validation:
    """Validate a document, noting problems in it and taking wrong parts out of its data.

    `overrides` are the texts of the environment: one that reads as a number may have been meant as text. `lost` are
    parts that were taken out before.
    """
    result = Validation(lost=set(lost))
    unread = dict(overrides)
    for _ in range(MAX_ROUNDS):
        try:
            result.settings = Settings.model_validate(document.data)
        except ValidationError as error:
            _take_out_all(document, error, result, unread)
        else:
            break
    return result


def _take_out_all(document: Document, error: ValidationError, result: Validation, unread: dict[Location, str]) -> None:
    """Report one round's errors, then take out what they are about."""
    removed: set[Location] = set()
    found: set[Location] = set()
    errors = error.errors(include_url=False)
    errors.sort(key=lambda details: details["type"] != "extra_forbidden")
    for details in errors:
        kind = details["type"]
        location = tuple(part for part in details["loc"] if part not in POLICY_TAGS)
        original = _original(document.data, location)
        if location in unread:
            _replace(document.data, location, unread.pop(location))
            continue
        removed.add(location[:-1] if kind == "missing" else location)
        if kind == "extra_forbidden":
            message, meant = worded_unknown_key(str(location[-1]), model_at(Settings, location[:-1]))
            document.report(original, message)
            found.add(original)
            if meant is not None:
                found.add((*original[:-1], meant.removesuffix(FILE_SUFFIX)))
            continue
        if not result.is_consequence(rendered(original)) and original not in found:
            document.report(original, worded(kind, details.get("ctx", {}), details["input"]))
        found.add(original)
        if kind == "missing":
            found.add(original[:-1])
    found.discard(())
    result.lost |= found
    for location in sorted(removed, key=_order, reverse=True):
        _take_out(document.data, location)


def _order(location: Location) -> tuple[tuple[bool, int, str], ...]:
    return tuple((isinstance(part, int), part if isinstance(part, int) else 0, str(part)) for part in location)


def _inside(data: object, part: str | int) -> object:
    """Give what stands under a key or number; raises LookupError where nothing does."""
    if isinstance(data, list) and isinstance(part, int):
        item: object = data[part]
        return item
    if isinstance(data, dict):
        value: object = data[part]
        return value
    raise LookupError(part)


def _original(data: object, location: Location) -> Location:
    """Give a location with the numbers that list items had in the document."""
    original: Location = ()
    for depth, part in enumerate(location):
        try:
            inside = _inside(data, part)
        except LookupError:
            return (*original, *location[depth:])
        original = (*original, data.numbers[part] if isinstance(data, Sequence) and isinstance(part, int) else part)
        data = inside
    return original


def original_path(data: object, path: str) -> str:
    """Give a path, as findings have it, with the numbers that list items had in the document."""
    parts = re.findall(r"([^.\[\]]+)|\[(\d+)\]", path)
    return rendered(_original(data, tuple(int(number) if number else name for name, number in parts))).replace(
        ".*", "[*]"
    )


def _take_out(data: dict[str, object], location: Location) -> None:
    if not location:
        data["public_url"] = STAND_IN_URL
        return
    holder = _holder(data, location)
    part = location[-1]
    if isinstance(holder, Sequence) and isinstance(part, int):
        holder.take_out(part)
    if isinstance(holder, dict):
        holder.pop(part, None)


def _replace(data: dict[str, object], location: Location, value: object) -> None:
    holder = _holder(data, location)
    if isinstance(holder, dict):
        holder[location[-1]] = value


def _holder(data: object, location: Location) -> object:
    """Give the object or list that a value stands in."""
    for part in location[:-1]:
        data = _inside(data, part)
    return data
