"""Which settings there are: the model behind a location, the keys it takes, which of them are secrets.

Reads the pydantic models, so that suggestions, the environment and secret files never know another set of keys than
validation does.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from secondgate.access.fields import Shape
from secondgate.model.secret import Secret

Location = tuple[str | int, ...]
FILE_SUFFIX = "_file"


def _parts(annotation: object) -> Iterator[object]:
    """Give an annotation and everything it is made of: the members of unions and Annotated, items of tuples."""
    yield annotation
    for argument in get_args(annotation):
        yield from _parts(argument)


def _keyed(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _inner_model(annotation: object) -> type[Shape] | None:
    return next((p for p in _parts(annotation) if isinstance(p, type) and issubclass(p, Shape)), None)


def model_at(root: type[Shape], location: Location) -> type[Shape] | None:
    """Give the model of the object at a location; None where there is no object of ours."""
    model: type[Shape] | None = root
    for part in location:
        if isinstance(part, int):
            continue
        field = _keyed(model).get(part) if model is not None else None
        model = _inner_model(field.annotation) if field is not None else None
    return model


def is_list_at(root: type[Shape], location: Location) -> bool:
    """Whether a setting is a list."""
    parent = model_at(root, location[:-1])
    field = _keyed(parent).get(str(location[-1])) if parent is not None and location else None
    return field is not None and any(get_origin(part) is tuple for part in _parts(field.annotation))


def secret_keys(model: type[Shape]) -> tuple[str, ...]:
    """Give the keys of a model whose values are secrets."""
    return tuple(
        key
        for key, field in _keyed(model).items()
        if any(part is Secret or get_origin(part) is Secret for part in _parts(field.annotation))
    )


def known_keys(model: type[Shape]) -> tuple[str, ...]:
    """Give every key that an object takes, those of secret files too."""
    return (*_keyed(model), *(key + FILE_SUFFIX for key in secret_keys(model)))


def suggestion(word: str, words: tuple[str, ...]) -> str | None:
    """Give the known word that a misspelt one is likely to mean."""
    folded = word.lower().replace("-", "_")
    if folded in words:
        return folded
    close = difflib.get_close_matches(folded, words, n=1, cutoff=0.6)
    return close[0] if close else None
