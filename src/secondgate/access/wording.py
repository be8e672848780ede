"""What was wrong with a field, in plain words that name what is allowed; never in a validation library's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from secondgate.access.fields import Shape
from secondgate.access.introspection import known_keys, suggestion

_MAX_SHOWN = 40
_PLAIN = {
    "missing": "is required",
    "string_type": "must be text; put it in quotes",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "model_type": "must be an object: key: value",
    "model_attributes_type": "must be an object: key: value",
    "dict_type": "must be an object: key: value",
}


def worded(kind: str, context: Mapping[str, Any], value: object) -> str:
    """Word an error of a field: its kind and context as pydantic gives them, and the value that was refused."""
    if kind == "plain":
        return str(context["message"])
    if kind in {"enum", "literal_error"}:
        return _choice(tuple(re.findall(r"'([^']*)'", str(context["expected"]))), value)
    if kind == "greater_than_equal":
        return f"must be at least {context['ge']}"
    if kind == "less_than_equal":
        return f"must be at most {context['le']}"
    return _PLAIN.get(kind, f"is not of the form asked for ({kind.replace('_', ' ')})")


def _choice(words: tuple[str, ...], value: object) -> str:
    allowed = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
    if not isinstance(value, str):
        return f"must be {allowed}"
    meant = suggestion(value, words)
    shown = value if len(value) <= _MAX_SHOWN else value[:_MAX_SHOWN] + "…"
    return f"{shown!r} is not known; it must be {allowed}" + (f"; did you mean {meant}?" if meant else "")


def worded_unknown_key(key: str, model: type[Shape] | None) -> tuple[str, str | None]:
    """Word an unknown key, and give the key that was meant, if that can be guessed."""
    if model is None:
        return "is no key of this object", None
    if key in model.NOT_YET:
        return "is not supported by this version: nothing would honour it", None
    keys = known_keys(model)
    meant = suggestion(key, keys)
    if meant is not None:
        return f"unknown key; did you mean {meant}?", meant
    return (f"unknown key; known here: {', '.join(sorted(keys))}" if keys else "unknown key: nothing stands here"), None
