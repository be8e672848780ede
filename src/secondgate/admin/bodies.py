"""Reads the bodies of calls that are about no managed object: into a shape, or with every field that is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from pydantic import ValidationError

from secondgate.access.fields import Shape
from secondgate.access.introspection import model_at
from secondgate.access.wording import worded, worded_unknown_key
from secondgate.errors import InvalidConfiguration, Problem

ShapeT = TypeVar("ShapeT", bound=Shape)


class InvalidBody(InvalidConfiguration):
    """A body that is not of the form asked for: every problem, with its path in the body."""


def parse_body(shape: type[ShapeT], body: Mapping[str, object]) -> ShapeT:
    """Read a body. Raises InvalidBody."""
    try:
        return shape.model_validate(body)
    except ValidationError as error:
        problems = []
        for details in error.errors(include_url=False):
            place, kind = details["loc"], details["type"]
            if kind == "extra_forbidden":
                message, _ = worded_unknown_key(str(place[-1]), model_at(shape, place[:-1]))
            else:
                message = worded(kind, details.get("ctx", {}), details["input"])
            problems.append(Problem(_path(place), message))
        raise InvalidBody(tuple(problems)) from None


def _path(place: tuple[str | int, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")
